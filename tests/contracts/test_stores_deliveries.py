"""Deliveries in every store: claimed under a lease, ended by its owner, within limits and after their needs."""

import asyncio
from datetime import timedelta

import pytest

from receiver.events import DeliveryState, Stage
from receiver.handler import ArchivedFile, Receipt
from receiver.routing import Plan
from receiver.store.base import Store
from receiver.store.records import Again, Dead, Delivered, Query, Released, Terms
from receiver.tokens import file_id
from receiver.units import Rate
from tests.contracts.store_kit import (
    BOTH,
    LEASE,
    SECOND,
    START,
    TEAM,
    Clock,
    a_callback,
    a_delivery,
    a_receipt,
    a_submission,
    an_alarm,
    becomes,
    delivery,
    new_id,
    one_claim,
    routed,
    states,
    stored,
)

MINUTE = timedelta(minutes=1)
ARCHIVE_FIRST = [Plan(handler="archive"), Plan(handler="team", needs=("archive",))]
ARCHIVE_OR_STOP = [Plan(handler="archive"), Plan(handler="team", needs=("archive",), stop=True)]
ARCHIVE = {"archive": Terms(concurrency=4)}


async def test_routing_twice_makes_one_delivery(store: Store) -> None:
    event = await routed(store, await stored(store), "music.complete", [Plan(handler="team")])
    await asyncio.gather(*(store.route([(event, [Plan(handler="team"), Plan(handler="mail")])]) for _ in range(2)))
    assert len((await store.delivery_rows(Query())).data) == 1
    assert await store.unrouted(10) == []


async def test_an_event_that_nobody_wants_leaves_the_outbox(store: Store) -> None:
    await routed(store, await stored(store), "music.complete", [])
    assert await store.unrouted(10) == []


async def test_a_claim_brings_all_that_a_worker_needs(store: Store) -> None:
    submission = await stored(store)
    event = await routed(store, submission, "music.complete", [Plan(handler="team")])
    claim = await one_claim(store)
    assert (claim.event.id, claim.handler, claim.attempt, claim.failures, claim.owner) == (event.id, "team", 1, 0, "me")
    assert claim.submission == await store.submission(submission.id)
    assert claim.event.raw is not None
    assert await store.claim("other", LEASE, TEAM, 10) == []


async def test_a_delivered_one_keeps_its_receipt_and_its_files(store: Store) -> None:
    submission = await stored(store)
    event = await routed(store, submission, "music.complete", [Plan(handler="team")])
    receipt = a_receipt()
    assert await store.end(await one_claim(store), Delivered(receipt))
    row = await delivery(store, event)
    assert (row.state, row.receipt, row.attempts) == (DeliveryState.DELIVERED, receipt, 1)
    kept = await store.file(file_id("team", submission.id, "r1", "audio"))
    assert kept is not None
    assert (kept.handler, kept.submission_id, kept.file) == ("team", submission.id, receipt.files[0])


async def test_a_delivery_is_tried_again_when_its_delay_is_over(store: Store, clock: Clock) -> None:
    await a_delivery(store)
    await store.end(await one_claim(store), Again(MINUTE, "timed out"))
    assert await store.next_due() == START + MINUTE
    assert await store.claim("me", LEASE, TEAM, 10) == []
    clock.go(MINUTE)
    claim = await one_claim(store)
    assert (claim.attempt, claim.failures) == (2, 1)
    attempts = await store.attempts(claim.id)
    assert [(one.number, one.outcome, one.error) for one in attempts] == [
        (1, "again", "timed out"),
        (2, "running", None),
    ]


async def test_stale_links_ask_at_once(store: Store) -> None:
    submission = await stored(store)
    await routed(store, submission, "music.complete", [Plan(handler="team")])
    await store.end(await one_claim(store), Again(MINUTE, "403", stale=True))
    assert await store.next_ask() == START


async def test_stale_links_without_a_task_id_ask_nobody(store: Store) -> None:
    submission = await stored(store, a_submission(None))
    await routed(store, submission, "music.complete", [Plan(handler="team")])
    await store.end(await one_claim(store), Again(MINUTE, "403", stale=True))
    assert await store.next_ask() is None


async def test_a_dead_letter_stays_and_its_alarm_goes_out(store: Store, clock: Clock) -> None:
    event = await routed(store, await stored(store), "music.complete", [Plan(handler="team")])
    alarm = an_alarm("delivery.dead")
    await store.end(await one_claim(store), Dead("410", alarm))
    clock.go(timedelta(days=30))
    assert await store.claim("me", LEASE, TEAM, 10) == []
    assert ((await delivery(store, event)).state, (await delivery(store, event)).error) == ("dead", "410")
    assert await store.unrouted(10) == [alarm]


async def test_a_delivery_given_back_is_due_at_once_and_lost_no_try(store: Store) -> None:
    await a_delivery(store)
    await store.end(await one_claim(store), Released())
    claim = await one_claim(store)
    assert (claim.attempt, claim.failures) == (2, 0)


async def test_a_lease_that_ran_out_is_taken_back_and_its_owner_fenced_off(store: Store, clock: Clock) -> None:
    await a_delivery(store)
    lost = await one_claim(store)
    assert await store.next_due() == START + LEASE
    clock.go(LEASE)
    claim = await one_claim(store)
    assert (claim.attempt, claim.failures) == (2, 1)
    assert not await store.end(lost, Delivered())
    assert await store.end(claim, Delivered())
    assert not await store.end(claim, Dead("late"))
    assert [one.outcome for one in await store.attempts(claim.id)] == ["lease lost", "delivered"]


async def test_a_heartbeat_keeps_the_lease(store: Store, clock: Clock) -> None:
    await a_delivery(store)
    claim = await one_claim(store)
    clock.go(LEASE / 2)
    await store.heartbeat([claim], LEASE)
    clock.go(LEASE / 2)
    assert await store.claim("other", LEASE, TEAM, 10) == []
    assert await store.end(claim, Delivered())


async def test_a_clock_that_jumps_ends_nothing_that_its_owner_still_runs(store: Store, clock: Clock) -> None:
    for _ in range(2):
        await a_delivery(store)
    held, lost = await store.claim("me", LEASE, TEAM, 10)
    clock.go(60 * MINUTE)
    (again,) = await store.claim("me", LEASE, TEAM, 10, [held.id])
    assert again.id == lost.id
    assert await store.next_due() == clock.now + LEASE
    assert await store.end(held, Delivered())


async def test_what_another_owner_runs_cannot_be_held(store: Store, clock: Clock) -> None:
    await a_delivery(store)
    lost = await one_claim(store)
    clock.go(LEASE)
    assert [claim.id for claim in await store.claim("other", LEASE, TEAM, 10, [lost.id])] == [lost.id]


async def test_a_heartbeat_of_an_earlier_owner_keeps_nothing(store: Store, clock: Clock) -> None:
    await a_delivery(store)
    lost = await one_claim(store)
    await store.end(lost, Released())
    await one_claim(store)
    await store.heartbeat([lost], 10 * LEASE)
    assert await store.next_due() == START + LEASE


async def test_abandoning_takes_back_leases_and_spends_no_try(store: Store) -> None:
    await a_delivery(store)
    lost = await one_claim(store)
    assert await store.abandon("somebody else") == 0
    assert await store.abandon("me") == 1
    assert (await one_claim(store)).failures == 0
    assert not await store.end(lost, Delivered())


async def test_abandoning_leaves_what_is_held(store: Store) -> None:
    for _ in range(2):
        await a_delivery(store)
    held, lost = await store.claim("me", LEASE, TEAM, 10)
    assert await store.abandon("me", [held.id]) == 1
    assert await store.end(held, Delivered())
    assert (await one_claim(store)).id == lost.id


async def test_an_end_told_twice_at_once_counts_once(store: Store) -> None:
    await a_delivery(store)
    claim = await one_claim(store)
    assert sorted(await asyncio.gather(*(store.end(claim, Delivered()) for _ in range(2)))) == [False, True]


async def test_concurrency_holds_for_the_installation(store: Store) -> None:
    for _ in range(3):
        await a_delivery(store)
    two = {"team": Terms(concurrency=2)}
    claims = await store.claim("me", LEASE, two, 10)
    assert len(claims) == 2
    assert await store.claim("other", LEASE, two, 10) == []
    assert await store.next_due(two) == START + LEASE
    await store.end(claims[0], Delivered())
    assert len(await store.claim("other", LEASE, two, 10)) == 1


async def test_a_rate_holds_in_any_window(store: Store, clock: Clock) -> None:
    for _ in range(4):
        await a_delivery(store)
    rate = {"team": Terms(concurrency=10, rate=Rate(2, 10 * SECOND))}
    for claim in await store.claim("me", LEASE, rate, 1):
        await store.end(claim, Delivered())
    clock.go(6 * SECOND)
    for claim in await store.claim("me", LEASE, rate, 10):
        await store.end(claim, Delivered())
    assert await store.next_due(rate) == START + 10 * SECOND
    clock.go(4 * SECOND)
    assert len(await store.claim("me", LEASE, rate, 10)) == 1


async def test_a_clock_that_goes_back_does_not_hold_a_rate(store: Store, clock: Clock) -> None:
    rate = {"team": Terms(concurrency=10, rate=Rate(1, SECOND))}
    await a_delivery(store)
    await store.end(await one_claim(store, rate), Delivered())
    clock.go(-60 * MINUTE)
    await a_delivery(store)
    assert await store.next_due(rate) == clock.now
    assert len(await store.claim("me", LEASE, rate, 10)) == 1


async def test_one_busy_handler_leaves_room_for_the_others(store: Store) -> None:
    for _ in range(5):
        await a_delivery(store)
    await routed(store, await stored(store), "music.complete", [Plan(handler="archive")])
    many = {"team": Terms(concurrency=100), "archive": Terms(concurrency=1)}
    assert {claim.handler for claim in await store.claim("me", LEASE, many, 2)} == {"team", "archive"}


async def test_a_handler_that_is_not_asked_for_is_left_alone(store: Store) -> None:
    await a_delivery(store)
    assert await store.claim("me", LEASE, ARCHIVE, 10) == []
    assert await store.next_due(ARCHIVE) is None


async def test_progress_outlives_the_attempt_and_needs_the_lease(store: Store) -> None:
    await a_delivery(store)
    first = await one_claim(store)
    await store.save_progress(first, {"uploaded": ["a"]})
    await store.end(first, Released())
    second = await one_claim(store)
    await store.save_progress(first, {"uploaded": []})
    await store.end(second, Released())
    assert (await one_claim(store)).progress == {"uploaded": ["a"]}


async def test_a_need_is_waited_for_and_its_receipt_seen(store: Store) -> None:
    await routed(store, await stored(store), "music.complete", ARCHIVE_FIRST)
    assert await states(store) == {"music.complete": "waiting/need"}
    archive = await one_claim(store, BOTH)
    receipt = a_receipt()
    await store.end(archive, Delivered(receipt))
    assert (await one_claim(store, BOTH)).receipts == {"archive": receipt}


@pytest.mark.parametrize(
    ("plans", "state"),
    [pytest.param(ARCHIVE_FIRST, "pending", id="continue"), pytest.param(ARCHIVE_OR_STOP, "discarded", id="stop")],
)
async def test_a_dead_need_ends_the_wait(store: Store, plans: list[Plan], state: str) -> None:
    await routed(store, await stored(store), "music.complete", plans)
    await store.end(await one_claim(store, BOTH), Dead("no"))
    assert await states(store) == {"music.complete": state}


@pytest.mark.parametrize(
    ("plans", "state"),
    [pytest.param(ARCHIVE_FIRST, "running", id="continue"), pytest.param(ARCHIVE_OR_STOP, "discarded", id="stop")],
)
async def test_a_wait_ends_by_the_clock(store: Store, clock: Clock, plans: list[Plan], state: str) -> None:
    await routed(store, await stored(store), "music.complete", plans)
    assert await store.next_due(TEAM) == START + 10 * MINUTE
    clock.go(10 * MINUTE)
    await store.claim("me", LEASE, TEAM, 10)
    assert await states(store) == {"music.complete": state}


async def test_a_late_success_of_the_need_revives_what_it_stopped(store: Store) -> None:
    await routed(store, await stored(store), "music.complete", ARCHIVE_OR_STOP)
    archive = await one_claim(store, BOTH)
    await store.end(archive, Dead("no"))
    await store.redeliver(archive.id)
    await store.end(await one_claim(store, BOTH), Delivered(Receipt()))
    assert await states(store) == {"music.complete": "pending"}


async def test_two_needs_are_both_waited_for(store: Store) -> None:
    plans = [Plan(handler="archive"), Plan(handler="copy"), Plan(handler="team", needs=("archive", "copy"))]
    await routed(store, await stored(store), "music.complete", plans)
    await store.end(await one_claim(store, ARCHIVE), Dead("no"))
    assert await states(store) == {"music.complete": "waiting/need"}
    await store.end(await one_claim(store, {"copy": Terms(concurrency=1)}), Delivered())
    assert await states(store) == {"music.complete": "pending"}


async def test_a_stop_travels_down_the_chain(store: Store) -> None:
    plans = [*ARCHIVE_OR_STOP, Plan(handler="mail", needs=("team",), stop=True)]
    await routed(store, await stored(store), "music.complete", plans)
    await store.end(await one_claim(store, ARCHIVE), Dead("no"))
    assert await states(store, "mail") == {"music.complete": "discarded"}


async def test_a_dead_letter_that_is_redelivered_has_all_its_tries(store: Store) -> None:
    await a_delivery(store)
    dead = await one_claim(store)
    await store.end(dead, Dead("no"))
    row = await store.redeliver(dead.id)
    assert row is not None
    assert row.state == "pending"
    claim = await one_claim(store)
    assert (claim.id, claim.attempt, claim.failures) == (dead.id, 2, 0)


async def test_a_delivered_one_is_sent_again_only_as_a_new_delivery(store: Store) -> None:
    await a_delivery(store)
    done = await one_claim(store)
    await store.end(done, Delivered())
    same = await store.redeliver(done.id)
    assert same is not None
    assert (same.id, same.state) == (done.id, "delivered")
    for _ in range(2):
        fresh = new_id("dlv")
        row = await store.redeliver(done.id, again=True, new_id=fresh)
        assert row is not None
        assert (row.id, row.state) == (fresh, "pending")
    assert await store.redeliver("dlv_unknown") is None


async def test_a_replay_reaches_a_handler_that_never_had_the_event(store: Store) -> None:
    event = await routed(store, await stored(store), "music.complete", [Plan(handler="team")])
    assert not await store.replay(event.id, Plan(handler="team"), new_id("dlv"))
    assert not await store.replay("evt_unknown", Plan(handler="mail"), new_id("dlv"))
    assert await store.replay(event.id, Plan(handler="mail"), new_id("dlv"))
    assert await states(store, "mail") == {"music.complete": "pending"}


async def test_a_replay_sees_the_receipts_that_are_there(store: Store) -> None:
    event = await routed(store, await stored(store), "music.complete", [Plan(handler="archive")])
    await store.end(await one_claim(store, BOTH), Delivered(a_receipt()))
    await store.replay(event.id, Plan(handler="team", needs=("archive",)), new_id("dlv"))
    assert (await one_claim(store)).receipts == {"archive": a_receipt()}


async def test_of_several_receipts_of_a_need_the_last_is_seen(store: Store) -> None:
    event = await routed(store, await stored(store), "music.complete", [Plan(handler="archive")])
    first = await one_claim(store, ARCHIVE)
    await store.end(first, Delivered(a_receipt("old.mp3")))
    await store.redeliver(first.id, again=True)
    await store.end(await one_claim(store, ARCHIVE), Delivered(a_receipt("new.mp3")))
    await store.replay(event.id, Plan(handler="team", needs=("archive",)), new_id("dlv"))
    assert (await one_claim(store)).receipts == {"archive": a_receipt("new.mp3")}


async def test_a_large_body_reaches_the_worker(store: Store) -> None:
    submission = await stored(store)
    body = b'"' + b"x" * 300_000 + b'"'
    await store.change(submission.id, becomes(Stage.COMPLETE, "music.complete"), a_callback(body))
    (event,) = await store.unrouted(1)
    await store.route([(event, [Plan(handler="team")])])
    assert len((await one_claim(store)).event.raw) == 300_000


async def test_counts_name_every_state(store: Store) -> None:
    await a_delivery(store)
    await store.emit([an_alarm("disk.low")])
    expected = {"unrouted": 1, "pending": 1, "waiting": 0, "running": 0, "delivered": 0, "dead": 0, "discarded": 0}
    assert await store.counts() == expected


async def test_a_new_delivery_rings(store: Store) -> None:
    await a_delivery(store)
    await asyncio.wait_for(store.deliveries.wait(timedelta(hours=1)), 5)


async def test_a_claim_knows_what_any_handler_has_archived_of_its_submission(store: Store) -> None:
    submission = await stored(store, a_submission())
    await routed(store, submission, "music.first", [Plan(handler="archive")])
    song = ArchivedFile(
        result_id="a",
        role="audio",
        key="a.mp3",
        size=3,
        sha256="0" * 64,
        media_type="audio/mpeg",
        link="https://me.example/files/a",
    )
    await store.end(await one_claim(store, ARCHIVE), Delivered(Receipt(files=(song,))))
    await routed(store, submission, "music.complete", [Plan(handler="team")])
    assert (await one_claim(store)).files == (song,)
