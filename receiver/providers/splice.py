"""Sets a member of a JSON object within its text: every other byte reaches the provider as the client wrote it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from receiver.errors import Unrecognised
from receiver.providers.body import place

# What the provider may refuse is the provider's to judge, so this reads on the tolerant side. Numbers are never
# written back: reading them as floats spares the limit on the digits of an int.
_DECODER = json.JSONDecoder(strict=False, parse_int=float)
_MARK = "\ufeff"
_OPEN = re.compile(_MARK + r"?[ \t\n\r]*\{[ \t\n\r]*")
_COLON = re.compile(r"[ \t\n\r]*:[ \t\n\r]*")
_COMMA = re.compile(r"[ \t\n\r]*,[ \t\n\r]*")
_CLOSE = re.compile(r"[ \t\n\r]*\}[ \t\n\r]*")


@dataclass(frozen=True, slots=True)
class _Member:
    """`start` and `end` are where the value stands in the text."""

    name: str
    value: Any
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Object:
    """A JSON text that is an object; `inside` is the place behind its opening brace."""

    text: str
    inside: int
    members: list[_Member]


def set_member(body: bytes, name: str, value: Any) -> bytes:
    """The body with this member of the outermost object set, wherever it stands, else added as the last one.

    Raises Unrecognised where the body is no JSON object.
    """
    return _splice(_scan(body), name, json.dumps(value))


def set_path(body: bytes, path: Sequence[str], value: Any) -> bytes:
    """The body with a member set that lies in objects within objects; those that are missing on the way are added.

    Raises Unrecognised where the body, or what stands on the way, is no JSON object.
    """
    name, *rest = path
    if not rest:
        return set_member(body, name, value)
    found = _scan(body)
    member = next((member for member in reversed(found.members) if member.name == name), None)
    inner = "{}" if member is None or member.value is None else found.text[member.start : member.end]
    if not inner.startswith("{"):
        raise Unrecognised(f"the body has a {name} that is no object, so that nothing can be set in it")
    return _splice(found, name, set_path(inner.encode(), rest, value).decode())


def get_member(body: bytes, name: str) -> Any:
    """The value of this member of the outermost object, the last one where it is repeated; None where it is absent.

    Numbers come as floats. Raises Unrecognised where the body is no JSON object.
    """
    return next((member.value for member in reversed(_scan(body).members) if member.name == name), None)


def get_path(body: bytes, path: Sequence[str]) -> Any:
    """The value of a member that lies in objects within objects; None where it is absent.

    Numbers come as floats. Raises Unrecognised where the body is no JSON object.
    """
    name, *rest = path
    value = get_member(body, name)
    for part in rest:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _splice(found: _Object, name: str, written: str) -> bytes:
    spans = [(member.start, member.end) for member in found.members if member.name == name]
    if not spans:
        at = found.members[-1].end if found.members else found.inside
        spans = [(at, at)]
        written = f"{',' if found.members else ''}{json.dumps(name)}:{written}"
    pieces, at = [], 0
    for start, end in spans:
        pieces += [found.text[at:start], written]
        at = end
    return "".join([*pieces, found.text[at:]]).encode()


def _scan(body: bytes) -> _Object:
    try:
        return _read_object(body.decode())
    except UnicodeDecodeError as error:
        raise Unrecognised(f"the body is not JSON: byte {error.start + 1} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise Unrecognised(f"the body is not JSON: {place(error)}") from None
    except RecursionError:
        raise Unrecognised("the body is nested too deeply to be read") from None


def _read_object(text: str) -> _Object:
    opened = _OPEN.match(text)
    if opened is None:
        _DECODER.decode(text.removeprefix(_MARK))
        raise Unrecognised("the body must be a JSON object")
    inside = opened.end()
    members = [] if text[inside : inside + 1] == "}" else _read_members(text, inside)
    end = _pass(_CLOSE, text, members[-1].end if members else inside, "Expecting ',' delimiter")
    if end != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return _Object(text, inside, members)


def _read_members(text: str, at: int) -> list[_Member]:
    members: list[_Member] = []
    while True:
        if text[at : at + 1] != '"':
            raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
        name, end = _DECODER.raw_decode(text, at)
        start = _pass(_COLON, text, end, "Expecting ':' delimiter")
        value, end = _DECODER.raw_decode(text, start)
        members.append(_Member(name, value, start, end))
        comma = _COMMA.match(text, end)
        if comma is None:
            return members
        at = comma.end()


def _pass(pattern: re.Pattern[str], text: str, at: int, expecting: str) -> int:
    match = pattern.match(text, at)
    if match is None:
        raise json.JSONDecodeError(expecting, text, at)
    return match.end()
