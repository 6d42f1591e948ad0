import pytest
from pydantic_core import from_json

from receiver.errors import Unrecognised
from receiver.providers import body
from receiver.providers.body import address, load, seconds, text, whole

LOADED = {
    "plain": (b'{"a": [1, 2.5, "x", null]}', {"a": [1, 2.5, "x", None]}),
    "byte order mark": (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
    "latin-1": (b'{"a":"N\xe4chte"}', {"a": "N\ufffdchte"}),
    "half a character": (b'{"a":"x\\ud83d","\\ude00":[1]}', {"a": "x\ufffd", "\ufffd": [1]}),
    "a whole pair beside a half": (b'{"a":"\\ud83d\\ude00\\ud83d"}', {"a": "😀\ufffd"}),
    "an escaped backslash is no half": (b'\xef\xbb\xbf{"a":"\\\\ud83d"}', {"a": "\\ud83d"}),
    "raw line break": (b'{"a":"x\ny"}', {"a": "x\ny"}),
    "big number": (b'{"a":12345678901234567890123}', {"a": 12345678901234567890123}),
    "huge number": (b'{"a":' + b"9" * 5000 + b"}", {"a": float("inf")}),
}


@pytest.mark.parametrize(("raw", "value"), LOADED.values(), ids=LOADED)
def test_json_is_read_as_providers_send_it(raw: bytes, value: object) -> None:
    assert load(raw) == value


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "the body is empty"),
        (b" \n", "the body is empty"),
        (b"\xff\xfe", "the body is not JSON: expecting value, line 1 column 1"),
        (b'{"a":1}\n{"b"', "the body is not JSON: extra data, line 2 column 1"),
        (b"[" * 100_000, "the body is nested too deeply to be read"),
        (b"[" * 400 + b"]" * 400, "the body is nested too deeply to be read"),
        (b"[" * 101 + b"]" * 101, "the body is nested too deeply to be read"),
        (b'[{"b":0},' + b'{"a":[' * 50 + b"]}" * 50 + b"]", "the body is nested too deeply to be read"),
        (b"\xef\xbb\xbf" + b"[" * 101 + b"]" * 101, "the body is nested too deeply to be read"),
    ],
    ids=range(9),
)
def test_what_is_no_json_is_unrecognised(raw: bytes, message: str) -> None:
    with pytest.raises(Unrecognised) as caught:
        load(raw)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "raw",
    [b"[" * 100 + b"]" * 100, b"[" + b"[{}]," * 5000 + b"0]", b'{"a":"' + b"[{" * 500 + b'"}'],
    ids=["as deep as can be", "wide", "brackets in a text"],
)
def test_only_depth_makes_a_body_too_deep(raw: bytes) -> None:
    assert load(raw) == from_json(raw)


def test_error_never_quotes_the_body() -> None:
    with pytest.raises(Unrecognised) as caught:
        load(b'{"token": "sec\\xret"}')
    assert "ret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_undamaged_body_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_load_damaged", lambda _raw: pytest.fail("the slow way"))
    assert load('{"a":"ä😀"}'.encode()) == from_json('{"a":"ä😀"}')


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x", "x"), (" x\n", " x\n"), ("", None), (" ", None), (None, None),
        (4711, "4711"), (0, "0"), (True, None), (1.5, None), (["x"], None), ({}, None),
    ],
)  # fmt: skip
def test_text_is_what_says_something(value: object, expected: str | None) -> None:
    assert text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (200, 200), ("200", 200), (" 200 ", 200), (200.0, 200), (-1, -1), ("", None), ("ok", None), (None, None),
        (True, None), (200.5, None), (float("nan"), None), (float("inf"), None), ("²", None), ("9" * 5000, None),
        ([200], None),
    ],
)  # fmt: skip
def test_code_is_a_whole_number_or_its_text(value: object, expected: int | None) -> None:
    assert whole(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (198.44, 198.44), (176, 176.0), ("198.44", 198.44), (0, None), ("", None), ("0", None), (None, None),
        (-3, None), ("NaN", None), (float("nan"), None), (float("inf"), None), ("1e999", None), (10**400, None),
        (True, None), ("long", None), ([1], None),
    ],
)  # fmt: skip
def test_duration_is_a_number_that_makes_sense(value: object, expected: float | None) -> None:
    assert seconds(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://x.example/a b?sig=1%2F2", "https://x.example/a b?sig=1%2F2"), (" http://x.example\n", "http://x.example"),
        ("HTTPS://x.example", "HTTPS://x.example"), ("", None), ("null", None), ("javascript:alert(1)", None),
        ("ftp://x.example", None), ("https://", None), ("https:///a", None), (None, None), (1, None),
    ],
)  # fmt: skip
def test_address_is_http_and_untouched(value: object, expected: str | None) -> None:
    assert address(value) == expected
