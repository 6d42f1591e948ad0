"""What callers say becomes parameters, what the receiver says becomes our records. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import urlencode

from pydantic import TypeAdapter, ValidationError

from receiver.client.problems import NoAnswer
from receiver.events import EVENT, SUBMISSION, Event, Submission
from receiver.outbound import Answer
from receiver.shapes import timestamp

T = TypeVar("T")

# An event or its id, a time, how long ago that was, or the text of either as the API takes it.
Since = Event | str | datetime | timedelta | None


@dataclass(frozen=True, slots=True)
class PageOfSubmissions:
    data: list[Submission]
    next: str | None


_PAGE = TypeAdapter(PageOfSubmissions)


def event_id(since: Since) -> str | None:
    """The event that a start is behind, if it is one."""
    if isinstance(since, Event):
        return since.id
    return since if isinstance(since, str) and since.startswith("evt_") else None


def start_of(since: Since) -> dict[str, str]:
    """A start in time; a time without a zone is of this machine's."""
    match since:
        case None:
            return {}
        case Event():
            return {"since": timestamp(since.received_at)}
        case datetime():
            return {"since": timestamp(since.astimezone())}
        case timedelta():
            return {"since": f"{since.total_seconds():.3f}s"}
        case str():
            return {"since": since}


def target_of(path: str, params: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(params)}" if params else path


def filters_of(filters: Mapping[str, str], labels: Mapping[str, str] | None) -> dict[str, str]:
    return {**filters, **{f"label.{name}": value for name, value in (labels or {}).items()}}


def read_submission(body: bytes) -> Submission:
    return _read(SUBMISSION, body)


def read_event(body: bytes) -> Event:
    return _read(EVENT, body)


def page_of(answer: Answer) -> PageOfSubmissions:
    return _read(_PAGE, answer.body)


def _read(adapter: TypeAdapter[T], body: bytes) -> T:
    """Raises NoAnswer for what is no receiver's word, or a newer one's."""
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        places = ", ".join(sorted({".".join(map(str, item["loc"])) or "the whole" for item in error.errors()}))
        raise NoAnswer(
            f"The answer can't be read ({places[:200]}).", "Use the version that the receiver has."
        ) from None
