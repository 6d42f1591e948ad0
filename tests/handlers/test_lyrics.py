from typing import Any

import pytest
from pydantic import TypeAdapter

from handlers.lyrics import Word, lrc

WORDS = TypeAdapter(tuple[Word, ...])


def words(*texts: str, pause: float = 0.1) -> tuple[Word, ...]:
    """A word a second, each with a short pause after it."""
    spoken = [{"word": text, "start": float(at), "end": at + 1 - pause} for at, text in enumerate(texts)]
    return WORDS.validate_python(spoken)


CASES = [
    (
        "section markers and breaks inside words",
        ("[Verse 1]\nWaggin'", "in", "the", "dark\n\n[Chorus]\nNight", "ferry"),
        "[00:00.00]Waggin' in the dark\n[00:03.00]Night ferry\n",
    ),
    ("a marker over several words", ("[Verse", "1]\nOne", "two"), "[00:01.00]One two\n"),
    ("words that carry their spaces", ("Night ", "fer", "ry\n", "home"), "[00:00.00]Night ferry\n[00:03.00]home\n"),
    ("a script without spaces", ("夜", "の", "船\n", "海"), "[00:00.00]夜の船\n[00:03.00]海\n"),
    ("markers alone", ("[Intro]\n", "[Outro]"), None),
    ("nothing", (), None),
    ("a bracket that never closes", ("[Verse", "one"), "[00:00.00]Verse one\n"),
    ("control characters", ("a\x00b\u202e", "c\r\n", "d"), "[00:00.00]ab c\n[00:02.00]d\n"),
]


@pytest.mark.parametrize(("texts", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_line_has_the_time_of_its_first_word(texts: tuple[str, ...], expected: str | None) -> None:
    assert lrc(words(*texts), None, None) == expected


def test_without_breaks_a_pause_ends_a_line() -> None:
    spoken = WORDS.validate_python(
        [
            {"word": "one", "start": 61.254, "end": 61.5},
            {"word": "two", "start": 61.6, "end": 62},
            {"word": "three", "start": 6000, "end": 6001},
        ]
    )
    assert lrc(spoken, None, None) == "[01:01.25]one two\n[100:00.00]three\n"


def test_title_and_length_stand_above() -> None:
    text = lrc(words("one"), "Night\n[Ferry]", 198.44)
    assert text == "[ti:Night (Ferry)]\n[length:3:18]\n[00:00.00]one\n"


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), 1e9, "soon", None])
def test_time_that_is_none_is_no_word(wrong: Any) -> None:
    with pytest.raises(ValueError):
        WORDS.validate_python([{"word": "a", "start": wrong, "end": 1}])
