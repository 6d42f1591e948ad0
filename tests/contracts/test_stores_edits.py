"""Edits in every store: what went out without a receipt goes out once more when the receipt comes."""

from datetime import timedelta

from receiver.events import Event
from receiver.routing import Plan
from receiver.store.base import Store
from receiver.store.records import Again, Claim, Dead, Delivered, Ended, Query
from tests.contracts.store_kit import (
    BOTH,
    LEASE,
    SECOND,
    Clock,
    a_receipt,
    an_alarm,
    delivery,
    one_claim,
    routed,
    stored,
)

WAIT = timedelta(minutes=10)
PLANS = (Plan(handler="archive"), Plan(handler="team", needs=("archive",), wait=WAIT))
EDITS = Delivered(edits=True)


async def waited(store: Store, clock: Clock, ended: Ended = EDITS) -> tuple[Event, Claim]:
    """`team` went out without the receipt of `archive`, whose claim is returned: it still runs."""
    event = await routed(store, await stored(store), "music.complete", PLANS)
    archive = await one_claim(store, BOTH)
    clock.go(WAIT)
    await store.heartbeat([archive], LEASE)
    await store.end(await one_claim(store, BOTH), Again(SECOND, "timed out"))
    clock.go(SECOND)
    team = await one_claim(store, BOTH)
    assert (team.handler, dict(team.receipts)) == ("team", {})
    await store.end(team, ended)
    return event, archive


async def test_it_goes_out_once_more_with_the_receipt_and_the_same_id(store: Store, clock: Clock) -> None:
    event, archive = await waited(store, clock)
    before = await delivery(store, event)
    assert before.state == "delivered"
    await store.end(archive, Delivered(a_receipt()))
    again = await one_claim(store, BOTH)
    assert (again.id, again.attempt, again.failures) == (before.id, 3, 0)
    assert again.receipts == {"archive": a_receipt()}
    await store.end(again, EDITS)
    assert await store.claim("me", LEASE, BOTH, 10) == []


async def test_a_receipt_that_comes_while_it_runs_is_not_missed(store: Store, clock: Clock) -> None:
    await routed(store, await stored(store), "music.complete", PLANS)
    archive = await one_claim(store, BOTH)
    clock.go(WAIT)
    await store.heartbeat([archive], LEASE)
    team = await one_claim(store, BOTH)
    await store.end(archive, Delivered(a_receipt()))
    assert await store.claim("me", LEASE, BOTH, 10) == []
    await store.end(team, EDITS)
    assert (await one_claim(store, BOTH)).receipts == {"archive": a_receipt()}


async def test_a_handler_that_does_not_edit_goes_out_once(store: Store, clock: Clock) -> None:
    _, archive = await waited(store, clock, Delivered())
    await store.end(archive, Delivered(a_receipt()))
    assert await store.claim("me", LEASE, BOTH, 10) == []


async def test_what_had_every_receipt_goes_out_once(store: Store) -> None:
    await routed(store, await stored(store), "music.complete", PLANS)
    await store.end(await one_claim(store, BOTH), Delivered())
    await store.end(await one_claim(store, BOTH), EDITS)
    assert await store.claim("me", LEASE, BOTH, 10) == []


async def test_a_need_that_died_edits_when_it_is_redelivered(store: Store) -> None:
    event = await routed(store, await stored(store), "music.complete", PLANS)
    await store.end(await one_claim(store, BOTH), Dead("every link is dead"))
    await store.end(await one_claim(store, BOTH), EDITS)
    await store.redeliver((await delivery(store, event, "archive")).id)
    await store.end(await one_claim(store, BOTH), Delivered(a_receipt()))
    assert (await one_claim(store, BOTH)).handler == "team"


async def test_a_stage_that_a_later_one_followed_is_not_edited(store: Store, clock: Clock) -> None:
    submission = await stored(store)
    await routed(store, submission, "music.first", PLANS)
    archive = await one_claim(store, BOTH)
    clock.go(WAIT)
    await store.heartbeat([archive], LEASE)
    await store.end(await one_claim(store, BOTH), EDITS)
    await routed(store, submission, "music.complete", [Plan(handler="team")])
    await store.end(await one_claim(store, BOTH), EDITS)
    await store.end(archive, Delivered(a_receipt()))
    assert await store.claim("me", LEASE, BOTH, 10) == []


async def test_an_edit_that_fails_for_now_is_tried_again(store: Store, clock: Clock) -> None:
    event, archive = await waited(store, clock)
    await store.end(archive, Delivered(a_receipt()))
    await store.end(await one_claim(store, BOTH), Again(SECOND, "timed out"))
    assert (await delivery(store, event)).state == "pending"


async def test_an_edit_that_fails_for_good_leaves_what_was_delivered(store: Store, clock: Clock) -> None:
    event, archive = await waited(store, clock)
    await store.end(archive, Delivered(a_receipt()))
    alarm = an_alarm("delivery.dead")
    await store.end(await one_claim(store, BOTH), Dead("refused", alarm, fallback="mail"))
    row = await delivery(store, event)
    assert (row.state, row.error) == ("delivered", "refused")
    assert [attempt.outcome for attempt in await store.attempts(row.id)] == ["again", "delivered", "dead"]
    assert await store.unrouted(10) == []
    assert (await store.delivery_rows(Query(handler="mail"))).data == []
    assert await store.claim("me", LEASE, BOTH, 10) == []
