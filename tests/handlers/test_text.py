import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.text import clock, mrkdwn, one_line, safe_name, shorten, slack_link
from tests.support.deliveries import HOSTILE_TITLES

# Every character, halves of surrogate pairs included: JSON may bring them.
anything = st.text(st.characters(exclude_categories=()), max_size=400)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (198.44, "3:18"),
        (59.6, "1:00"),
        (7, "0:07"),
        (3723, "1:02:03"),
        (None, ""),
        (0, ""),
        (-5, ""),
        (float("nan"), ""),
        (float("inf"), ""),
    ],
)
def test_length_reads_as_people_write_it(seconds: float | None, shown: str) -> None:
    assert clock(seconds) == shown


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("one\ntwo\r\n\tthree", "one two three"),
        ("a\0b\x07c", "abc"),
        ("song\u202egnp.exe", "songgnp.exe"),
        ("\u2028x\u2029", "x"),
        ("👩\u200d👩", "👩\u200d👩"),
        ("a\ud800b", "ab"),
        ("\u200b\u202e", ""),
    ],
    ids=["newlines", "controls", "override", "separators", "joined emoji", "half a pair", "invisible"],
)
def test_text_comes_on_one_visible_line(text: str, line: str) -> None:
    assert one_line(text) == line


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [("Night Ferry", 11, "Night Ferry"), ("Night Ferry", 7, "Night…"), ("🎵🎵🎵", 4, "🎵…"), ("abc", 1, "…")],
)
def test_long_text_is_cut_between_characters(text: str, limit: int, cut: str) -> None:
    assert shorten(text, limit) == cut


@given(text=anything, limit=st.integers(1, 300))
def test_cut_text_never_exceeds_its_limit(text: str, limit: int) -> None:
    assert units(shorten(one_line(text), limit)) <= limit
    assert units(mrkdwn(one_line(text), limit)) <= limit


def test_markup_is_escaped_and_no_escape_is_cut_in_two() -> None:
    assert mrkdwn("<!channel> & <@U1>", 100) == "&lt;!channel&gt; &amp; &lt;@U1&gt;"
    assert mrkdwn("&&&", 11) == "&amp;&amp;…"
    assert mrkdwn("&&&", 10) == "&amp;…"


@pytest.mark.parametrize(
    ("url", "label", "link"),
    [
        ("https://a.example/x?a=1&b=2", "Listen", "<https://a.example/x?a=1&amp;b=2|Listen>"),
        ("https://a.example/a b|c>d<e", "Listen", "<https://a.example/a%20b%7Cc%3Ed%3Ce|Listen>"),
        ("https://a.example/x\n<!channel>", "Listen", "<https://a.example/x%0A%3C!channel%3E|Listen>"),
        ("https://a.example/x?sig=%2Fa%3D", "a|b>c", "<https://a.example/x?sig=%2Fa%3D|a¦b&gt;c>"),
        ("javascript:alert(1)", "Listen", "Listen"),
        ("!channel", "Listen", "Listen"),
        ("http://[::1", "Listen", "Listen"),
        ("https://a.example/" + "x" * 3000, "Listen", "Listen"),
        ("https://a.example/\ud800", "Listen", "Listen"),
    ],
    ids=["query kept", "specials", "newline", "label", "script", "mention", "broken", "too long", "half a character"],
)
def test_nothing_breaks_out_of_a_link(url: str, label: str, link: str) -> None:
    assert slack_link(url, label) == link


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("../../etc/passwd", "etc-passwd"),
        ("/etc/passwd", "etc-passwd"),
        ("a\0b\nc", "ab c"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("Lpt¹.x", "_Lpt¹.x"),
        ("concert", "concert"),
        ("song. . ", "song"),
        (".hidden", "hidden"),
        ("...", ""),
        ("Cafe\u0301", "Café"),
        ('<a>:"b"|?*\\', "a---b"),
    ],
)
def test_name_is_safe_on_every_file_system(title: str, name: str) -> None:
    assert safe_name(title) == name


@given(text=anything, limit=st.integers(8, 120))
def test_any_text_makes_a_safe_name_or_none(text: str, limit: int) -> None:
    name = safe_name(text, limit)
    assert len(name.encode()) <= limit
    assert name == unicodedata.normalize("NFC", name)
    assert not set(name) & set('/\\\0<>:"|?*\n\r')
    assert name == name.strip(" .")
    assert safe_name(name, limit) == name


@pytest.mark.parametrize("title", HOSTILE_TITLES.values(), ids=HOSTILE_TITLES)
def test_hostile_title_makes_a_safe_name(title: str) -> None:
    name = safe_name(title)
    assert "/" not in name
    assert name not in {".", ".."}
    assert len(name.encode()) <= 120
