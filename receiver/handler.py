"""All that a handler author imports: Handler, Delivery, Receipt and the outcomes."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Protocol

from pydantic import Field, SecretStr, TypeAdapter

from receiver.errors import Outcome, PermanentFailure, TargetFailure, TemporaryFailure
from receiver.events import Event, File, Result
from receiver.outbound import Answer, Http, Media, settle
from receiver.units import Duration, RateLimit, Section

__all__ = [
    "Answer",
    "ArchivedFile",
    "Delivery",
    "Event",
    "File",
    "Handler",
    "Http",
    "Media",
    "Notes",
    "Outcome",
    "PermanentFailure",
    "Preview",
    "Receipt",
    "Result",
    "TargetFailure",
    "TemporaryFailure",
    "settle",
]

RETRY_DELAYS: tuple[timedelta, ...] = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile:
    """A file that a handler keeps. `key` is its name in the archive, `size` in bytes, `link` lasts."""

    result_id: str
    role: str
    key: str
    size: int
    sha256: str
    media_type: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a handler leaves behind: archived files, and small facts such as Slack's `ts`."""

    files: tuple[ArchivedFile, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)

    def link(self, result_id: str, role: str) -> str | None:
        return next((file.link for file in self.files if (file.result_id, file.role) == (result_id, role)), None)


RECEIPT = TypeAdapter(Receipt)


@dataclass(frozen=True, slots=True)
class RawCallback:
    """The provider's callback as it came: the headers that are kept, names in lower case, and the body."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be sent, to look at: as text, and as a page where the target shows one."""

    text: str
    html: str | None = None


class Notes(Protocol):
    """A small JSON object that outlives the attempt. `write` is durable when it returns."""

    async def read(self) -> dict[str, Any]: ...

    async def write(self, value: dict[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one handler.

    `id` is the same on every attempt, for the target to dedupe by; `attempt` counts from 1. `results` are as they are
    now: links that came after the event are merged. `receipts` are those of the handlers it needs, by name.
    `http` is for addresses written in the config, `media` for everything that came from outside. `progress` is what
    earlier attempts of this delivery saved; `memory` belongs to the handler and the submission.
    `link(result_id, role)` is the lasting link under which an archived file will be served. `files` are those that any
    handler has archived of this submission. `title` is what the client called the thing it asked for.
    `free_disk` is how many bytes a disk must keep free. `callback` is what the event came by, None where that was a
    status call; `client_callback` the callback URL that the client had set itself.
    """

    id: str
    event: Event
    results: tuple[Result, ...]
    attempt: int
    receipts: Mapping[str, Receipt]
    http: Http
    media: Media
    progress: Notes
    memory: Notes
    link: Callable[[str, str], str]
    now: datetime
    files: tuple[ArchivedFile, ...] = ()
    title: str | None = None
    free_disk: int = 0
    callback: RawCallback | None = None
    client_callback: str | None = None

    def archived(self, result_id: str, role: str) -> str | None:
        """The lasting link of a file, where one is archived."""
        return next((file.link for file in self.kept(result_id) if file.role == role and file.link), None)

    def kept(self, result_id: str) -> tuple[ArchivedFile, ...]:
        """What is archived of a result, each role once: by a handler that this delivery needs, else by any."""
        everything = chain(*(receipt.files for receipt in self.receipts.values()), self.files)
        found: dict[str, ArchivedFile] = {}
        for file in everything:
            if file.result_id == result_id:
                found.setdefault(file.role, file)
        return tuple(found.values())


class Handler(Section):
    """A handler type: its fields are its YAML keys, its `type` is a Literal, and it has one method, `handle`."""

    type: str
    retry: tuple[Duration, ...] = RETRY_DELAYS
    """Delays between the tries of a delivery; after the last one it is a dead letter."""
    timeout: Duration = timedelta(seconds=30)
    """How long one attempt may take."""
    concurrency: int = Field(default=4, ge=1, le=1000)
    """Attempts that may run at the same time, in the whole installation."""
    rate: RateLimit | None = None
    """At most so many attempts in any such time, in the whole installation: 20/10s."""
    fallback: str | None = None
    """Another handler: it gets what dies here, and what waits 10 minutes on a pause."""

    @property
    def edits(self) -> bool:
        """Whether it runs once more when the receipt of a handler that it needs comes after all."""
        return False

    async def handle(self, delivery: Delivery) -> Receipt | None:
        """Deliver; returning means delivered. Raises an Outcome, or anything else to be tried again."""
        raise NotImplementedError

    async def preview(self, delivery: Delivery) -> Preview | None:
        """What `handle` would send, without sending it; None for a type that shows nothing."""
        return None

    def quiet_left(self, now: datetime) -> timedelta | None:
        """How long nothing but problems may go out still; None: everything may."""
        return None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Hold a resource for as long as the process runs, such as a connection."""
        yield

    def secrets(self) -> tuple[str, ...]:
        """Every secret value of the configuration, for redaction."""
        values = [getattr(self, name) for name in type(self).model_fields]
        flat = [item for value in values for item in (value if isinstance(value, tuple | list) else (value,))]
        return tuple(item.get_secret_value() for item in flat if isinstance(item, SecretStr))
