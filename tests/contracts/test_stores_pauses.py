"""Pauses of handlers in every store: nothing dies, one probe at a time, and then everything at once."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from receiver.events import Event, Via
from receiver.routing import Plan
from receiver.store.base import Store
from receiver.store.records import Again, Dead, Delivered
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
    states,
)

MINUTE = timedelta(minutes=1)


async def test_a_broken_target_pauses_its_handler_and_nothing_is_lost(store: Store) -> None:
    await a_delivery(store)
    await a_delivery(store)
    alarm, second = an_alarm("handler.paused"), an_alarm("handler.paused")
    claims = await store.claim("me", LEASE, TEAM, 10)
    await asyncio.gather(store.end(claims[0], broken(alarm)), store.end(claims[1], broken(second)))
    assert await store.unrouted(10) == [alarm]
    assert set((await states(store)).values()) == {"waiting/pause"}
    await a_delivery(store)
    assert (await store.counts())["waiting"] == 3
    assert await store.claim("me", LEASE, TEAM, 10) == []
    state = (await store.handlers())[0]
    assert (state.name, state.paused_at, state.probe_at, state.probes) == ("team", START, START + MINUTE, 0)


async def test_a_probe_is_one_and_the_oldest(store: Store, clock: Clock) -> None:
    await a_delivery(store)
    oldest = await one_claim(store)
    await store.end(oldest, broken())
    clock.go(SECOND)
    await a_delivery(store)
    assert await store.next_due() == START + MINUTE
    clock.go(MINUTE)
    probe = await one_claim(store)
    assert (probe.id, probe.probe, probe.failures, probe.probes) == (oldest.id, True, 0, 0)
    assert await store.claim("other", LEASE, TEAM, 10) == []


async def test_a_failed_probe_spends_no_try_and_comes_later(store: Store, clock: Clock) -> None:
    await a_delivery(store)
    alarm = an_alarm("handler.paused")
    await store.end(await one_claim(store), broken(alarm))
    clock.go(MINUTE)
    await store.end(await one_claim(store), broken(an_alarm("handler.paused")))
    assert await store.unrouted(10) == [alarm]
    assert await store.next_due() == clock.now + MINUTE
    assert (await store.handlers())[0].probes == 1
    clock.go(MINUTE)
    await store.end(await one_claim(store), Again(5 * MINUTE, "timed out"))
    assert set((await states(store)).values()) == {"waiting/pause"}
    clock.go(5 * MINUTE)
    probe = await one_claim(store)
    assert (probe.failures, probe.probes) == (0, 2)


@pytest.mark.parametrize("dead", [False, True], ids=["delivered", "dead"])
async def test_a_probe_that_got_through_makes_everything_due(store: Store, clock: Clock, dead: bool) -> None:
    for _ in range(3):
        await a_delivery(store)
    for claim in await store.claim("me", LEASE, TEAM, 10):
        await store.end(claim, broken())
    clock.go(MINUTE)
    resumed = an_alarm("handler.resumed")
    ended = Dead("400", resumed=resumed) if dead else Delivered(resumed=resumed)
    await store.end(await one_claim(store), ended)
    assert await store.handlers() == []
    assert await store.unrouted(10) == [resumed]
    assert len(await store.claim("me", LEASE, TEAM, 10)) == 2


async def test_a_pause_and_a_resume_by_hand_count_once(store: Store, clock: Clock) -> None:
    await a_delivery(store)
    paused, resumed = an_alarm("handler.paused"), an_alarm("handler.resumed")
    await store.end(await one_claim(store), broken(paused))
    state = (await store.handlers())[0]
    assert not await store.pause(state, an_alarm("handler.paused"))
    assert await store.resume("team", resumed)
    assert not await store.resume("team", an_alarm("handler.resumed"))
    assert await store.unrouted(10) == [paused, resumed]
    assert len(await store.claim("me", LEASE, TEAM, 10)) == 1


async def test_a_probe_asked_for_comes_at_once(store: Store) -> None:
    await a_delivery(store)
    await store.end(await one_claim(store), broken())
    await store.probe("team")
    assert (await one_claim(store)).probe


async def test_a_probe_without_its_process_goes_back_to_wait(store: Store, clock: Clock) -> None:
    await a_delivery(store)
    await store.end(await one_claim(store), broken())
    clock.go(MINUTE)
    await one_claim(store)
    await store.abandon("me")
    assert set((await states(store)).values()) == {"waiting/pause"}


async def test_a_probe_that_got_through_but_not_its_delivery_makes_everything_due(store: Store, clock: Clock) -> None:
    await a_delivery(store)
    await store.end(await one_claim(store), broken())
    clock.go(MINUTE)
    await a_delivery(store)
    resumed = an_alarm("handler.resumed")
    probe = await one_claim(store)
    await store.end(probe, Again(MINUTE, "the link is dead", stale=True, resumed=resumed))
    assert await store.handlers() == []
    assert await store.unrouted(10) == [resumed]
    other = await one_claim(store)
    assert other.id != probe.id
    clock.go(MINUTE)
    again = {claim.id: claim for claim in await store.claim("me", LEASE, TEAM, 10)}[probe.id]
    assert (again.failures, again.probe) == (1, False)


@pytest.mark.parametrize(
    "mute",
    [
        pytest.param(an_alarm("disk.low"), id="alarm"),
        pytest.param(replace(an_event("music.complete"), via=Via.SIMULATED), id="simulated"),
    ],
)
async def test_a_pause_that_nobody_was_told_of_is_told_once_by_the_next_who_can(
    store: Store, clock: Clock, mute: Event
) -> None:
    await store.emit([mute])
    await store.route([(mute, [Plan(handler="team")])])
    first = await one_claim(store)
    await store.end(first, broken())
    clock.go(SECOND)
    await a_delivery(store)
    told = an_alarm("handler.paused")
    for event in (told, an_alarm("handler.paused")):
        clock.go(MINUTE)
        probe = await one_claim(store)
        # The oldest can't tell of the pause: until it is told, another goes first.
        assert (probe.id == first.id) == (event is not told)
        await store.end(probe, broken(event))
    assert await store.unrouted(10) == [told]


async def test_a_mute_delivery_probes_where_nothing_else_waits(store: Store) -> None:
    alarm = an_alarm("disk.low")
    await store.emit([alarm])
    await store.route([(alarm, [Plan(handler="team")])])
    await store.end(await one_claim(store), broken())
    await store.probe("team")
    assert (await one_claim(store)).probe


async def test_every_pause_is_told(store: Store) -> None:
    await a_delivery(store)
    alarms = [an_alarm("handler.paused"), an_alarm("handler.paused")]
    for alarm in alarms:
        await store.end(await one_claim(store), broken(alarm))
        await store.resume("team", an_alarm("handler.resumed"))
    assert [event.id for event in await store.unrouted(10) if event.type == "handler.paused"] == [
        alarm.id for alarm in alarms
    ]
