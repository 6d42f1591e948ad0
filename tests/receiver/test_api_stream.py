import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from receiver.api import stream_answer, stream_hub
from receiver.errors import StoreUnavailable
from receiver.events import Level, Stage
from receiver.shapes import event_json
from tests.support.api import ADMIN, APP
from tests.support.hubs import Station, station
from tests.support.streaming import calling

BEAT = timedelta(milliseconds=30)


async def behind(ident: str) -> list[tuple[str, str]]:
    return [*ADMIN, ("last-event-id", ident)]


async def test_a_stream_has_the_contracts_event_with_its_id_and_type(tmp_path: Path) -> None:
    async with station(tmp_path) as here, calling(here.app, "/v1/stream") as caller:
        await caller.frame()
        await here.emit("evt_1", type="music.complete", raw={"text": "two\nlines"})
        frame = await caller.frame()
        stored = await here.kit.store.event("evt_1")
    assert stored is not None
    assert frame.data is not None
    assert json.loads(frame.data) == event_json(stored)
    assert b"id: evt_1\nevent: music.complete\ndata: {" in caller.body
    assert caller.status == 200
    assert caller.headers["content-type"] == "text/event-stream"
    assert (caller.headers["cache-control"], caller.headers["x-accel-buffering"]) == ("no-store", "no")


async def test_without_a_place_it_begins_now_and_says_where_that_is(tmp_path: Path) -> None:
    async with station(tmp_path) as here:
        await here.emit("evt_1")
        async with calling(here.app, "/v1/stream") as caller:
            assert (await caller.frame()).id == "evt_1"
            await here.emit("evt_2")
            assert await caller.ids(1) == ["evt_2"]


async def test_what_happens_while_the_answer_begins_is_behind_the_place_that_it_tells(tmp_path: Path) -> None:
    async with station(tmp_path) as here:
        await here.emit("evt_1")
        async with calling(here.app, "/v1/stream") as caller, asyncio.timeout(10):
            caller.reads.clear()
            while not here.hub._listeners:  # noqa: ASYNC110 - it comes by itself
                await asyncio.sleep(0.005)
            await here.emit("evt_2")
            while here.hub.position != "evt_2":  # noqa: ASYNC110 - the hub turns by itself
                await asyncio.sleep(0.005)
            caller.reads.set()
            assert (await caller.frame()).id == "evt_1"
            assert await caller.ids(1) == ["evt_2"]


@pytest.mark.parametrize("most", [1, 5], ids=["before the first event", "within a page"])
async def test_who_catches_up_slowly_is_not_too_far_behind(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_hub, "_MOST_BEHIND", 3)
    async with station(tmp_path) as here:
        for number in range(10, 20):
            await here.emit(f"evt_{number}")
        async with calling(here.app, "/v1/stream?last_event_id=evt_0", most=most) as caller, asyncio.timeout(10):
            while caller.reads.is_set():  # noqa: ASYNC110 - it reads by itself
                await asyncio.sleep(0.005)
            for number in range(20, 40):
                await here.emit(f"evt_{number}")
            while here.hub.position != "evt_39":  # noqa: ASYNC110 - the hub turns by itself
                await asyncio.sleep(0.005)
            caller.reads.set()
            assert await caller.ids(30) == [f"evt_{number}" for number in range(10, 40)]
            await here.emit("evt_40")
            assert await caller.ids(1) == ["evt_40"]


async def test_who_came_before_the_first_event_misses_none_either(tmp_path: Path) -> None:
    async with station(tmp_path) as here:
        async with calling(here.app, "/v1/stream") as caller:
            place = (await caller.frame()).id
        await here.emit("evt_1")
        assert place is not None
        async with calling(here.app, f"/v1/stream?last_event_id={place}") as caller:
            assert await caller.ids(1) == ["evt_1"]


@pytest.mark.parametrize(
    ("query", "header", "ids"),
    [
        ("?last_event_id=evt_1", None, ["evt_2", "evt_3", "evt_4"]),
        ("", "evt_2", ["evt_3", "evt_4"]),
        ("?last_event_id=evt_1", "evt_2", ["evt_3", "evt_4"]),
        ("", "evt_gone", ["evt_1", "evt_2", "evt_3", "evt_4"]),
        ("?since=1h", None, ["evt_1", "evt_2", "evt_3", "evt_4"]),
        ("?since=2026-11-01", "evt_2", ["evt_3", "evt_4"]),
    ],
    ids=["parameter", "header", "both", "unknown", "since", "since and a place"],
)
async def test_it_goes_on_behind_the_event_that_the_caller_has(
    query: str, header: str | None, ids: list[str], tmp_path: Path
) -> None:
    async with station(tmp_path) as here:
        for number in range(1, 4):
            await here.emit(f"evt_{number}")
        headers = [*ADMIN, *([("last-event-id", header)] if header else [])]
        async with calling(here.app, f"/v1/stream{query}", headers) as caller:
            first = await caller.ids(len(ids) - 1)
            await here.emit("evt_4")
            assert first + await caller.ids(1) == ids


@pytest.mark.parametrize(
    ("query", "headers", "ids"),
    [
        ("", ADMIN, "12345"),
        ("", APP, "125"),
        ("client=web", ADMIN, "3"),
        ("type=music.*", ADMIN, "35"),
        ("type=music.complete", ADMIN, "35"),
        ("level=problem", ADMIN, "2"),
        ("provider=kie", ADMIN, "4"),
        ("stage=complete", ADMIN, "3"),
        ("label.user=7", ADMIN, "5"),
        ("submission_id=sub_1", ADMIN, "1"),
    ],
)
async def test_what_is_missed_and_what_happens_pass_the_same_filters(
    query: str, headers: Sequence[tuple[str, str]], ids: str, tmp_path: Path
) -> None:
    async with station(tmp_path) as here:
        for round_ in ("a", "b"):
            if round_ == "b":
                target = f"/v1/stream?last_event_id=evt_0&{query}".rstrip("&")
                async with calling(here.app, target, headers) as caller:
                    assert await caller.ids(len(ids)) == [f"evt_a{number}" for number in ids]
                    await _one_of_each(here, round_)
                    assert await caller.ids(len(ids)) == [f"evt_b{number}" for number in ids]
            else:
                await _one_of_each(here, round_)


async def _one_of_each(here: Station, name: str) -> None:
    await here.emit(f"evt_{name}1", type="submission.overdue", client="app", submission_id="sub_1")
    await here.emit(f"evt_{name}2", type="handler.paused", level=Level.PROBLEM, client="app")
    await here.emit(f"evt_{name}3", type="music.complete", client="web", stage="complete")
    await here.emit(f"evt_{name}4", type="lyrics.complete", provider="kie")
    await here.emit(f"evt_{name}5", type="music.complete", client="app", labels={"user": "7"})


@pytest.mark.parametrize(
    ("path", "headers", "status", "said"),
    [
        ("/v1/stream", [], 401, "Authorization"),
        ("/v1/stream?client=web", APP, 400, "'client'"),
        ("/v1/stream?limit=5", ADMIN, 400, "'limit'"),
        ("/v1/stream?level=loud", ADMIN, 400, "problem"),
        (f"/v1/stream?last_event_id={'x' * 200}", ADMIN, 400, "Last-Event-ID"),
        ("/v1/stream?since=soon", ADMIN, 400, "since"),
        ("/v1/submissions/sub_x/events", ADMIN, 404, "nothing here"),
        ("/v1/submissions/sub_x/events", [], 401, "Authorization"),
        ("/v1/submissions/sub_x/events?type=a", ADMIN, 400, "'type'"),
    ],
)
async def test_what_is_wrong_is_said_before_a_stream_begins(
    path: str, headers: Sequence[tuple[str, str]], status: int, said: str, tmp_path: Path
) -> None:
    async with station(tmp_path) as here, calling(here.app, path, headers) as caller:
        await caller.ended()
    assert caller.status == status
    assert said in json.loads(caller.body)["detail"]


async def test_one_stream_too_many_is_a_503(tmp_path: Path) -> None:
    async with station(tmp_path, most=1) as here, calling(here.app, "/v1/stream") as first:
        await first.frame()
        async with calling(here.app, "/v1/stream") as second:
            await second.ended()
        assert (second.status, second.headers["retry-after"]) == (503, "5")


async def test_only_the_head_is_asked_for(tmp_path: Path) -> None:
    async with station(tmp_path) as here, calling(here.app, "/v1/stream", method="HEAD") as caller:
        await caller.ended()
    assert (caller.status, caller.body, caller.headers["content-type"]) == (200, b"", "text/event-stream")


async def test_where_nothing_happens_a_comment_tells_how_far_it_is(tmp_path: Path) -> None:
    async with station(tmp_path, beat=BEAT) as here, calling(here.app, "/v1/stream?type=music.complete") as caller:
        await caller.frame()
        await here.emit("evt_1", type="lyrics.complete")
        async with asyncio.timeout(5):
            while (await caller.frame()).id != "evt_1":
                pass
    assert b": nothing new\nid: evt_1\n\n" in caller.body
    assert b"data" not in caller.body


async def test_a_place_is_told_only_when_the_hub_is_no_longer_behind_what_was_sent(tmp_path: Path) -> None:
    async with station(tmp_path, beat=BEAT, turning=False) as here, here.hub.listen(lambda _: True):
        await here.emit("evt_1")
        async with calling(here.app, "/v1/stream?last_event_id=evt_0") as caller:
            assert await caller.ids(1) == ["evt_1"]
            # The hub has not turned since: it would send the caller back before what it has.
            assert [(await caller.frame()).id for _ in range(2)] == [None, None]
            await here.hub._tell()
            await here.hub._tell()
            async with asyncio.timeout(5):
                while (await caller.frame()).id != "evt_1":
                    pass
            assert caller.body.count(b"data: ") == 1


async def test_a_submissions_stream_has_all_of_its_events_and_ends_with_the_final_one(tmp_path: Path) -> None:
    async with station(tmp_path) as here:
        mine, other = await here.begin(client="app", task_id="t1"), await here.begin()
        first = await here.move(mine, Stage.TEXT)
        async with calling(here.app, f"/v1/submissions/{mine.id}/events", APP) as caller:
            assert await caller.ids(1) == [first]
            await here.move(other, Stage.COMPLETE)
            last = await here.move(mine, Stage.COMPLETE)
            assert await caller.ids(1) == [last]
            await caller.ended()
            assert caller.whole
        async with calling(here.app, "/v1/submissions/t1/events", APP) as again:
            assert await again.ids(2) == [first, last]
            await again.ended()
        async with calling(here.app, f"/v1/submissions/{mine.id}/events", await behind(first)) as resumed:
            assert await resumed.ids(1) == [last]
            await resumed.ended()
        async with calling(here.app, f"/v1/submissions/{mine.id}/events", await behind(last)) as done:
            await done.ended()
        assert (done.status, done.body) == (204, b"")
        async with calling(here.app, f"/v1/submissions/{other.id}/events", APP) as strange:
            await strange.ended()
        assert strange.status == 404


@pytest.mark.parametrize(
    ("stage", "type_"),
    [
        (Stage.FAILED, "music.failed"),
        (Stage.REJECTED, "submission.rejected"),
        (Stage.LOST, "submission.lost"),
    ],
)
async def test_every_final_stage_ends_it(stage: Stage, type_: str, tmp_path: Path) -> None:
    async with station(tmp_path) as here:
        submission = await here.begin()
        async with calling(here.app, f"/v1/submissions/{submission.id}/events") as caller:
            await caller.frame()
            last = await here.move(submission, stage, type_)
            assert await caller.ids(1) == [last]
            await caller.ended()


async def test_the_stop_of_the_process_ends_it_cleanly(tmp_path: Path) -> None:
    async with station(tmp_path) as here, calling(here.app, "/v1/stream") as caller:
        await caller.frame()
        here.hub.stop()
        await caller.ended()
        assert (caller.whole, caller.aborted) == (True, False)


async def test_a_reader_that_takes_nothing_is_cut_off_and_comes_back_without_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_hub, "_MOST_BEHIND", 3)
    monkeypatch.setattr(stream_answer, "_GRACE_S", 0.02)
    async with station(tmp_path) as here, calling(here.app, "/v1/stream") as quick:
        await quick.frame()
        async with calling(here.app, "/v1/stream") as slow:
            await slow.frame()
            slow.reads.clear()
            for number in range(9):
                await here.emit(f"evt_{number}")
                await quick.event()
            await slow.ended()
            assert slow.aborted
        async with calling(here.app, "/v1/stream?last_event_id=evt_1") as again:
            assert await again.ids(7) == [f"evt_{number}" for number in range(2, 9)]


async def test_who_went_away_is_not_listening(tmp_path: Path) -> None:
    async with station(tmp_path) as here:
        async with calling(here.app, "/v1/stream") as caller:
            await caller.frame()
            assert len(here.hub._listeners) == 1
        assert not here.hub._listeners


async def test_a_database_that_fails_in_the_middle_ends_the_stream(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with station(tmp_path, turning=False) as here:
        here.store.failures = [StoreUnavailable("the disk is gone")]
        async with calling(here.app, "/v1/stream?last_event_id=evt_0") as caller:
            await caller.ended()
    assert (caller.status, caller.whole) == (200, True)
    assert "the disk is gone" in caplog.text
