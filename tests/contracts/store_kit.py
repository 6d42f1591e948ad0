"""What the suites of the stores build their cases from."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

from receiver.events import Event, File, Kind, Level, Result, Stage, Submission, Via
from receiver.handler import ArchivedFile, Receipt
from receiver.routing import Plan
from receiver.stages import Change, Decide
from receiver.store.base import Store
from receiver.store.records import Callback, Claim, DeliveryRow, Ended, Paused, Query, Terms

START = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
TEAM = {"team": Terms(concurrency=4)}
BOTH = {"team": Terms(concurrency=4), "archive": Terms(concurrency=4)}

_numbers = count(1)


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def go(self, duration: timedelta) -> None:
        self.now += duration


class Ids:
    def __call__(self, prefix: str) -> str:
        return f"{prefix}_{next(_numbers):032x}"


new_id = Ids()


def a_submission(task_id: str | None = "task-1", provider: str = "suno") -> Submission:
    return Submission(
        id=new_id("sub"),
        provider=provider,
        operation="generate",
        kind=Kind.MUSIC,
        stage=Stage.ACCEPTED,
        created_at=START,
        task_id=task_id,
    )


def an_event(kind: str, submission: Submission | None = None) -> Event:
    return Event(
        id=new_id("evt"),
        type=kind,
        stage=kind.partition(".")[2],
        provider=submission.provider if submission else None,
        task_id=submission.task_id if submission else None,
        submission_id=submission.id if submission else None,
        occurred_at=START,
        received_at=START,
    )


def an_alarm(kind: str) -> Event:
    return replace(an_event(kind), level=Level.PROBLEM, about="team", raw={"why": "tests"})


def a_callback(body: bytes = b'{"code":200}') -> Callback:
    return Callback(id=new_id("cb"), via=Via.CALLBACK, headers={"x-a": "1"}, body=body, received_at=START)


def a_result(title: str = "Night Ferry") -> Result:
    return Result(id="r1", title=title, files=(File("audio", "https://cdn.example.com/a.mp3"),))


def a_receipt(key: str = "a.mp3") -> Receipt:
    kept = ArchivedFile(
        result_id="r1", role="audio", key=key, size=3, sha256="ab", media_type="audio/mpeg", link="https://x.example/a"
    )
    return Receipt(files=(kept,), details={"ts": "1.2"})


def keep(submission: Submission, duplicate: bool) -> Change:
    return Change(submission=submission)


def becomes(stage: Stage, *kinds: str, revision: int = 0) -> Decide:
    """A decision that moves on to a stage and tells of it by these events."""

    def decide(current: Submission, _: bool) -> Change:
        after = replace(current, stage=stage, results=(a_result(),), revision=revision)
        events = tuple(replace(an_event(kind, current), results=after.results) for kind in kinds)
        return Change(submission=after, events=events)

    return decide


@asynccontextmanager
async def running(store: Store) -> AsyncIterator[Store]:
    """Open, and closed again whatever happens: a store left open keeps the process alive."""
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def stored(store: Store, submission: Submission | None = None) -> Submission:
    found = await store.change(submission or a_submission(), keep)
    assert found is not None
    return found


async def routed(store: Store, submission: Submission, kind: str, plans: Sequence[Plan], revision: int = 0) -> Event:
    """An event of this kind, brought by its own callback and routed so."""
    await store.change(
        submission.id, becomes(Stage.COMPLETE, kind, revision=revision), a_callback(new_id("b").encode())
    )
    event = (await store.unrouted(10))[-1]
    await store.route([(event, plans)])
    return event


async def a_delivery(store: Store) -> None:
    await routed(store, await stored(store), "music.complete", [Plan(handler="team")])


async def delivery(store: Store, event: Event, handler: str = "team") -> DeliveryRow:
    page = await store.delivery_rows(Query(event_id=event.id, handler=handler))
    return page.data[0]


async def one_claim(store: Store, terms: dict[str, Terms] | None = None) -> Claim:
    claims = await store.claim("me", LEASE, terms or TEAM, 10)
    assert len(claims) == 1
    return claims[0]


async def states(store: Store, handler: str = "team") -> dict[str, str]:
    """State by event type; a wait says for what."""
    page = await store.delivery_rows(Query(handler=handler))
    return {row.event_type: "/".join(filter(None, [row.state, row.waiting_for])) for row in page.data}


async def ended_all(store: Store, terms: dict[str, Terms], ended: Ended) -> list[str]:
    """Claims and ends until nothing is due; what `team` was handed, in order."""
    handed: list[str] = []
    while claims := await store.claim("me", LEASE, terms, 10):
        handed += [claim.event.type for claim in claims if claim.handler == "team"]
        for claim in claims:
            await store.end(claim, ended)
    return handed


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def broken(event: Event | None = None) -> Ended:
    return Paused("the webhook was revoked", timedelta(minutes=1), event)
