"""How the results of several callbacks become one: both tracks, no link lost, the newest first. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace

from receiver.events import File, Result

# The main file of what has no main file: stems come as different sets.
ANY_FILE = "*"

# Enough to survive a few refreshes of a link; the oldest addresses fall off.
_MOST_ALTERNATES = 6
_PLAIN_FIELDS = tuple(field.name for field in fields(Result) if field.name not in {"id", "files"})


def merge(old: tuple[Result, ...], new: tuple[Result, ...]) -> tuple[Result, ...]:
    """The union by id, in the order in which results were first seen; a known value is never lost to None.

    New addresses come first, because they live longest. Results that the provider had not named yet (their ids are
    positions) give way to named ones, and join the one in that place where they come after it.
    """
    if new and not any(_is_position(result) for result in new):
        old = tuple(result for result in old if not _is_position(result))
    known = {result.id for result in old}
    incoming = {result.id: result for result in _named(old, new)}
    merged = [_join(result, incoming.get(result.id)) for result in old]
    return (*merged, *(result for result in incoming.values() if result.id not in known))


def has_main(result: Result, role: str) -> bool:
    """Whether it has the file of this role, or any at all where the role is `ANY_FILE`."""
    return bool(result.files) if role == ANY_FILE else result.file(role) is not None


def new_files(before: tuple[Result, ...], after: tuple[Result, ...]) -> bool:
    """Whether `after` has a file that `before` had not, whatever its address."""
    return bool(_names(after) - _names(before))


def _names(results: tuple[Result, ...]) -> set[tuple[str, str]]:
    return {(result.id, file.role) for result in results for file in result.files}


def _is_position(result: Result) -> bool:
    return result.id.isdigit() and len(result.id) < 4


def _named(old: tuple[Result, ...], new: tuple[Result, ...]) -> Iterator[Result]:
    """The new results; a position that stands for a named one, which is not among them itself, takes its name."""
    present = {result.id for result in new}
    places = {str(place): result.id for place, result in enumerate(old, 1) if not _is_position(result)}
    for result in new:
        name = places.get(result.id, result.id)
        yield result if name in present else replace(result, id=name)


def _join(old: Result, new: Result | None) -> Result:
    if new is None:
        return old
    values = {name: getattr(old if getattr(new, name) is None else new, name) for name in _PLAIN_FIELDS}
    return replace(old, **values, files=_join_files(new.files, old.files))


def _join_files(first: tuple[File, ...], second: tuple[File, ...]) -> tuple[File, ...]:
    rest = {file.role: file for file in second}
    joined = [_join_file(file, rest.pop(file.role, None)) for file in first]
    return (*joined, *rest.values())


def _join_file(first: File, second: File | None) -> File:
    if second is None:
        return first
    urls = _unique((*first.urls, *second.urls))
    return replace(first, alternates=urls[1 : _MOST_ALTERNATES + 1], media_type=first.media_type or second.media_type)


def _unique(urls: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(urls))
