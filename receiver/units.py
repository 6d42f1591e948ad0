"""Values that users write as text (`30s`, `8MiB`, `20/10s`), and the strict model of every YAML section."""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, SecretStr, WithJsonSchema

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)?")
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}


def parse_duration(text: str) -> timedelta:
    """A duration from text such as `30s`, `5m`, `1h30m` or `250ms`; raises ValueError."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.replace(" ", ""):
        raise ValueError("is not a duration: write 30s, 5m, 2h or 3d")
    try:
        return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
    except OverflowError:
        raise ValueError("is too long for a duration") from None


def format_duration(value: timedelta) -> str:
    """The text that `parse_duration` reads back, in at most two units."""
    seconds = value.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            whole, rest = divmod(round(seconds), size)
            smaller = {"d": ("h", 3600), "h": ("m", 60), "m": ("s", 1)}[unit]
            part = rest // smaller[1]
            return f"{whole}{unit}{part}{smaller[0]}" if part else f"{whole}{unit}"
    return f"{seconds:g}s"


def parse_size(text: str) -> int:
    """Bytes from text such as `8MiB` or `500MB`; raises ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("is not a size: write 500kB, 8MiB or 2GiB")
    try:
        return int(float(match[1]) * _BYTES[match[2] or "B"])
    except OverflowError:
        raise ValueError("is too large for a size") from None


def format_size(size: int) -> str:
    """The text that `parse_size` reads back: the largest unit that divides it."""
    unit = next(unit for unit in ("GiB", "MiB", "KiB", "B") if size % _BYTES[unit] == 0 and (size or unit == "B"))
    return f"{size // _BYTES[unit]}{unit}"


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` attempts in any window of `period`."""

    count: int
    period: timedelta


def parse_rate(text: str) -> Rate:
    """A rate from text such as `20/10s` or `1/1s`; raises ValueError."""
    count, slash, period = text.partition("/")
    if not slash or not count.strip().isdecimal() or int(count) < 1:
        raise ValueError("is not a rate: write 20/10s (twenty in any ten seconds)")
    duration = parse_duration(period.strip())
    if not duration:
        raise ValueError("is not a rate: the time after the slash must be longer than nothing")
    return Rate(int(count), duration)


def _from_text(parse: Callable[[str], Any], wanted: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if isinstance(value, wanted) and not isinstance(value, bool):
            return value
        # A bare number is refused by the parser's own message, which names the unit that is missing.
        return parse(str(value))

    return read


def _text_schema(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


Duration = Annotated[
    timedelta,
    BeforeValidator(_from_text(parse_duration, timedelta)),
    PlainSerializer(format_duration),
    _text_schema(r"^(\d+(\.\d+)?(ms|s|m|h|d))+$", "5m"),
]
Size = Annotated[
    int,
    BeforeValidator(_from_text(parse_size, int)),
    PlainSerializer(format_size),
    _text_schema(r"^\d+(\.\d+)?\s*(B|[kKMG]i?B)?$", "8MiB"),
]
RateLimit = Annotated[
    Rate,
    BeforeValidator(_from_text(parse_rate, Rate)),
    PlainSerializer(lambda rate: f"{rate.count}/{format_duration(rate.period)}"),
    _text_schema(r"^\d+/\d+(\.\d+)?(ms|s|m|h|d)$", "20/10s"),
]


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


# A secret that can be rotated: a list or comma-separated text. The first signs, all verify.
_SECRET_SCHEMA = {"type": "string", "format": "password", "writeOnly": True}
Secrets = Annotated[
    tuple[SecretStr, ...],
    BeforeValidator(_split),
    WithJsonSchema({"anyOf": [_SECRET_SCHEMA, {"type": "array", "items": _SECRET_SCHEMA}]}),
]


def suggestion(word: str, known: Iterable[str]) -> str:
    """What to write in place of an unknown word: the nearest known one, else all of them."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"known are {', '.join(words)}" if words else "there is none yet"


class Section(BaseModel):
    """A part of the YAML file: unknown keys are errors, values never show in them."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)
