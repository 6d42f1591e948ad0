"""The records that go in and out of a store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

from receiver.events import DeliveryState, Event, Submission, Via
from receiver.handler import ArchivedFile, RawCallback, Receipt
from receiver.units import Rate

T = TypeVar("T")

# How long a worker holds a delivery, and a process counts as alive after it was seen.
LEASE = timedelta(seconds=60)
# How long an idempotency key is kept.
KEY_LIFE = timedelta(days=7)
# How long a delivery waits on a pause before the handler's fallback gets its event too.
PATIENCE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """The provider's HTTP request, kept raw; or the answer to a status call, told by `via`."""

    id: str
    via: Via
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCallback:
    """A callback as it is kept: how often this body came, and the word that its parser left with it."""

    callback: Callback
    submission_id: str
    count: int
    remark: str


class WaitReason(StrEnum):
    """What a waiting delivery waits for."""

    NEED = "need"
    ORDER = "order"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for a handler now, in the whole installation.

    `concurrency` attempts may run at once, `rate` bounds their starts. For as long as `quiet` only problems and
    rehearsals go out. `fallback` gets what waits too long on a pause.
    """

    concurrency: int
    rate: Rate | None = None
    quiet: timedelta | None = None
    fallback: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A delivery that this worker holds until its lease ends.

    `attempt` numbers the tries from 1, `failures` counts those that spent one of the retries. `probe` says that the
    handler is paused and this delivery tries whether its target answers again, after `probes` that failed. `files` are
    what any handler has archived of the submission. `callback` is what the event came by, where that was one.
    """

    id: str
    event: Event
    submission: Submission | None
    handler: str
    attempt: int
    failures: int
    owner: str
    probe: bool = False
    probes: int = 0
    progress: Mapping[str, Any] = field(default_factory=dict)
    receipts: Mapping[str, Receipt] = field(default_factory=dict)
    files: tuple[ArchivedFile, ...] = ()
    callback: RawCallback | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """`resumed` goes out where this was the probe of a paused handler.

    With `edits` it is due once more, with the same id, when the receipts that it went without have come. `error` is
    why that edit failed: it stays delivered.
    """

    receipt: Receipt | None = None
    resumed: Event | None = None
    edits: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Try again after `delay`, which is when to probe next where this was a probe.

    `stale` asks the reconciler for fresh links first. With `resumed` the target answered the probe of a paused
    handler, and only this delivery has to be tried again: it goes out as for Delivered.
    """

    delay: timedelta
    error: str
    stale: bool = False
    resumed: Event | None = None


@dataclass(frozen=True, slots=True)
class Dead:
    """Never again, unless redelivered. `event` goes out with it, and `resumed` as for Delivered: the target answers.

    `fallback` is the handler that gets the event now, unless it had it.
    """

    error: str
    event: Event | None = None
    resumed: Event | None = None
    fallback: str | None = None


@dataclass(frozen=True, slots=True)
class Paused:
    """The target is broken: the handler pauses, probed next after `probe_in`.

    The first `event` of a pause goes out: an alarm or a rehearsal, which has none, may have met it before.
    """

    error: str
    probe_in: timedelta
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """Given back untried: this process stops."""


Ended = Delivered | Again | Dead | Paused | Released


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerState:
    """A pause, kept across restarts. `probes` counts the probes since the pause began."""

    name: str
    paused_at: datetime | None = None
    reason: str | None = None
    probe_at: datetime | None = None
    probes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery as lists show it."""

    id: str
    event_id: str
    event_type: str
    submission_id: str | None
    handler: str
    state: DeliveryState
    waiting_for: WaitReason | None
    attempts: int
    created_at: datetime
    due_at: datetime | None
    receipt: Receipt | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    number: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Filters of a list; newest first. `q` is looked for in ids, titles and operations. `type` may hold `*`.

    `cursor` comes from a page of the same list; any other text raises ValueError. A list takes what it knows of these.
    """

    q: str | None = None
    since: datetime | None = None
    client: str | None = None
    provider: str | None = None
    stage: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    submission_id: str | None = None
    type: str | None = None
    level: str | None = None
    handler: str | None = None
    state: str | None = None
    event_id: str | None = None
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long things are kept from when they came: events with their deliveries, and the bodies of callbacks."""

    events: timedelta
    callbacks: timedelta


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a sweep has come: behind the row of a table that came at `at`, in microseconds since 1970."""

    table: str
    at: int = -1
    behind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What one batch has removed of `looked` old rows: raw bodies, events, and what goes with these.

    `next` is where the next batch goes on; None where this was the last one.
    """

    looked: int = 0
    callbacks: int = 0
    events: int = 0
    deliveries: int = 0
    attempts: int = 0
    keys: int = 0
    next: Mark | None = None

    def __add__(self, later: "Pruned") -> "Pruned":
        return Pruned(
            looked=self.looked + later.looked,
            callbacks=self.callbacks + later.callbacks,
            events=self.events + later.events,
            deliveries=self.deliveries + later.deliveries,
            attempts=self.attempts + later.attempts,
            keys=self.keys + later.keys,
            next=later.next,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What is left of an event that was removed for its age."""

    type: str
    submission_id: str | None
    received_at: datetime
    pruned_at: datetime


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    data: list[T]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """An archived file: which handler keeps it, and under which key."""

    handler: str
    submission_id: str | None
    file: ArchivedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What a client calls a request of its own. `client` is empty for the admin; `digest` tells the request itself."""

    client: str
    provider: str
    key: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReply:
    """The provider's answer to a submission, as the client got it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptKey:
    """The first use of a key; `reply` is None as long as no answer of it is kept."""

    submission_id: str
    digest: str
    reply: KeptReply | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process on this database: it answers requests, or routes and delivers, or both. `id` is unique for ever."""

    id: str
    host: str
    does_web: bool
    does_work: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """When a process was seen: `steady_at` is since when without a break; `ended_at`, that it ended in peace."""

    process: Process
    started_at: datetime
    steady_at: datetime
    seen_at: datetime
    ended_at: datetime | None = None
