"""The order of stages per submission and handler, in every store: nothing dead holds a finished song back."""

from datetime import timedelta

import pytest

from receiver.handler import Receipt
from receiver.routing import Plan
from receiver.store.base import Store
from receiver.store.records import Again, Dead, Delivered, Ended, Released
from tests.contracts.store_kit import (
    BOTH,
    LEASE,
    TEAM,
    Clock,
    broken,
    delivery,
    ended_all,
    new_id,
    one_claim,
    routed,
    states,
    stored,
)

TO_TEAM = [Plan(handler="team")]
MINUTE = timedelta(minutes=1)


async def test_a_later_stage_supersedes_the_undelivered_ones(store: Store) -> None:
    submission = await stored(store)
    text = await routed(store, submission, "music.text", TO_TEAM)
    await routed(store, submission, "music.first", TO_TEAM)
    await routed(store, submission, "music.complete", TO_TEAM)
    assert await states(store) == {
        "music.text": "discarded",
        "music.first": "discarded",
        "music.complete": "pending",
    }
    assert (await delivery(store, text)).error == "superseded by music.first"


async def test_a_stage_that_is_delivered_stays_so(store: Store) -> None:
    submission = await stored(store)
    await routed(store, submission, "music.text", TO_TEAM)
    await store.end(await one_claim(store), Delivered())
    await routed(store, submission, "music.complete", TO_TEAM)
    assert await states(store) == {"music.text": "delivered", "music.complete": "pending"}


async def test_a_stage_that_is_routed_late_is_not_sent(store: Store) -> None:
    submission = await stored(store)
    await routed(store, submission, "music.complete", TO_TEAM)
    await store.end(await one_claim(store), Delivered())
    await routed(store, submission, "music.text", TO_TEAM)
    assert await states(store) == {"music.text": "discarded", "music.complete": "delivered"}


async def test_other_submissions_and_handlers_are_not_superseded(store: Store) -> None:
    one, other = await stored(store), await stored(store)
    await routed(store, one, "music.text", [*TO_TEAM, Plan(handler="mail")])
    await routed(store, other, "music.complete", TO_TEAM)
    assert await states(store) == {"music.text": "pending", "music.complete": "pending"}
    await routed(store, one, "music.complete", [Plan(handler="mail")])
    assert (await states(store))["music.text"] == "pending"


async def test_our_own_events_are_in_no_order(store: Store) -> None:
    submission = await stored(store)
    await routed(store, submission, "submission.overdue", TO_TEAM)
    await routed(store, submission, "music.complete", TO_TEAM)
    assert await states(store) == {"submission.overdue": "pending", "music.complete": "pending"}


@pytest.mark.parametrize(
    ("ended", "state"),
    [
        pytest.param(Delivered(), "delivered", id="delivered"),
        pytest.param(Again(MINUTE, "timed out"), "discarded", id="again"),
        pytest.param(Dead("no"), "dead", id="dead"),
        pytest.param(Released(), "discarded", id="released"),
    ],
)
async def test_a_running_stage_is_waited_for(store: Store, ended: Ended, state: str) -> None:
    submission = await stored(store)
    await routed(store, submission, "music.text", TO_TEAM)
    running = await one_claim(store)
    await routed(store, submission, "music.complete", TO_TEAM)
    assert await states(store) == {"music.text": "running", "music.complete": "waiting/order"}
    assert await store.claim("other", LEASE, TEAM, 10) == []
    await store.end(running, ended)
    assert await states(store) == {"music.text": state, "music.complete": "pending"}


async def test_a_lost_lease_frees_the_later_stage(store: Store, clock: Clock) -> None:
    submission = await stored(store)
    await routed(store, submission, "music.text", TO_TEAM)
    await one_claim(store)
    await routed(store, submission, "music.complete", TO_TEAM)
    clock.go(LEASE)
    assert (await one_claim(store)).event.type == "music.complete"
    assert (await states(store))["music.text"] == "discarded"


async def test_a_later_stage_that_waits_for_a_need_supersedes_too(store: Store) -> None:
    submission = await stored(store)
    await routed(store, submission, "music.text", TO_TEAM)
    await routed(
        store, submission, "music.complete", [Plan(handler="archive"), Plan(handler="team", needs=("archive",))]
    )
    assert await states(store) == {"music.text": "discarded", "music.complete": "waiting/need"}


async def test_a_complete_overrules_an_undelivered_failed(store: Store) -> None:
    submission = await stored(store)
    await routed(store, submission, "music.failed", TO_TEAM)
    await routed(store, submission, "music.complete", TO_TEAM)
    assert await states(store) == {"music.failed": "discarded", "music.complete": "pending"}


@pytest.mark.parametrize("ended", [Delivered(), Dead("no")], ids=["delivered", "dead"])
async def test_an_update_waits_for_the_complete(store: Store, ended: Ended) -> None:
    submission = await stored(store)
    await routed(store, submission, "music.complete", TO_TEAM)
    await routed(store, submission, "music.updated", TO_TEAM, revision=1)
    assert await states(store) == {"music.complete": "pending", "music.updated": "waiting/order"}
    await store.end(await one_claim(store), ended)
    assert (await states(store))["music.updated"] == "pending"


async def test_an_update_waits_on_while_the_complete_is_tried_again(store: Store) -> None:
    submission = await stored(store)
    await routed(store, submission, "music.complete", TO_TEAM)
    running = await one_claim(store)
    await routed(store, submission, "music.updated", TO_TEAM, revision=1)
    await store.end(running, Again(MINUTE, "timed out"))
    assert await states(store) == {"music.complete": "pending", "music.updated": "waiting/order"}


async def test_an_update_supersedes_an_undelivered_earlier_update(store: Store) -> None:
    submission = await stored(store)
    first = await routed(store, submission, "music.updated", TO_TEAM, revision=1)
    second = await routed(store, submission, "music.updated", TO_TEAM, revision=2)
    assert (await delivery(store, first)).state == "discarded"
    assert (await delivery(store, second)).state == "pending"


async def test_a_resume_lets_the_complete_go_before_its_update(store: Store) -> None:
    submission = await stored(store)
    await routed(store, submission, "music.complete", TO_TEAM)
    await store.end(await one_claim(store), broken())
    await routed(store, submission, "music.updated", TO_TEAM, revision=1)
    assert await states(store) == {"music.complete": "waiting/pause", "music.updated": "waiting/order"}
    await store.probe("team")
    await store.end(await one_claim(store), Delivered())
    assert await states(store) == {"music.complete": "delivered", "music.updated": "pending"}


async def test_a_paused_handler_gets_only_the_last_stage(store: Store) -> None:
    submission = await stored(store)
    await routed(store, submission, "music.text", TO_TEAM)
    await store.end(await one_claim(store), broken())
    await routed(store, submission, "music.complete", TO_TEAM)
    assert await states(store) == {"music.text": "discarded", "music.complete": "waiting/pause"}


async def test_of_two_due_stages_one_is_claimed_at_a_time(store: Store) -> None:
    submission = await stored(store)
    text = await routed(store, submission, "music.text", TO_TEAM)
    await routed(store, submission, "music.complete", TO_TEAM)
    await store.redeliver((await delivery(store, text)).id)
    claim = await one_claim(store)
    assert claim.event.type == "music.text"


@pytest.mark.parametrize("delivered", [True, False], ids=["delivered", "waiting"])
@pytest.mark.parametrize("order", [("music.text", "music.complete"), ("music.complete", "music.text")], ids=">".join)
async def test_replays_keep_the_order_of_stages(store: Store, order: tuple[str, str], delivered: bool) -> None:
    submission = await stored(store)
    events = {kind: await routed(store, submission, kind, []) for kind in ("music.text", "music.complete")}
    handed = []
    for kind in order:
        assert await store.replay(events[kind].id, Plan(handler="team"), new_id("dlv"))
        handed += await ended_all(store, TEAM, Delivered()) if delivered else []
    handed += await ended_all(store, TEAM, Delivered())
    in_time = delivered and order[0] == "music.text"
    assert handed == (["music.text", "music.complete"] if in_time else ["music.complete"])


@pytest.mark.parametrize("by_hand", [False, True], ids=["need", "person"])
async def test_a_stage_comes_back_behind_a_later_one_only_by_hand(store: Store, by_hand: bool) -> None:
    plans = [Plan(handler="archive"), Plan(handler="team", needs=("archive",), stop=True)]
    submission = await stored(store)
    text = await routed(store, submission, "music.text", plans)
    await store.end(await one_claim(store, BOTH), Dead("no"))
    await routed(store, submission, "music.complete", plans)
    assert await ended_all(store, BOTH, Delivered(Receipt())) == ["music.complete"]
    await store.redeliver((await delivery(store, text, "team" if by_hand else "archive")).id)
    assert await ended_all(store, BOTH, Delivered(Receipt())) == (["music.text"] if by_hand else [])
    error = None if by_hand else "superseded by music.complete"
    assert (await delivery(store, text)).error == error


async def test_a_handler_is_told_of_a_submission_one_thing_at_a_time(store: Store) -> None:
    submission = await stored(store)
    for kind in ("submission.accepted", "submission.overdue"):
        await routed(store, submission, kind, [Plan(handler="team"), Plan(handler="archive")])
    await routed(store, await stored(store), "submission.accepted", [Plan(handler="team")])
    first = await store.claim("me", LEASE, BOTH, 10)
    assert sorted((claim.handler, claim.event.type) for claim in first) == [
        ("archive", "submission.accepted"),
        ("team", "submission.accepted"),
        ("team", "submission.accepted"),
    ]
    assert await store.claim("me", LEASE, BOTH, 10) == []
    for claim in first:
        await store.end(claim, Delivered())
    assert {claim.event.type for claim in await store.claim("me", LEASE, BOTH, 10)} == {"submission.overdue"}
