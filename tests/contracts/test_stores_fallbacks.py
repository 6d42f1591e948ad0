"""Fallbacks in every store: what dies, and what waits too long on a pause, goes to another handler once."""

from dataclasses import replace
from datetime import timedelta

from receiver.events import Event, Via
from receiver.routing import Plan
from receiver.store.base import Store
from receiver.store.records import PATIENCE, Again, Dead, Delivered, DeliveryRow, Query, Terms
from tests.contracts.store_kit import (
    LEASE,
    SECOND,
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

MAILED = {"team": Terms(concurrency=4, fallback="mail"), "mail": Terms(concurrency=4)}


async def of_mail(store: Store) -> list[DeliveryRow]:
    return (await store.delivery_rows(Query(handler="mail"))).data


async def dies(store: Store) -> None:
    await store.end(await one_claim(store), Dead("the channel is gone", fallback="mail"))


async def told(store: Store, event: Event, handler: str = "team") -> None:
    await store.emit([event])
    await store.route([(event, [Plan(handler=handler)])])


async def test_what_dies_goes_to_the_fallback_at_once(store: Store) -> None:
    await a_delivery(store)
    await dies(store)
    assert await states(store) == {"music.complete": "dead"}
    claim = await one_claim(store, MAILED)
    assert (claim.handler, claim.event.type, claim.submission is not None) == ("mail", "music.complete", True)


async def test_the_fallback_that_had_the_event_is_not_told_again(store: Store) -> None:
    event = await routed(store, await stored(store), "music.complete", [Plan(handler="team"), Plan(handler="mail")])
    claims = {claim.handler: claim for claim in await store.claim("me", LEASE, MAILED, 10)}
    await store.end(claims["mail"], Delivered())
    await store.end(claims["team"], Dead("gone", fallback="mail"))
    assert [(row.event_id, row.state) for row in await of_mail(store)] == [(event.id, "delivered")]


async def test_a_fallback_that_was_told_a_later_stage_is_not_told_the_earlier(store: Store) -> None:
    submission = await stored(store)
    await routed(store, submission, "music.first", [Plan(handler="team")])
    first = await one_claim(store)
    await routed(store, submission, "music.complete", [Plan(handler="mail")])
    await store.end(first, Dead("gone", fallback="mail"))
    assert await states(store, "mail") == {"music.complete": "pending", "music.first": "discarded"}


async def test_nobody_stands_in_for_a_rehearsal_or_for_an_alarm_about_itself(store: Store) -> None:
    await told(store, replace(an_event("music.complete"), via=Via.SIMULATED))
    await dies(store)
    await told(store, replace(an_alarm("delivery.dead"), about="mail"))
    await dies(store)
    assert await of_mail(store) == []
    await told(store, an_alarm("disk.low"))
    await dies(store)
    assert [row.event_type for row in await of_mail(store)] == ["disk.low"]


async def test_what_waits_too_long_on_a_pause_goes_to_the_fallback_and_waits_on(store: Store, clock: Clock) -> None:
    await a_delivery(store)
    await store.end(await one_claim(store), broken())
    clock.go(PATIENCE - SECOND)
    await store.end(await one_claim(store), Again(timedelta(hours=1), "timed out"))
    await a_delivery(store)
    assert await store.claim("me", LEASE, MAILED, 10) == []
    clock.go(SECOND)
    claim = await one_claim(store, MAILED)
    assert claim.handler == "mail"
    await store.end(claim, Delivered())
    # Once, and only what has waited for so long itself.
    assert await store.claim("me", LEASE, MAILED, 10) == []
    clock.go(PATIENCE)
    assert [claim.handler for claim in await store.claim("me", LEASE, MAILED, 10)] == ["mail"]
    assert {row.state for row in (await store.delivery_rows(Query(handler="team"))).data} == {"waiting"}


async def test_many_that_wait_are_handed_on_in_turn(store: Store, clock: Clock) -> None:
    await a_delivery(store)
    await store.end(await one_claim(store), broken())
    for _ in range(120):
        await told(store, an_event("music.complete"))
    clock.go(PATIENCE)
    terms = {"team": MAILED["team"], "mail": Terms(concurrency=1000)}
    handed = 0
    while claims := [claim for claim in await store.claim("me", LEASE, terms, 200) if claim.handler == "mail"]:
        handed += len(claims)
    assert handed == 121


async def test_without_a_fallback_what_waits_just_waits(store: Store, clock: Clock) -> None:
    await a_delivery(store)
    await store.end(await one_claim(store), broken())
    clock.go(2 * PATIENCE)
    probe = await one_claim(store)
    assert probe.probe
    await store.end(probe, broken())
    assert await of_mail(store) == []
    # A fallback that is written into the configuration later gets it then.
    assert (await one_claim(store, MAILED)).handler == "mail"


async def test_an_old_delivery_of_a_handler_that_was_just_paused_is_not_handed_on(store: Store, clock: Clock) -> None:
    await a_delivery(store)
    clock.go(2 * PATIENCE)
    await store.end(await one_claim(store), broken())
    assert await store.claim("me", LEASE, MAILED, 10) == []
    clock.go(PATIENCE)
    assert "mail" in {claim.handler for claim in await store.claim("me", LEASE, MAILED, 10)}
