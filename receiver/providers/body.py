"""JSON as providers really send it: bytes in, plain values out. Everything that reads a provider's body starts here."""

import json
import math
import re
from typing import Any

from pydantic_core import from_json

from receiver.errors import Unrecognised

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_ADDRESS = re.compile(r"https?://[^/\s]", re.IGNORECASE)
_CODE_DIGITS = 9
_TOO_DEEP = "the body is nested too deeply to be read"
# What is taken from a body lies deeper inside our own documents, and all of that must be read back.
_MOST_LEVELS = 100


def load(body: bytes) -> Any:
    """The value of a JSON body, also of a slightly damaged one.

    Raises Unrecognised, with one sentence, also where it is nested deeper than 100 levels.
    """
    try:
        value = from_json(body)
    except ValueError:
        value = _load_damaged(body)
    # Few brackets can't nest deeply: counting them is many times faster than the look inside.
    if body.count(b"[") + body.count(b"{") > _MOST_LEVELS and _is_deep(value):
        raise Unrecognised(_TOO_DEEP)
    return value


def _is_deep(value: Any) -> bool:
    level: list[Any] = [[value]]
    for _ in range(_MOST_LEVELS + 1):
        inner = (item.values() if isinstance(item, dict) else item for item in level)
        level = [item for items in inner for item in items if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def _load_damaged(body: bytes) -> Any:
    """Tolerates a byte order mark, bytes that are no UTF-8, raw control characters, numbers of any length."""
    if not body.strip():
        raise Unrecognised("the body is empty")
    text = body.decode("utf-8-sig", "replace")
    try:
        value = json.loads(text, strict=False, parse_int=_read_int)
        # Whole pairs have become one character by now. What is left are halves, which can't be stored or sent.
        return from_json(_HALF_CHARACTER.sub("\ufffd", json.dumps(value, ensure_ascii=False)))
    except json.JSONDecodeError as error:
        raise Unrecognised(f"the body is not JSON: {place(error)}") from None
    except (RecursionError, ValueError):  # the second reading has only its own depth limit left to object to
        raise Unrecognised(_TOO_DEEP) from None


def _read_int(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # longer than Python converts
        return float(digits)


def place(error: json.JSONDecodeError) -> str:
    """What is wrong and where, without quoting the text: `expecting value, line 3 column 7`."""
    what = error.msg[:1].lower() + error.msg[1:].removesuffix(": ")
    return f"{what}{'' if what.endswith(' at') else ','} line {error.lineno} column {error.colno}"


def text(value: Any) -> str | None:
    """A text that says something; whole numbers become text, blank and everything else None."""
    if isinstance(value, str):
        return value if value.strip() else None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def whole(value: Any) -> int | None:
    """A code as a number: `200`, `200.0` or `"200"`; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    digits = value.strip() if isinstance(value, str) else ""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _CODE_DIGITS else None


def real(value: Any) -> float | None:
    """A finite number, from a number or its text; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def seconds(value: Any) -> float | None:
    """A length of time that makes sense, from a number or its text; None for zero, NaN and everything else."""
    number = real(value)
    return number if number is not None and number > 0 else None


def address(value: Any) -> str | None:
    """An http or https URL, to the letter as it came: a signed one breaks when it is touched."""
    trimmed = value.strip() if isinstance(value, str) else ""
    return trimmed if _ADDRESS.match(trimmed) else None
