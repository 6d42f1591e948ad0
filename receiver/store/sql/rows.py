"""Records to rows and back. Text from outside is cleaned here, so that it can't spoil a transaction."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError, from_json

from receiver.errors import StoreUnavailable
from receiver.events import EVENT, OWN_KINDS, SUBMISSION, DeliveryState, Event, Result, Submission
from receiver.handler import RECEIPT
from receiver.store.records import DeliveryRow, WaitReason
from receiver.store.sql.turn import Row
from receiver.tokens import redact_tokens

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# Far above what providers send, and far below what the parsers of JSON give up on.
MOST_LEVELS = 100

# The order of stages at a handler; an `updated` adds its revision. `complete` stands above the `failed` it overrules.
FAILED, COMPLETE, UPDATED = 3, 4, 5
_RANKS = {"text": 1, "first": 2, "failed": FAILED, "complete": COMPLETE, "updated": UPDATED}


def micros(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def length(duration: timedelta) -> int:
    """Microseconds."""
    return duration // _MICROSECOND


def moment(value: int) -> datetime:
    return _EPOCH + timedelta(microseconds=value)


def moment_or_none(value: int | None) -> datetime | None:
    return None if value is None else moment(value)


def micros_or_none(value: datetime | None) -> int | None:
    return None if value is None else micros(value)


def clean(text: str) -> str:
    """The text without lone surrogates, which UTF-8 can't hold, and without NUL, which PostgreSQL can't."""
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def clean_or_none(text: str | None) -> str | None:
    return None if text is None else clean(text)


def dump(adapter: TypeAdapter[T], value: T, *, loose: bool = False) -> str:
    """JSON of a record, lone surrogates replaced.

    `loose` says that a part of it may be as deep as it likes. Raises ValueError where it could not be read back.
    """
    try:
        text = adapter.dump_json(value).decode()
    except PydanticSerializationError:
        text = adapter.dump_json(adapter.validate_python(_scrub(adapter.dump_python(value)))).decode()
    if loose and _may_be_deep(text):
        adapter.validate_json(text)
    return text


def load(adapter: TypeAdapter[T], text: str, ident: str) -> T:
    """The record again. Raises StoreUnavailable, which names no value: a word of a newer version, or a damaged row."""
    try:
        return adapter.validate_json(text)
    except (ValueError, RecursionError):
        raise _unreadable(ident) from None


def _unreadable(ident: str) -> StoreUnavailable:
    return StoreUnavailable(f"What is stored of {ident} can't be read by this version: run the version that wrote it.")


def _scrub(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {_scrub(key): _scrub(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_scrub(item) for item in value]
    return value


def search_text(first: tuple[str | None, ...], results: tuple[Result, ...]) -> str:
    """What `q` is looked for in: ids, operation and titles, case folded."""
    words = [*first, *(result.title for result in results)]
    return clean("\n".join(word for word in words if word).casefold())


def labels_text(labels: Mapping[str, str]) -> str:
    return to_json({clean(key): clean(value) for key, value in labels.items()})


def _told_of(event: Event) -> str | None:
    """The delivery that an alarm tells of."""
    told = event.raw.get("delivery_id") if event.type == "file.expiring" and isinstance(event.raw, dict) else None
    return clean(told) if isinstance(told, str) else None


def submission_row(submission: Submission) -> tuple[Any, ...]:
    """The columns of `submissions`, from `id` to `doc`."""
    words = (submission.id, submission.task_id, submission.operation, submission.title)
    return (
        submission.id,
        submission.provider,
        submission.client,
        submission.stage,
        clean_or_none(submission.task_id),
        micros(submission.created_at),
        micros_or_none(submission.ask_at),
        labels_text(submission.labels),
        search_text(words, submission.results),
        dump(SUBMISSION, submission, loose=_has_data(submission.results)),
    )


def read_submission(row: Row) -> Submission:
    """From the columns `submission` (the document) and `ask_at`, which is set without the document.

    `id` says whose row it is. Raises StoreUnavailable.
    """
    submission = load(SUBMISSION, row["submission"], row["id"])
    ask_at = moment_or_none(row["ask_at"])
    return submission if submission.ask_at == ask_at else replace(submission, ask_at=ask_at)


def _has_data(results: tuple[Result, ...]) -> bool:
    return any(result.data is not None for result in results)


def rank(event: Event, revision: int) -> int | None:
    """Where the event stands among those of its submission; None for what is no fact of a provider's."""
    kind, _, stage = event.type.partition(".")
    if kind in OWN_KINDS or event.submission_id is None or stage not in _RANKS:
        return None
    return _RANKS[stage] + (revision if stage == "updated" else 0)


def fact(event: Event, place: int | None) -> str | None:
    """The name under which a fact of a submission is kept once."""
    if place is None:
        return None
    stage = event.type.partition(".")[2]
    return f"{stage}:{place - UPDATED}" if stage == "updated" else stage


def event_row(event: Event, revision: int, callback_id: str | None, once: str | None = None) -> tuple[Any, ...]:
    """The columns of `events`, from `id` to `doc`. With a callback its `raw` is read from there.

    `once` makes a fact of what is none: the submission has one event of this name.
    """
    place = rank(event, revision)
    words = (event.id, event.task_id, event.operation)
    return (
        event.id,
        event.type,
        event.level,
        event.submission_id,
        once or fact(event, place),
        place,
        event.provider,
        event.client,
        event.stage,
        micros(event.received_at),
        callback_id,
        event.via,
        clean_or_none(event.about),
        _told_of(event),
        labels_text(event.labels),
        search_text(words, event.results),
        dump(EVENT, event, loose=event.raw is not None or _has_data(event.results)),
    )


def read_event(row: Row) -> Event:
    """From the columns `id`, `event` (the document), `callback_id` and `body`. Raises StoreUnavailable."""
    event = load(EVENT, row["event"], row["id"])
    if row["callback_id"] is None or row["body"] is None:
        return event
    return replace(event, raw=read_raw(row["body"]))


def read_raw(body: bytes) -> Any:
    """A body as it may be shown: JSON where it is, else text; our callback URLs made useless."""
    text = redact_tokens(body.decode("utf-8", "replace"))
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        return text
    return text if _may_be_deep(text) and _is_deep(value) else value


def _may_be_deep(text: str) -> bool:
    """Quickly no for nearly every text: what is deep has many brackets."""
    return text.count("[") + text.count("{") > MOST_LEVELS


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MOST_LEVELS):
        outer = [item for item in level if isinstance(item, dict | list)]
        level = [inner for item in outer for inner in (item.values() if isinstance(item, dict) else item)]
        if not level:
            return False
    return True


def read_delivery(row: Row) -> DeliveryRow:
    """Raises StoreUnavailable."""
    try:
        return _delivery(row)
    except ValueError:
        raise _unreadable(row["id"]) from None


def _delivery(row: Row) -> DeliveryRow:
    return DeliveryRow(
        id=row["id"],
        event_id=row["event_id"],
        event_type=row["event_type"],
        submission_id=row["submission_id"],
        handler=row["handler"],
        state=DeliveryState(row["state"]),
        waiting_for=WaitReason(row["waiting_for"]) if row["waiting_for"] else None,
        attempts=row["attempts"],
        created_at=moment(row["created_at"]),
        due_at=moment_or_none(row["due_at"]),
        receipt=None if row["receipt"] is None else RECEIPT.validate_json(row["receipt"]),
        error=row["error"],
    )


def to_json(value: Any) -> str:
    """Plain JSON; lone surrogates stay escaped, so they do no harm."""
    return json.dumps(value)
