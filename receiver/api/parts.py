"""What the API is made of: the store's reading side, who may ask, and a few functions of other modules."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from receiver.api.stream_hub import Hub
from receiver.events import Event, Submission
from receiver.handler import Handler
from receiver.routing import Plan
from receiver.stages import Decide
from receiver.store.records import Attempt, Callback, DeliveryRow, HandlerState, Page, Query, Tombstone
from receiver.web.access import Access


class ApiStore(Protocol):
    """The methods of a Store that the API calls; what they promise stands there."""

    def now(self) -> datetime: ...

    async def submission(self, submission_id: str) -> Submission | None: ...

    async def by_task(self, task_id: str, provider: str | None = None) -> list[Submission]: ...

    async def submissions(self, query: Query) -> Page[Submission]: ...

    async def events(self, query: Query) -> Page[Event]: ...

    async def event(self, event_id: str) -> Event | None: ...

    async def tombstone(self, event_id: str) -> Tombstone | None: ...

    async def delivery_rows(self, query: Query) -> Page[DeliveryRow]: ...

    async def delivery(self, delivery_id: str) -> DeliveryRow | None: ...

    async def attempts(self, delivery_id: str) -> list[Attempt]: ...

    async def redeliver(self, delivery_id: str, *, again: bool = False, new_id: str = "") -> DeliveryRow | None: ...

    async def replay(self, event_id: str, plan: Plan, delivery_id: str) -> bool: ...

    async def change(
        self, subject: str | Submission, decide: Decide, callback: Callback | None = None
    ) -> Submission | None: ...

    async def emit(self, events: Sequence[Event]) -> None: ...

    async def handlers(self) -> list[HandlerState]: ...

    async def pause(self, state: HandlerState, event: Event) -> bool: ...

    async def resume(self, name: str, event: Event) -> bool: ...


class Health(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `detail` is one sentence for the admin, with what to do."""

    name: str
    health: Health = Health.OK
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """Looks at one thing. Only a `vital` one can fail: what the others find, or can't find out, is a warning."""

    name: str
    look: Callable[[], Awaitable[Finding]]
    vital: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackUrlWish:
    """What a callback URL is wanted for.

    `standing`: one for many submissions, told apart by their task ids. `simulated`: what comes through it is a
    rehearsal, for routes that say `via: simulated`.
    """

    provider: str
    operation: str
    client: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    standing: bool = False
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A submission that was made elsewhere: the provider knows it by its task id, and was told no URL of ours."""

    provider: str
    operation: str
    task_id: str
    client: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    by_admin: bool = False


@dataclass(frozen=True, slots=True)
class CallbackUrl:
    submission_id: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """`handlers` gives those that the configuration has now, by name. `make_callback_url` and `register` raise
    Rejection; the latter says too whether the submission is new.
    `plan_for` says how the routes of now give an event to a handler, None where they don't.

    `new_id` makes an id from its prefix. A body may have `body_limit` bytes and take `patience` seconds; a check may
    take `check_time` seconds. Without a `hub` there are no streams, and nobody waits.
    """

    store: ApiStore
    access: Access
    new_id: Callable[[str], str]
    handlers: Callable[[], Mapping[str, Handler]]
    make_callback_url: Callable[[CallbackUrlWish], Awaitable[CallbackUrl]]
    register: Callable[[Registration], Awaitable[tuple[Submission, bool]]]
    plan_for: Callable[[Event, str], Plan | None]
    alive: Sequence[Check] = ()
    ready: Sequence[Check] = ()
    hub: Hub | None = None
    body_limit: int = 1024 * 1024
    patience: float = 30.0
    check_time: float = 5.0
