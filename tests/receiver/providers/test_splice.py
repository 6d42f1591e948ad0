import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.errors import Unrecognised
from receiver.providers.splice import get_member, set_member

NAME = "callBackUrl"
URL = "https://receiver.example/callbacks/abc"
OURS = f'"{URL}"'

SPLICED = {
    "empty object": ("{}", '{"callBackUrl":OURS}'),
    "empty object with space": ("{ \n}", '{ \n"callBackUrl":OURS}'),
    "added as the last member": ('{"a": 1 }', '{"a": 1,"callBackUrl":OURS }'),
    "replaced in place": ('{"callBackUrl" : "https://x" , "a":1}', '{"callBackUrl" : OURS , "a":1}'),
    "whatever its value was": ('{"callBackUrl":{"callBackUrl":[1]},"a":1}', '{"callBackUrl":OURS,"a":1}'),
    "null replaced": ('{"a":1,"callBackUrl":null}', '{"a":1,"callBackUrl":OURS}'),
    "every repetition": ('{"callBackUrl":"x","a":1,"callBackUrl":2}', '{"callBackUrl":OURS,"a":1,"callBackUrl":OURS}'),
    "written with escapes": (r'{"\u0063allBack\u0055rl":"x"}', r'{"\u0063allBack\u0055rl":OURS}'),
    "only the outermost": ('{"a":{"callBackUrl":"x"}}', '{"a":{"callBackUrl":"x"},"callBackUrl":OURS}'),
    "another case is another member": ('{"callbackurl":"x"}', '{"callbackurl":"x","callBackUrl":OURS}'),
    "in a value, not a name": ('{"a":"\\"callBackUrl\\":1"}', '{"a":"\\"callBackUrl\\":1","callBackUrl":OURS}'),
    "numbers": (
        '{"a":0.650,"b":1e5,"c":12345678901234567890,"d":-0.0,"e":1E+400}',
        '{"a":0.650,"b":1e5,"c":12345678901234567890,"d":-0.0,"e":1E+400,"callBackUrl":OURS}',
    ),
    "a very long number": ('{"a":' + "9" * 5000 + "}", '{"a":' + "9" * 5000 + ',"callBackUrl":OURS}'),
    "escapes and repeated names": (
        r'{"b":"\u00e4\/\ud83d\ude00\ud83d","b":"ä😀","a":[ ]}',
        r'{"b":"\u00e4\/\ud83d\ude00\ud83d","b":"ä😀","a":[ ],"callBackUrl":OURS}',
    ),
    "byte order mark": ('\ufeff{"a":1}', '\ufeff{"a":1,"callBackUrl":OURS}'),
    "space around": (' \r\n\t{"a":1}\r\n', ' \r\n\t{"a":1,"callBackUrl":OURS}\r\n'),
    "raw line breaks in a text": ('{"a":"x\ny"}', '{"a":"x\ny","callBackUrl":OURS}'),
}

REFUSED = {
    "": "the body is not JSON: expecting value, line 1 column 1",
    "[]": "the body must be a JSON object",
    ' "text" ': "the body must be a JSON object",
    "\ufeff12": "the body must be a JSON object",
    "prompt=x": "the body is not JSON: expecting value, line 1 column 1",
    '{\n "a": 1,\n "b": x}': "the body is not JSON: expecting value, line 3 column 7",
    '{"a" 1}': "the body is not JSON: expecting ':' delimiter, line 1 column 5",
    '{"a": 1 "b": 2}': "the body is not JSON: expecting ',' delimiter, line 1 column 8",
    '{"a": 1,}': "the body is not JSON: expecting property name enclosed in double quotes, line 1 column 9",
    "{a: 1}": "the body is not JSON: expecting property name enclosed in double quotes, line 1 column 2",
    "{": "the body is not JSON: expecting property name enclosed in double quotes, line 1 column 2",
    '{"a": "x': "the body is not JSON: unterminated string starting at line 1 column 7",
    '{"a": 1} {}': "the body is not JSON: extra data, line 1 column 10",
    '{"a": ' + "[" * 100_000: "the body is nested too deeply to be read",
}


@pytest.mark.parametrize(("before", "after"), SPLICED.values(), ids=SPLICED)
def test_member_is_set_and_every_other_byte_stays(before: str, after: str) -> None:
    assert set_member(before.encode(), NAME, URL).decode() == after.replace("OURS", OURS)


@pytest.mark.parametrize(("body", "message"), REFUSED.items(), ids=range(len(REFUSED)))
def test_body_that_is_no_object_is_refused_with_one_sentence(body: str, message: str) -> None:
    for act in (lambda: set_member(body.encode(), NAME, URL), lambda: get_member(body.encode(), NAME)):
        with pytest.raises(Unrecognised) as caught:
            act()
        assert str(caught.value) == message


def test_body_that_is_no_text_is_refused() -> None:
    with pytest.raises(Unrecognised, match=r"^the body is not JSON: byte 8 is not UTF-8$"):
        set_member(b'{"a": "\xff"}', NAME, URL)


def test_value_is_written_as_json() -> None:
    assert json.loads(set_member(b"{}", 'na"me', 'a"\\\n😀')) == {'na"me': 'a"\\\n😀'}


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ('{"callBackUrl": "https://x"}', "https://x"),
        ('{"callBackUrl": "https://x", "callBackUrl": "https://y"}', "https://y"),
        (r'{"callBackUr\u006c": "https://x"}', "https://x"),
        ('{"callBackUrl": null}', None),
        ('{"a": {"callBackUrl": "https://x"}}', None),
        ("{}", None),
    ],
)
def test_member_is_read_as_a_parser_reads_it(body: str, value: str | None) -> None:
    assert get_member(body.encode(), NAME) == value


Space = st.text(" \t\r\n", max_size=3)
Numbers = st.sampled_from(["0.650", "1e5", "-0", "12345678901234567890", "1E-2", "NaN", "0", "-Infinity"])
Letters = st.text(string.ascii_letters + '"\\/ äß😀{}[],:', max_size=6)
Escaped = st.text("aU", min_size=1, max_size=3).map(lambda word: '"' + "".join(f"\\u{ord(c):04x}" for c in word) + '"')
Texts = Letters.map(json.dumps) | Letters.map(lambda word: json.dumps(word, ensure_ascii=False)) | Escaped
Name = st.sampled_from([r'"callBackUrl"', r'"callBack\u0055rl"', r'"\u0063allBackUrl"'])


def spaced(value: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(Space, value, Space).map("".join)


Members = st.deferred(lambda: st.tuples(spaced(Texts | Name), spaced(Values)).map(":".join))
Values: st.SearchStrategy[str] = st.deferred(
    lambda: (
        Texts
        | Numbers
        | st.sampled_from(["true", "false", "null"])
        | st.lists(spaced(Values), max_size=3).map(lambda parts: f"[{','.join(parts)}]")
        | st.lists(Members, max_size=3).map(lambda parts: f"{{{','.join(parts)}}}")
    )
)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(spaced(Texts | Name), Space, Values, Space), max_size=5), Space, Space)
def test_only_our_member_changes_in_any_object(
    members: list[tuple[str, str, str, str]], before: str, after: str
) -> None:
    """The body is put together from pieces, so that what must come out is known to the byte."""

    def assemble(parts: list[tuple[str, str, str, str]]) -> str:
        return (
            before + "{" + ",".join(f"{name}:{lead}{value}{trail}" for name, lead, value, trail in parts) + "}" + after
        )

    body = assemble(members)
    spliced = set_member(body.encode(), NAME, URL).decode()
    ours = [json.loads(name) == NAME for name, *_ in members]
    if any(ours):
        expected = [
            (name, lead, OURS if own else value, trail)
            for (name, lead, value, trail), own in zip(members, ours, strict=True)
        ]
        assert spliced == assemble(expected)
    elif members:
        *kept, (name, lead, value, trail) = members
        assert spliced == assemble([*kept, (name, lead, f'{value},"{NAME}":{OURS}', trail)])
    else:
        assert spliced == f'{before}{{"{NAME}":{OURS}}}{after}'
    was, now = json.loads(body, parse_constant=str), json.loads(spliced, parse_constant=str)
    assert {**was, NAME: URL} == now
    assert get_member(spliced.encode(), NAME) == URL
