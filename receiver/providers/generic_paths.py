"""The path language of the `generic` type: `data.items[].url`. Keys with dots between them, `[]` behind a list."""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from receiver.providers.body import text

T = TypeVar("T")

EACH = "[]"
_PATTERN = r"^(\[\]|[A-Za-z0-9_-]+(\[\])?)(\.[A-Za-z0-9_-]+(\[\])?)*$"
_FORM = re.compile(_PATTERN)
_KEYS = re.compile(r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")
_PART = re.compile(r"[A-Za-z0-9_-]+|\[\]")


def _path(value: str) -> str:
    if not _FORM.fullmatch(value):
        raise ValueError("is not a path: write keys with dots between them, and [] behind a list, as data.items[].url")
    return value


def _keys(value: str) -> str:
    if not _KEYS.fullmatch(value):
        raise ValueError("is not a place in the body: write keys with dots between them, as config.webhook.url")
    return value


def not_empty(value: tuple[T, ...]) -> tuple[T, ...]:
    """In place of a least length, which is also missed where the only item is wrong."""
    if not value:
        raise ValueError("is empty; write at least one")
    return value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_SCHEMA = {"type": "string", "pattern": _PATTERN}
# Where something stands in a body.
Path = Annotated[str, AfterValidator(_path), WithJsonSchema(_SCHEMA)]
# Several of them, best first: the first that holds something counts. One may be written as text.
Paths = Annotated[
    tuple[Path, ...],
    BeforeValidator(_listed),
    AfterValidator(not_empty),
    WithJsonSchema({"anyOf": [_SCHEMA, {"type": "array", "items": _SCHEMA, "minItems": 1}]}),
]
# A single place, which something is put at.
Keys = Annotated[str, AfterValidator(_keys), WithJsonSchema({"type": "string", "pattern": _KEYS.pattern})]


def parts(path: str) -> list[str]:
    """`data.items[].url` as `data`, `items`, `[]`, `url`."""
    return _PART.findall(path)


def each(value: Any, path: str) -> Iterator[Any]:
    """Everything that stands at the path, in the body's order."""
    found: Iterable[Any] = (value,)
    for part in parts(path):
        found = list(_step(found, part))
    return iter(found)


def _step(values: Iterable[Any], part: str) -> Iterator[Any]:
    for value in values:
        if part == EACH:
            yield from value if isinstance(value, list) else ()
        elif isinstance(value, dict) and part in value:
            yield value[part]


def first(value: Any, paths: Iterable[str]) -> Any:
    """What stands at the first of these paths that leads to something; None where none does."""
    return next((found for path in paths for found in each(value, path) if found not in (None, "")), None)


def first_text(value: Any, paths: Iterable[str]) -> str | None:
    """The first text that says something, or whole number, at these paths."""
    return next((said for path in paths for found in each(value, path) if (said := text(found))), None)


def all_texts(value: Any, paths: Iterable[str]) -> list[str]:
    """Every text at the first of these paths that has one: several where it goes through a list."""
    for path in paths:
        said = [known for found in each(value, path) if (known := text(found))]
        if said:
            return said
    return []


def put(value: Any, path: str, what: Any) -> Any:
    """The value with `what` at the path; objects and lists are made where they are missing, a list gets one item."""
    return _put(value, parts(path), what)


def _put(value: Any, path: list[str], what: Any) -> Any:
    if not path:
        return what
    part, *rest = path
    if part == EACH:
        items = value if isinstance(value, list) and value else [None]
        return [_put(item, rest, what) for item in items]
    held = value if isinstance(value, dict) else {}
    return {**held, part: _put(held.get(part), rest, what)}


def drop(value: Any, path: str) -> Any:
    """The value with `[redacted]` in place of what stands at the path."""
    return _drop(value, parts(path))


def _drop(value: Any, path: list[str]) -> Any:
    if not path:
        return "[redacted]"
    part, *rest = path
    if part == EACH:
        return [_drop(item, rest) for item in value] if isinstance(value, list) else value
    if not isinstance(value, dict) or part not in value:
        return value
    return {**value, part: _drop(value[part], rest)}
