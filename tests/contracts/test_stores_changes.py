"""Changes of submissions, in every store: committed, once, and none for its content."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from receiver.events import Event, Stage, Submission
from receiver.stages import Change
from receiver.store import open_store
from receiver.store.base import Store
from receiver.store.records import Query
from tests.contracts.store_kit import (
    SECOND,
    START,
    Clock,
    Ids,
    a_callback,
    a_result,
    a_submission,
    an_alarm,
    becomes,
    keep,
    nested,
    new_id,
    running,
    stored,
)


async def test_a_submission_is_stored_before_it_is_changed(store: Store) -> None:
    new = replace(a_submission(), labels={"a": "b"}, deadline_at=START, results=())
    await store.change(new, keep)
    assert await store.submission(new.id) == new


async def test_a_known_submission_is_not_replaced_by_what_the_caller_holds(store: Store) -> None:
    known = await stored(store)
    await store.change(known.id, becomes(Stage.COMPLETE))
    after = await store.change(known, keep)
    assert after is not None
    assert after.stage is Stage.COMPLETE


async def test_a_change_of_no_submission_writes_nothing(store: Store) -> None:
    assert await store.change("sub_unknown", becomes(Stage.COMPLETE, "music.complete"), a_callback()) is None
    assert await store.unrouted(10) == []


async def test_a_repeated_body_is_told_as_a_duplicate(store: Store) -> None:
    known = await stored(store)
    seen: list[bool] = []

    def decide(current: Submission, duplicate: bool) -> Change:
        seen.append(duplicate)
        return Change(submission=current)

    for body in (b"one", b"one", b"two"):
        await store.change(known.id, decide, a_callback(body))
    assert seen == [False, True, False]


async def test_two_callbacks_of_one_batch_see_each_other(store: Store) -> None:
    known = await stored(store)
    seen: list[tuple[Stage, bool]] = []

    def decide(current: Submission, duplicate: bool) -> Change:
        seen.append((current.stage, duplicate))
        return Change(submission=replace(current, stage=Stage.FIRST))

    await asyncio.gather(*(store.change(known.id, decide, a_callback(b"same")) for _ in range(2)))
    assert seen == [(Stage.ACCEPTED, False), (Stage.FIRST, True)]


async def test_a_fact_makes_one_event_for_ever(store: Store) -> None:
    known = await stored(store)
    for number in range(3):
        await store.change(known.id, becomes(Stage.COMPLETE, "music.complete"), a_callback(b"%d" % number))
    assert len((await store.events(Query())).data) == 1


async def test_each_revision_of_an_update_is_a_fact_of_its_own(store: Store) -> None:
    known = await stored(store)
    for revision in (1, 2, 2):
        await store.change(known.id, becomes(Stage.COMPLETE, "music.updated", revision=revision))
    assert len((await store.events(Query())).data) == 2


async def test_an_event_of_a_change_waits_to_be_routed(store: Store) -> None:
    known = await stored(store)
    await store.change(known.id, becomes(Stage.COMPLETE, "music.complete"), a_callback())
    assert [event.type for event in await store.unrouted(10)] == ["music.complete"]
    await asyncio.wait_for(store.outbox.wait(timedelta(hours=1)), 5)


@pytest.mark.parametrize(
    ("body", "raw"),
    [
        pytest.param(b'{"a": [1, null]}', {"a": [1, None]}, id="json"),
        pytest.param(b"<html>no</html>", "<html>no</html>", id="text"),
        pytest.param(b"\xff\xfe", "\ufffd\ufffd", id="no-text"),
        pytest.param(b'{"a": "\\ud800"}', '{"a": "\\ud800"}', id="half-an-emoji"),
        pytest.param(b"", "", id="empty"),
        pytest.param(b"[" * 100_000, "[" * 100_000, id="no-json"),
        pytest.param(nested(101).encode(), nested(101), id="deep"),
        pytest.param(b"[" + b"[]," * 200 + b"1]", [*[[]] * 200, 1], id="wide"),
        pytest.param(b'"' + b"[" * 200 + b'"', "[" * 200, id="brackets"),
    ],
)
async def test_a_provider_event_shows_the_body_of_its_callback(store: Store, body: bytes, raw: object) -> None:
    known = await stored(store)
    await store.change(known.id, becomes(Stage.COMPLETE, "music.complete"), a_callback(body))
    assert (await store.events(Query())).data[0].raw == raw


async def test_the_outbox_brings_no_bodies(store: Store) -> None:
    known = await stored(store)
    await store.change(known.id, becomes(Stage.COMPLETE, "music.complete"), a_callback(b'{"a": 1}'))
    (event,) = await store.unrouted(1)
    assert (event.type, event.raw) == ("music.complete", None)


async def test_our_callback_urls_are_redacted_in_raw(store: Store) -> None:
    known = await stored(store)
    token = "A" * 43
    body = b'{"u": "https://x.example/callbacks/' + token.encode() + b'"}'
    await store.change(known.id, becomes(Stage.COMPLETE, "music.complete"), a_callback(body))
    (event,) = (await store.events(Query())).data
    assert "callbacks/" in str(event.raw)
    assert token not in str(event.raw)


async def test_an_event_of_our_own_keeps_its_own_raw(store: Store) -> None:
    await store.emit([an_alarm("provider.silent")])
    assert (await store.unrouted(1))[0].raw == {"why": "tests"}


async def test_emitting_an_event_twice_keeps_it_once(store: Store) -> None:
    alarm = an_alarm("disk.low")
    await store.emit([alarm])
    await store.emit([alarm])
    assert await store.unrouted(10) == [alarm]


async def test_past_a_hundred_bodies_they_are_counted_and_still_decided(store: Store) -> None:
    known = await stored(store)
    for number in range(100):
        await store.change(known.id, keep, a_callback(b"%d" % number))
    after = await store.change(known.id, becomes(Stage.COMPLETE, "music.complete"), a_callback(b'{"late": 1}'))
    assert after is not None
    assert after.stage is Stage.COMPLETE
    (event,) = (await store.events(Query())).data
    assert (event.type, event.raw) == ("music.complete", None)


async def test_past_the_bounds_an_alarm_of_one_type_goes_out_once(store: Store) -> None:
    known = await stored(store)
    for number in range(100):
        await store.change(known.id, keep, a_callback(b"%d" % number))
    for body in (b"new", b"new", b"newer"):
        await store.change(known.id, becomes(Stage.ACCEPTED, "callback.unrecognised"), a_callback(body))
    await store.change(known.id, becomes(Stage.LOST, "submission.lost"), a_callback(b"newest"))
    events = await store.unrouted(10)
    assert [event.type for event in events] == ["callback.unrecognised", "submission.lost"]


async def test_within_the_bounds_every_new_body_may_alarm(store: Store) -> None:
    known = await stored(store)
    for body in (b"one", b"two"):
        await store.change(known.id, becomes(Stage.ACCEPTED, "callback.unrecognised"), a_callback(body))
    assert len(await store.unrouted(10)) == 2


async def test_a_record_that_could_not_be_read_back_fails_alone_and_its_callback_is_kept(store: Store) -> None:
    known, other = await stored(store), await stored(store)
    duplicates: list[bool] = []

    def deepen(current: Submission, duplicate: bool) -> Change:
        duplicates.append(duplicate)
        deep = replace(a_result(), data=json.loads(nested(230)))
        return Change(submission=replace(current, results=(deep,)))

    failed, fine = await asyncio.gather(
        store.change(known.id, deepen, a_callback(b"deep")), store.change(other.id, keep), return_exceptions=True
    )
    assert isinstance(failed, ValueError)
    assert fine == other
    with pytest.raises(ValueError, match="recursion"):
        await store.change(known.id, deepen, a_callback(b"deep"))
    assert duplicates == [False, True]
    assert await store.submission(known.id) == known


async def test_a_submission_is_added_once(store: Store) -> None:
    new = a_submission()
    assert await store.add(new) == new
    await store.change(new.id, becomes(Stage.COMPLETE))
    assert (await store.add(new)).stage is Stage.COMPLETE


async def test_a_decision_that_raises_fails_alone_and_its_callback_is_kept(store: Store) -> None:
    known, other = await stored(store), await stored(store)
    duplicates: list[bool] = []

    def fail(current: Submission, duplicate: bool) -> Change:
        duplicates.append(duplicate)
        raise LookupError("no")

    failed, fine = await asyncio.gather(
        store.change(known.id, fail, a_callback(b"poison")),
        store.change(other.id, becomes(Stage.COMPLETE, "music.complete"), a_callback()),
        return_exceptions=True,
    )
    assert isinstance(failed, LookupError)
    assert isinstance(fine, Submission)
    with pytest.raises(LookupError):
        await store.change(known.id, fail, a_callback(b"poison"))
    assert duplicates == [False, True]


async def test_half_an_emoji_spoils_nobodys_write(store: Store) -> None:
    bad = replace(a_submission("task-\ud800"), labels={"k\ud800": "v\udfff"})
    fine = a_submission()
    await asyncio.gather(store.change(bad, becomes(Stage.COMPLETE, "music.complete")), store.change(fine, keep))
    assert await store.submission(fine.id) == fine
    found = await store.submission(bad.id)
    assert found is not None
    assert found.labels == {"k?": "v?"}


async def test_many_writers_at_once_lose_nothing(store: Store) -> None:
    known = [await stored(store) for _ in range(25)]

    async def write(submission: Submission) -> None:
        for number in range(20):
            await store.change(submission.id, _counted, a_callback(b"%d" % number))

    await asyncio.gather(*(write(submission) for submission in known))
    assert [found.asks for one in known if (found := await store.submission(one.id))] == [20] * 25


def _counted(current: Submission, _: bool) -> Change:
    return Change(submission=replace(current, asks=current.asks + 1))


async def test_what_was_answered_is_there_after_a_restart(store: Store, store_url: str, clock: Clock) -> None:
    known = await stored(store)
    await store.change(known.id, becomes(Stage.COMPLETE, "music.complete"), a_callback())
    events = await store.unrouted(10)
    await store.close()
    async with running(open_store(store_url, clock, Ids())) as again:
        found = await again.submission(known.id)
        assert found is not None
        assert found.stage is Stage.COMPLETE
        assert await again.unrouted(10) == events


async def test_a_task_id_finds_the_newest_submission_first(store: Store) -> None:
    old = await stored(store, a_submission("shared"))
    new = await stored(store, replace(a_submission("shared"), created_at=START + SECOND))
    elsewhere = await stored(store, a_submission("shared", provider="kie"))
    assert (await store.by_task("shared"))[0] == new
    assert await store.by_task("shared", "suno") == [new, old]
    assert await store.by_task("shared", "kie") == [elsewhere]


async def test_a_submission_that_wants_an_ask_is_handed_out_once(store: Store, clock: Clock) -> None:
    later = await stored(store, replace(a_submission(), ask_at=START + 2 * SECOND))
    first = await stored(store, replace(a_submission(), ask_at=START + SECOND))
    assert await store.next_ask() == START + SECOND
    assert await store.due_asks(10, SECOND) == []
    clock.go(5 * SECOND)
    assert [one.id for one in await store.due_asks(10, 9 * SECOND)] == [first.id, later.id]
    assert await store.due_asks(10, SECOND) == []
    held = await store.submission(first.id)
    assert held is not None
    assert held.ask_at == clock.now + 9 * SECOND
    assert await store.next_ask() == clock.now + 9 * SECOND


async def test_a_new_time_to_ask_rings(store: Store) -> None:
    await stored(store, replace(a_submission(), ask_at=START))
    await asyncio.wait_for(store.asks.wait(timedelta(hours=1)), 5)


async def test_a_setting_is_made_by_whoever_asks_first(store: Store) -> None:
    made = await asyncio.gather(*(store.setting("secret", lambda: new_id("s")) for _ in range(3)))
    assert len(set(made)) == 1
    assert await store.setting("other", lambda: "x") == "x"


async def test_memory_belongs_to_a_handler_and_a_submission(store: Store) -> None:
    await store.remember("team", "sub_1", {"ts": "1"})
    await store.remember("team", "sub_1", {"ts": "2"})
    assert await store.recall("team", "sub_1") == {"ts": "2"}
    assert await store.recall("team", "sub_2") == {}
    assert await store.recall("mail", "sub_1") == {}


async def test_a_ping_commits(store: Store) -> None:
    await store.ping()


async def test_migrating_twice_does_nothing(store: Store) -> None:
    assert await store.migrate() == 0


def _ids(events: list[Event]) -> list[str]:
    return [event.id for event in events]


async def test_events_are_followed_in_the_order_of_their_commits(store: Store) -> None:
    alarms = [an_alarm("disk.low") for _ in range(4)]
    for alarm in reversed(alarms):
        await store.emit([alarm])
    followed = await store.events_after(alarms[2].id, Query(limit=1))
    assert _ids(followed) == [alarms[1].id]
    assert _ids(await store.events_after(None, Query())) == _ids(alarms[::-1])
