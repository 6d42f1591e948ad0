"""Aligned words to an .lrc file: one line of the song a line, each with the time at which it is sung. Pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from handlers.text import clock, one_line

# A day; nothing that is sung is longer, and times beyond it are nonsense.
LONGEST_S = 86_400.0
Seconds = Annotated[float, Field(ge=0, le=LONGEST_S, allow_inf_nan=False)]

# [Verse 1], [Chorus]: nobody sings them, and players would take them for tags.
_MARKER = re.compile(r"\[[^\]\n]*\]")
# Without line breaks of the provider's, a pause so long ends a line.
_PAUSE_S = 1.0


class Word(BaseModel):
    """A word as it is sung; it may carry section markers, line breaks and spaces."""

    model_config = ConfigDict(hide_input_in_errors=True)

    word: str
    start: Seconds
    end: Seconds


def lrc(words: Sequence[Word], title: str | None, duration: float | None) -> str | None:
    """The text of an .lrc file; None where nothing is sung. https://en.wikipedia.org/wiki/LRC_(file_format)"""
    lines = [f"[{_stamp(start)}]{text}" for start, text in _lines(words)]
    if not lines:
        return None
    shown = one_line(title or "").translate({ord("["): "(", ord("]"): ")"})
    tags = [("ti", shown), ("length", clock(duration))]
    return "\n".join([*(f"[{name}:{value}]" for name, value in tags if value), *lines]) + "\n"


def _lines(words: Sequence[Word]) -> Iterator[tuple[float, str]]:
    """Each line that is sung with the time of its first word."""
    text, starts = "", []
    for piece, start in _pieces(words):
        text += piece
        starts += [start] * len(piece)
    # A marker may be spread over several words, so it is looked for in the whole.
    text = _MARKER.sub(lambda marker: " " * len(marker[0]), text)
    at = 0
    for line in text.split("\n"):
        first = next((place for place, char in enumerate(line) if not char.isspace()), None)
        if first is not None and (shown := one_line(line).lstrip("[")):
            yield starts[at + first], shown
        at += len(line) + 1


def _pieces(words: Sequence[Word]) -> Iterator[tuple[str, float]]:
    """The words, and what stands between them where they don't carry it themselves."""
    breaks = any("\n" in word.word for word in words)
    spaced = any(word.word != word.word.strip(" ") for word in words)
    for word, following in pairwise((*words, None)):
        assert word is not None
        yield word.word, word.start
        if following is None:
            return
        if not breaks and following.start - word.end >= _PAUSE_S:
            yield "\n", word.end
        elif not spaced and not (_is_wide(word.word[-1:]) or _is_wide(following.word[:1])):
            yield " ", word.end


def _is_wide(char: str) -> bool:
    """Whether this is a character of a script that puts no spaces between words."""
    return char != "" and unicodedata.east_asian_width(char) in "WF"


def _stamp(seconds: float) -> str:
    minutes, rest = divmod(round(seconds * 100), 6000)
    return f"{minutes:02}:{rest // 100:02}.{rest % 100:02}"
