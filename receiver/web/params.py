"""The query parameters of lists: filters, `since`, `limit` and `cursor`, strict and with remedies."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from starlette.datastructures import QueryParams

from receiver.errors import Rejection
from receiver.units import parse_duration

_MOST = 200  # rows of a page
_LONGEST = 1024  # characters of a value


def read_params(params: QueryParams, allowed: Collection[str]) -> dict[str, str]:
    """The query parameters; `label.` among the allowed stands for every label. Raises Rejection: 400."""
    pairs = params.multi_items()
    unknown = sorted({name for name, _ in pairs if not _is_allowed(name, allowed)})
    if unknown:
        names = ", ".join(ascii(name[:64]) for name in unknown[:10])
        raise Rejection(400, "Bad Request", f"Leave out {names}. Known here: {', '.join(sorted(allowed))}.")
    for name, value in pairs:
        if len(params.getlist(name)) > 1:
            raise Rejection(400, "Bad Request", f"Give {name} once.")
        if not value or len(value) > _LONGEST or "\0" in value:
            raise Rejection(400, "Bad Request", f"Give {name} between 1 and {_LONGEST} characters, or leave it out.")
    return dict(pairs)


def _is_allowed(name: str, allowed: Collection[str]) -> bool:
    if name.startswith("label.") and name != "label.":
        return "label." in allowed
    return name in allowed and name != "label."


def read_labels(params: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix("label."): value for name, value in params.items() if name.startswith("label.")}


def read_limit(text: str | None, default: int = 50) -> int:
    """How many rows, 1 to 200. Raises Rejection: 400."""
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= _MOST):
        raise Rejection(400, "Bad Request", f"Give limit as a number from 1 to {_MOST}.")
    return int(text)


def read_since(text: str | None, now: datetime) -> datetime | None:
    """A point in time: `2h` is two hours before `now`, a time without zone is UTC. Raises Rejection: 400."""
    if text is None:
        return None
    try:
        return _read_moment(text, now)
    except (ValueError, OverflowError):
        raise Rejection(
            400, "Bad Request", "Give since as a time (2026-11-21T08:00:00Z) or as how long ago (30m, 2h, 7d)."
        ) from None


def _read_moment(text: str, now: datetime) -> datetime:
    try:
        ago = parse_duration(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    return now - ago


def read_choice(name: str, text: str | None, choices: Collection[str]) -> str | None:
    """One of the words. Raises Rejection: 400, with the words."""
    if text is not None and text not in choices:
        raise Rejection(400, "Bad Request", f"Give {name} as one of: {', '.join(choices)}.")
    return text
