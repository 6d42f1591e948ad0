"""What happened, in our words: submissions, results, events and the states of deliveries. Values, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter


class Stage(StrEnum):
    """How far a submission is."""

    SENDING = "sending"
    UNKNOWN = "unknown"
    REJECTED = "rejected"
    ACCEPTED = "accepted"
    TEXT = "text"
    FIRST = "first"
    COMPLETE = "complete"
    FAILED = "failed"
    LOST = "lost"

    @property
    def is_final(self) -> bool:
        """Nobody need wait any longer; but a callback may still move on what is rejected or lost."""
        return self in {Stage.COMPLETE, Stage.FAILED, Stage.REJECTED, Stage.LOST}


class Kind(StrEnum):
    """What comes out of an operation; the first half of an event's type."""

    MUSIC = "music"
    LYRICS = "lyrics"
    WAV = "wav"
    STEMS = "stems"
    MIDI = "midi"
    VIDEO = "video"
    COVER_IMAGE = "cover_image"
    VOICE_PHRASE = "voice_phrase"
    VOICE = "voice"
    RECOVERY = "recovery"
    TIMESTAMPS = "timestamps"
    PERSONA = "persona"
    STYLE = "style"
    OTHER = "other"


class Level(StrEnum):
    INFO = "info"
    PROBLEM = "problem"


class Via(StrEnum):
    """The way a fact reached us."""

    CALLBACK = "callback"
    STATUS = "status"
    SIMULATED = "simulated"


class Trust(StrEnum):
    """How sure we are that the provider said it: token < signed < confirmed."""

    TOKEN = "token"  # noqa: S105 - a word of the contract
    SIGNED = "signed"
    CONFIRMED = "confirmed"

    @property
    def rank(self) -> int:
        return (Trust.TOKEN, Trust.SIGNED, Trust.CONFIRMED).index(self)


class DeliveryState(StrEnum):
    WAITING = "waiting"
    PENDING = "pending"
    RUNNING = "running"
    DELIVERED = "delivered"
    DEAD = "dead"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class File:
    """A URL that belongs to a result. `alternates` are other addresses of the same bytes, best first."""

    role: str
    url: str
    alternates: tuple[str, ...] = ()
    media_type: str | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        return (self.url, *self.alternates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A thing made: a track, a lyric, a stem set. `duration` is in seconds; `data` holds what is no file, among it

    {"words": [{"word": str, "start": s, "end": s}]} and {"instruments": [{"name": str, "notes": [{"pitch": 0-127,
    "start": s, "end": s, "velocity": 0-1}]}]}, with s in seconds.
    """

    id: str
    title: str | None = None
    duration: float | None = None
    tags: str | None = None
    lyrics: str | None = None
    model: str | None = None
    data: Any = None
    files: tuple[File, ...] = ()

    def file(self, role: str) -> File | None:
        return next((file for file in self.files if file.role == role), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no result. `meaning` and `advice` are ours, per provider; the rest is the provider's word."""

    code: str
    message: str
    meaning: str | None = None
    advice: str | None = None
    retryable: bool | None = None
    refunded: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One request that went through the gateway, or was registered.

    `held` says why a `complete` is kept back: `half` (a main file is missing), `conflict` (it came after `failed`);
    `ask_at` is when the reconciler asks next, None when it need not. `via` is how its last stage came.
    `client_callback` is the callback URL that the client had set itself, `title` what it called the thing it asked for;
    `path` is where it was sent to at the provider. With `forward` the client's own callback is served too;
    `called` says that a callback has come.
    """

    id: str
    provider: str
    operation: str
    kind: Kind
    stage: Stage
    created_at: datetime
    client: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    task_id: str | None = None
    parent: str | None = None
    deadline_at: datetime | None = None
    results: tuple[Result, ...] = ()
    error: Failure | None = None
    partial: bool = False
    revision: int = 0
    held: str | None = None
    ask_at: datetime | None = None
    asks: int = 0
    overdue: bool = False
    standing: bool = False
    simulated: bool = False
    via: Via | None = None
    client_callback: str | None = None
    title: str | None = None
    path: str | None = None
    forward: bool = False
    called: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A normalised fact with a dotted type, as handlers and routes see it.

    `about` names the handler that an alarm is about. With `forward` the client's own callback gets it too. `raw` is
    the provider's body with our secrets redacted; for events of our own it holds what they are about.
    """

    id: str
    type: str
    level: Level = Level.INFO
    operation: str | None = None
    stage: str | None = None
    partial: bool = False
    provider: str | None = None
    task_id: str | None = None
    submission_id: str | None = None
    client: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    occurred_at: datetime
    received_at: datetime
    via: Via = Via.CALLBACK
    trust: Trust = Trust.TOKEN
    results: tuple[Result, ...] = ()
    error: Failure | None = None
    raw: Any = None
    about: str | None = None
    forward: bool = False

    @property
    def kind(self) -> str:
        return self.type.partition(".")[0]


# The second halves of the types that a provider's facts have.
FACT_STAGES = ("text", "first", "complete", "failed", "updated")
# Types of our own: they match only where a route names them by type or level.
OWN_TYPES = (
    "submission.accepted",
    "submission.rejected",
    "submission.unknown",
    "submission.overdue",
    "submission.lost",
    "callback.unrecognised",
    "delivery.dead",
    "handler.paused",
    "handler.resumed",
    "provider.silent",
    "worker.missing",
    "file.expiring",
    "disk.low",
)
OWN_KINDS = frozenset(name.partition(".")[0] for name in OWN_TYPES)
EVENT_TYPES = (*(f"{kind}.{stage}" for kind in Kind for stage in FACT_STAGES), *OWN_TYPES)

RESULTS = TypeAdapter(tuple[Result, ...])
FAILURE = TypeAdapter(Failure)
EVENT = TypeAdapter(Event)
SUBMISSION = TypeAdapter(Submission)


def new_id(prefix: str, now: datetime, entropy: bytes) -> str:
    """An id that sorts by time: `prefix_` and 32 hex digits, 48 bits of milliseconds and 80 of `entropy`."""
    millis = int(now.timestamp() * 1000)
    return f"{prefix}_{millis:012x}{entropy[:10].hex()}"


def utc_now() -> datetime:
    return datetime.now(UTC)
