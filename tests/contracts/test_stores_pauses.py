"""Pauses of handlers in every store: nothing dies, one probe at a time, and then everything at once."""

import asyncio
from datetime import timedelta

import pytest

from receiver.store.base import Again, Dead, Delivered, Store
from tests.contracts.store_kit import (
    LEASE,
    SECOND,
    START,
    TEAM,
    Clock,
    a_delivery,
    an_alarm,
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
    await store.end(await one_claim(store), broken())
    clock.go(MINUTE)
    await store.end(await one_claim(store), broken(an_alarm("handler.paused")))
    assert await store.unrouted(10) == []
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
    await store.end(await one_claim(store), broken())
    state = (await store.handlers())[0]
    assert not await store.pause(state, an_alarm("handler.paused"))
    event = an_alarm("handler.resumed")
    assert await store.resume("team", event)
    assert not await store.resume("team", an_alarm("handler.resumed"))
    assert await store.unrouted(10) == [event]
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
    await store.abandon()
    assert set((await states(store)).values()) == {"waiting/pause"}
