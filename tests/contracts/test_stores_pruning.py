"""Retention: what is too old goes, what may still be needed stays, and what came once is known for ever."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from receiver.events import Stage, Submission
from receiver.routing import Plan
from receiver.stages import Change, Decide
from receiver.store.base import Store
from receiver.store.records import (
    KEY_LIFE,
    Claim,
    Dead,
    Delivered,
    KeptReply,
    Key,
    Mark,
    Pruned,
    Query,
    Retention,
)
from receiver.tokens import file_id
from tests.contracts.store_kit import (
    SECOND,
    TEAM,
    Clock,
    a_callback,
    a_receipt,
    a_submission,
    an_alarm,
    an_event,
    becomes,
    delivery,
    keep,
    new_id,
    one_claim,
    routed,
    stored,
)

DAY = timedelta(days=1)
KEEP = Retention(events=90 * DAY, callbacks=30 * DAY)
TO_TEAM = [Plan(handler="team")]


async def sweep(store: Store, keep: Retention = KEEP, limit: int = 100, *, dry_run: bool = False) -> Pruned:
    """All batches together; `next` is None."""
    total, mark = Pruned(), None
    while True:
        pruned = await store.prune(keep, mark, limit, dry_run=dry_run)
        assert pruned.looked <= limit
        total += pruned
        mark = pruned.next
        if mark is None:
            return total


async def delivered(store: Store, submission: Submission, kind: str = "music.complete", revision: int = 0) -> str:
    """The id of an event that its handler has got."""
    event = await routed(store, submission, kind, TO_TEAM, revision)
    assert await store.end(await one_claim(store), Delivered())
    return event.id


def told(remark: str, *kinds: str) -> Decide:
    def decide(current: Submission, _: bool) -> Change:
        return Change(submission=current, events=tuple(an_event(kind, current) for kind in kinds), remark=remark)

    return decide


async def test_an_old_body_goes_and_its_event_stays(store: Store, clock: Clock) -> None:
    event_id = await delivered(store, await stored(store))
    before = await store.event(event_id)
    clock.go(30 * DAY)
    assert await sweep(store) == Pruned(looked=1, callbacks=1)
    after = await store.event(event_id)
    assert before is not None
    assert before.raw is not None
    assert after == replace(before, raw=None)
    assert (await store.events(Query())).data == [after]
    assert await store.kept_callbacks(None, 9) == []


async def test_what_is_young_enough_stays(store: Store, clock: Clock) -> None:
    event_id = await delivered(store, await stored(store))
    clock.go(30 * DAY - SECOND)
    assert await sweep(store) == Pruned()
    clock.go(60 * DAY)
    assert (await sweep(store)).events == 0
    assert await store.event(event_id) is not None


async def test_a_body_that_was_removed_is_still_a_repeat(store: Store, clock: Clock) -> None:
    submission = await stored(store)
    seen: list[bool] = []

    def decide(current: Submission, known: bool) -> Change:
        seen.append(known)
        return Change(submission=current)

    await store.change(submission.id, decide, a_callback())
    clock.go(30 * DAY)
    assert (await sweep(store)).callbacks == 1
    await store.change(submission.id, decide, a_callback())
    assert seen == [False, True]
    assert await store.kept_callbacks(None, 9) == []


async def test_an_old_event_goes_with_its_deliveries_and_attempts(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    submission = await stored(store)
    event_id = await delivered(store, submission)
    (row,) = (await store.delivery_rows(Query())).data
    clock.go(90 * DAY)
    assert await sweep(store) == Pruned(looked=2, callbacks=1, events=1, deliveries=1, attempts=1)
    assert await store.event(event_id) is None
    assert (await store.events(Query())).data == []
    assert (await store.events(Query(event_id=event_id))).data == []
    assert (await store.delivery_rows(Query())).data == []
    assert await store.delivery(row.id) is None
    assert await store.attempts(row.id) == []
    assert await sweep(store) == Pruned()
    # None of it is told as something that can't be read.
    assert caplog.records == []


async def test_a_tombstone_says_what_it_was_and_when_it_went(store: Store, clock: Clock) -> None:
    submission = await stored(store)
    event_id = await delivered(store, submission)
    assert await store.tombstone(event_id) is None
    clock.go(90 * DAY)
    await sweep(store)
    found = await store.tombstone(event_id)
    assert found is not None
    assert (found.type, found.submission_id, found.pruned_at) == ("music.complete", submission.id, clock())
    assert found.received_at == clock() - 90 * DAY
    assert await store.tombstone("evt_0") is None


async def test_a_submission_stays_with_its_results_and_its_files(store: Store, clock: Clock) -> None:
    submission = await stored(store)
    await routed(store, submission, "music.complete", TO_TEAM)
    await store.end(await one_claim(store), Delivered(a_receipt()))
    clock.go(900 * DAY)
    await sweep(store)
    kept = await store.submission(submission.id)
    assert kept is not None
    assert (kept.stage, len(kept.results)) == (Stage.COMPLETE, 1)
    assert await store.file(file_id("team", submission.id, "r1", "audio")) is not None


async def _nobody_routes(store: Store, submission: Submission) -> None:
    await store.change(submission.id, becomes(Stage.COMPLETE, "music.complete"), a_callback())


async def _pending(store: Store, submission: Submission) -> None:
    await routed(store, submission, "music.complete", TO_TEAM)


async def _running(store: Store, submission: Submission) -> None:
    await routed(store, submission, "music.complete", TO_TEAM)
    await one_claim(store)


async def _dead(store: Store, submission: Submission) -> None:
    await _running(store, submission)
    (row,) = (await store.delivery_rows(Query())).data
    claim = await _claim_of(store, row.id)
    await store.end(claim, Dead("no such channel"))


async def _claim_of(store: Store, delivery_id: str) -> Claim:
    await store.abandon("me")
    claim = await one_claim(store)
    assert claim.id == delivery_id
    return claim


async def _waiting(store: Store, submission: Submission) -> None:
    plans = [Plan(handler="archive"), Plan(handler="team", needs=("archive",), wait=timedelta(days=10_000))]
    await routed(store, submission, "music.complete", plans)


@pytest.mark.parametrize("make", [_nobody_routes, _pending, _running, _dead, _waiting])
async def test_what_may_still_be_needed_stays_whole(
    store: Store, clock: Clock, make: Callable[[Store, Submission], Awaitable[None]]
) -> None:
    await make(store, await stored(store))
    before, rows = (await store.events(Query())).data, (await store.delivery_rows(Query())).data
    clock.go(900 * DAY)
    assert await sweep(store) == Pruned(looked=2)
    assert (await store.events(Query())).data == before
    assert before[0].raw is not None
    assert (await store.delivery_rows(Query())).data == rows


async def test_one_dead_letter_keeps_all_of_its_event(store: Store, clock: Clock) -> None:
    event = await routed(store, await stored(store), "music.complete", [Plan(handler="archive"), *TO_TEAM])
    await store.end(await one_claim(store), Dead("no such channel"))
    archive = {"archive": TEAM["team"]}
    await store.end(await one_claim(store, archive), Delivered())
    clock.go(900 * DAY)
    assert (await sweep(store)).events == 0
    row = await store.redeliver((await delivery(store, event)).id)
    assert row is not None
    claim = await one_claim(store)
    assert claim.event.raw is not None
    await store.end(claim, Delivered())
    assert await sweep(store) == Pruned(looked=2, callbacks=1, events=1, deliveries=2, attempts=3)


@pytest.mark.parametrize("remark", ["unrecognised: it is no JSON", "error"])
async def test_what_no_parser_understood_stays_until_one_does(store: Store, clock: Clock, remark: str) -> None:
    submission = await stored(store)
    await store.change(submission.id, told(remark, "callback.unrecognised"), a_callback())
    await store.route([(event, []) for event in await store.unrouted(9)])
    clock.go(900 * DAY)
    assert await sweep(store) == Pruned(looked=2)
    (kept,) = await store.kept_callbacks(None, 9, unread=True)
    assert kept.callback.body == a_callback().body
    await store.reread(kept, told("complete"))
    assert await sweep(store) == Pruned(looked=2, callbacks=1, events=1)


async def test_a_late_callback_makes_no_second_event_of_a_fact(store: Store, clock: Clock) -> None:
    submission = await stored(store)
    event_id = await delivered(store, submission)
    clock.go(90 * DAY)
    await sweep(store)
    await store.change(submission.id, becomes(Stage.COMPLETE, "music.complete"), a_callback(b"late"))
    assert await store.unrouted(9) == []
    assert await store.tombstone(event_id) is not None


async def test_an_alarm_that_was_removed_does_not_go_out_again(store: Store, clock: Clock) -> None:
    await _dead(store, await stored(store))
    (row,) = (await store.delivery_rows(Query())).data
    alarm = replace(an_alarm("file.expiring"), submission_id=row.submission_id, raw={"delivery_id": row.id})
    await store.emit([alarm])
    await store.route([(event, []) for event in await store.unrouted(9)])
    clock.go(90 * DAY)
    assert (await sweep(store)).events == 1
    assert await store.undelivered(["team"], DAY, 9) == []
    await store.emit([alarm])
    assert await store.unrouted(9) == []


async def test_what_a_handler_remembers_goes_with_its_last_delivery(store: Store, clock: Clock) -> None:
    submission = await stored(store)
    await delivered(store, submission, "music.first")
    await store.remember("team", submission.id, {"ts": "1.2"})
    clock.go(DAY)
    late = replace(an_event("music.complete", submission), received_at=clock())
    await store.change(submission.id, lambda current, _: Change(submission=current, events=(late,)))
    await store.route([(event, TO_TEAM) for event in await store.unrouted(9)])
    await store.end(await one_claim(store), Delivered())
    clock.go(89 * DAY)
    assert (await sweep(store)).events == 1
    assert await store.recall("team", submission.id) == {"ts": "1.2"}
    clock.go(DAY)
    assert (await sweep(store)).events == 1
    assert await store.recall("team", submission.id) == {}


async def test_what_an_archive_remembers_stays_with_its_files(store: Store, clock: Clock) -> None:
    submission = await stored(store)
    await routed(store, submission, "music.complete", TO_TEAM)
    await store.remember("team", submission.id, {"files": ["a.mp3"]})
    await store.end(await one_claim(store), Delivered(a_receipt()))
    clock.go(900 * DAY)
    assert (await sweep(store)).deliveries == 1
    assert await store.recall("team", submission.id) == {"files": ["a.mp3"]}


async def test_keys_that_are_over_go(store: Store, clock: Clock) -> None:
    for name in ("a", "b", "c"):
        submission = a_submission()
        await store.take_key(Key(client="app", provider="suno", key=name, digest="d"), submission)
        await store.keep_reply(submission.id, KeptReply(status=200, headers={}, body=b"{}"))
        clock.go(DAY)
    clock.go(KEY_LIFE - 2 * DAY)
    assert await sweep(store, limit=1, dry_run=True) == Pruned(keys=2)
    assert await sweep(store, limit=1) == Pruned(keys=2)
    again = await store.take_key(Key(client="app", provider="suno", key="c", digest="d"), a_submission())
    assert again is not None


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_batches_of_any_size_look_at_every_row_once(store: Store, clock: Clock, limit: int) -> None:
    # All at the same moment, and in their midst one that stays.
    for number in range(3):
        await delivered(store, await stored(store))
        if number == 1:
            await _pending(store, await stored(store))
            await one_claim(store)
    clock.go(90 * DAY)
    assert await store.prunable(KEEP) == 8
    wanted = Pruned(looked=8, callbacks=3, events=3, deliveries=3, attempts=3)
    assert await sweep(store, limit=limit, dry_run=True) == wanted
    assert await sweep(store, limit=limit, dry_run=True) == wanted
    assert await sweep(store, limit=limit) == wanted
    assert await store.prunable(KEEP) == 2


async def test_large_bodies_go_a_few_at_a_time(store: Store, clock: Clock) -> None:
    submission = await stored(store)
    for letter in b"abcd":
        await store.change(submission.id, keep, a_callback(bytes([letter]) * 2**21))
    clock.go(30 * DAY)
    first = await store.prune(KEEP, None, 100)
    assert (first.looked, first.callbacks) == (2, 2)
    assert isinstance(first.next, Mark)
    assert (await sweep(store)).callbacks == 2


async def test_bodies_may_be_kept_longer_than_events(store: Store, clock: Clock) -> None:
    await delivered(store, await stored(store))
    clock.go(30 * DAY)
    swapped = Retention(events=30 * DAY, callbacks=90 * DAY)
    assert await sweep(store, swapped) == Pruned(looked=1, events=1, deliveries=1, attempts=1)
    assert len(await store.kept_callbacks(None, 9)) == 1
    clock.go(60 * DAY)
    assert await sweep(store, swapped) == Pruned(looked=1, callbacks=1)


async def test_for_ever_may_be_longer_than_time_itself(store: Store) -> None:
    await delivered(store, await stored(store))
    forever = Retention(events=timedelta.max, callbacks=timedelta.max)
    assert await store.prunable(forever) == 0
    assert await sweep(store, forever) == Pruned()


async def test_who_follows_goes_on_from_an_event_that_was_removed(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    submission = await stored(store)
    early, last = await delivered(store, submission, "music.text"), await delivered(store, submission, "music.first")
    clock.go(90 * DAY)
    await sweep(store)
    assert await store.events_after(None, Query()) == []
    new = replace(an_event("music.complete", submission), received_at=clock())
    await store.emit([new])
    for place in (None, early, last):
        assert [event.id for event in await store.events_after(place, Query())] == [new.id]
    assert caplog.records == []


async def test_what_was_removed_goes_to_nobody_any_more(store: Store, clock: Clock) -> None:
    event_id = await delivered(store, await stored(store))
    (row,) = (await store.delivery_rows(Query())).data
    clock.go(90 * DAY)
    await sweep(store)
    assert not await store.replay(event_id, Plan(handler="archive"), new_id("dlv"))
    assert await store.redeliver(row.id, again=True, new_id=new_id("dlv")) is None
    assert (await store.delivery_rows(Query())).data == []


async def test_an_event_without_its_body_is_delivered_once_more(store: Store, clock: Clock) -> None:
    await delivered(store, await stored(store))
    (row,) = (await store.delivery_rows(Query())).data
    clock.go(30 * DAY)
    await sweep(store)
    assert await store.redeliver(row.id, again=True, new_id=new_id("dlv")) is not None
    claim = await one_claim(store)
    assert (claim.event.raw, claim.callback) == (None, None)
    assert claim.event.results
