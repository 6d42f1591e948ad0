"""Quiet hours in every store: what is due then waits for their end; problems and rehearsals don't."""

from dataclasses import replace
from datetime import timedelta

from receiver.events import Event, Via
from receiver.routing import Plan
from receiver.store.base import Store
from receiver.store.records import Again, Terms
from tests.contracts.store_kit import (
    LEASE,
    SECOND,
    START,
    TEAM,
    Clock,
    a_delivery,
    an_alarm,
    an_event,
    broken,
    one_claim,
    routed,
    states,
    stored,
)

NIGHT = timedelta(hours=8)


def quiet(clock: Clock) -> dict[str, Terms]:
    left = START + NIGHT - clock.now
    return {"team": Terms(concurrency=4, quiet=left if left > timedelta() else None), "mail": Terms(concurrency=4)}


async def told(store: Store, event: Event, handler: str = "team") -> None:
    await store.emit([event])
    await store.route([(event, [Plan(handler=handler)])])


async def test_what_is_due_in_quiet_hours_waits_for_their_end_untried(store: Store, clock: Clock) -> None:
    await a_delivery(store)
    assert await store.claim("me", LEASE, quiet(clock), 10) == []
    assert await store.next_due(quiet(clock)) == START + NIGHT
    clock.go(NIGHT - SECOND)
    assert await store.claim("me", LEASE, quiet(clock), 10) == []
    clock.go(SECOND)
    claim = await one_claim(store, quiet(clock))
    assert (claim.attempt, claim.failures) == (1, 0)


async def test_problems_rehearsals_and_other_handlers_go_out(store: Store, clock: Clock) -> None:
    await told(store, an_event("music.complete"))
    await told(store, an_alarm("disk.low"))
    await told(store, replace(an_event("lyrics.complete"), via=Via.SIMULATED))
    await told(store, an_event("music.first"), "mail")
    claims = await store.claim("me", LEASE, quiet(clock), 10)
    assert sorted(claim.event.type for claim in claims) == ["disk.low", "lyrics.complete", "music.first"]


async def test_a_retry_in_quiet_hours_waits_too(store: Store, clock: Clock) -> None:
    await a_delivery(store)
    await store.end(await one_claim(store), Again(SECOND, "timed out"))
    clock.go(SECOND)
    assert await store.claim("me", LEASE, quiet(clock), 10) == []
    clock.go(NIGHT)
    assert (await one_claim(store, quiet(clock))).attempt == 2


async def test_what_is_due_after_the_quiet_hours_stays_so(store: Store, clock: Clock) -> None:
    await a_delivery(store)
    await store.end(await one_claim(store), Again(2 * NIGHT, "timed out"))
    assert await store.claim("me", LEASE, quiet(clock), 10) == []
    assert await store.next_due() == START + 2 * NIGHT


async def test_a_later_stage_takes_the_place_of_one_that_is_held(store: Store, clock: Clock) -> None:
    submission = await stored(store)
    await routed(store, submission, "music.first", [Plan(handler="team")])
    assert await store.claim("me", LEASE, quiet(clock), 10) == []
    await routed(store, submission, "music.complete", [Plan(handler="team")])
    assert await states(store) == {"music.first": "discarded", "music.complete": "pending"}


async def test_a_paused_handler_is_not_probed_in_quiet_hours(store: Store, clock: Clock) -> None:
    await a_delivery(store)
    await store.end(await one_claim(store), broken())
    clock.go(timedelta(minutes=1))
    assert await store.claim("me", LEASE, quiet(clock), 10) == []
    assert await store.next_due(quiet(clock)) == START + NIGHT
    clock.now = START + NIGHT
    assert [claim.probe for claim in await store.claim("me", LEASE, TEAM, 10)] == [True]
