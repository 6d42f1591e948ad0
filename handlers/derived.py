"""Files that no provider has: made from the words and notes of a result. Pure."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from handlers.lyrics import Word, lrc
from handlers.midi import Instrument, midi
from handlers.text import one_line, shorten
from receiver.handler import Result

logger = logging.getLogger(__name__)

_WORDS = TypeAdapter(tuple[Word, ...])
_INSTRUMENTS = TypeAdapter(tuple[Instrument, ...])


@dataclass(frozen=True, slots=True)
class Derived:
    """A file that is made, not fetched."""

    role: str
    extension: str
    media_type: str
    content: bytes


def derived_files(result: Result, takes: Callable[[str], bool]) -> Iterator[Derived]:
    """What can be made of a result among the roles that are taken, and that the provider has no file of."""
    has = {file.role for file in result.files}
    for role, make in _MAKERS.items():
        if role not in has and takes(role) and (made := make(result)):
            yield made


def _lyrics(result: Result) -> Derived | None:
    if not (result.lyrics or "").strip():
        return None
    return Derived("lyrics", "txt", "text/plain", _encode(f"{result.lyrics}\n"))


def _timestamps(result: Result) -> Derived | None:
    words = _read(_WORDS, result, "words")
    text = lrc(words, result.title, result.duration) if words else None
    return Derived("timestamps", "lrc", "text/plain", _encode(text)) if text else None


def _midi(result: Result) -> Derived | None:
    instruments = _read(_INSTRUMENTS, result, "instruments")
    content = midi(instruments, result.title) if instruments else None
    return Derived("midi", "mid", "audio/midi", content) if content else None


_MAKERS = {"lyrics": _lyrics, "timestamps": _timestamps, "midi": _midi}


def _read(shape: TypeAdapter[Any], result: Result, name: str) -> Any:
    """What a result's data has under a name; None where there is nothing, or nothing of that shape."""
    found = result.data.get(name) if isinstance(result.data, Mapping) else None
    if not found:
        return None
    try:
        return shape.validate_python(found)
    except ValidationError as error:
        subject = shorten(one_line(result.id), 60)
        logger.warning("the %s of %s have %d faults: no file is made of them", name, subject, error.error_count())
        return None


def _encode(text: str) -> bytes:
    """UTF-8; halves of characters, which it can't say, become a question mark."""
    return text.encode(errors="replace")
