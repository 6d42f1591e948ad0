import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from receiver.app import bind
from receiver.cli.loopback import address_of, serving
from receiver.client import AsyncReceiver, ClientError, Conflict, NoAnswer, NotAllowed, NotFinal, NotFound, Refused
from receiver.events import Event, Stage
from receiver.shapes import event_json, submission_json
from tests.support import peers
from tests.support.api import event, submission
from tests.support.hubs import Station, station

AT_ONCE = timedelta(milliseconds=1)
SOON = timedelta(milliseconds=50)


@asynccontextmanager
async def receiver(folder: Path, token: str = "app") -> AsyncIterator[tuple[Station, AsyncReceiver]]:
    listener = bind("127.0.0.1", 0)
    async with (
        station(folder) as here,
        serving(here.app, listener),
        AsyncReceiver(address_of(listener), token, pause=AT_ONCE) as client,
    ):
        try:
            yield here, client
        finally:
            here.hub.stop()


def client_of(peer: peers.Peer, **options: Any) -> AsyncReceiver:
    return AsyncReceiver(peer.url + "/", "token-of-the-test", pause=AT_ONCE, **options)


def shown(stage: str = "accepted", ident: str = "sub_1") -> peers.Reply:
    return peers.answer(json.dumps(submission_json(submission(ident)) | {"stage": stage, "new": 1}).encode())


def problem(status: int, detail: str = "Do this.") -> peers.Reply:
    return peers.answer(json.dumps({"title": "No", "detail": detail}).encode(), status)


def frames(*events: Event, start: bytes = b"") -> peers.Reply:
    told = (b"id: %s\ndata: %s\n\n" % (one.id.encode(), json.dumps(event_json(one)).encode()) for one in events)
    return peers.answer(start + b"".join(told), 200, {"content-type": "text/event-stream"})


async def first_of(events: AsyncGenerator[Event], count: int) -> list[Event]:
    async with aclosing(events):
        return [await anext(events) for _ in range(count)]


async def test_a_submission_goes_to_the_providers_path_once_with_what_belongs_to_it() -> None:
    accepted = peers.answer(b"{}", 200, {"x-receiver-submission": "sub_1"})
    async with peers.serve(accepted, shown("rejected")) as peer, client_of(peer) as client:
        made = await client.submit(
            "/api/v1/generate", {"prompt": "rain"}, provider="suno", labels={"a": "b", "c": "d"}, idempotency_key="k"
        )
    posted, looked = peer.seen
    assert (posted.method, posted.target, posted.json()) == ("POST", "/suno/api/v1/generate", {"prompt": "rain"})
    assert (posted.headers["x-receiver-labels"], posted.headers["idempotency-key"]) == ("a=b,c=d", "k")
    assert posted.headers["authorization"] == "Bearer token-of-the-test"
    assert looked.target == "/v1/submissions/sub_1"
    assert (made.id, made.stage) == ("sub_1", Stage.REJECTED)


@pytest.mark.parametrize(
    ("reply", "error", "said"),
    [
        (problem(401), NotAllowed, "401 No: Do this."),
        (problem(403), NotAllowed, "403 No: Do this."),
        (problem(404), NotFound, "404 No: Do this."),
        (problem(409), Conflict, "409 No: Do this."),
        (problem(422), Refused, "422 No: Do this."),
        (peers.answer(b"<html>", 502), Refused, "502 Refused: These are not the words of a receiver"),
        (peers.reset(), NoAnswer, "It may have been submitted"),
    ],
)
async def test_what_was_not_submitted_is_an_error_with_what_to_do(
    reply: peers.Reply, error: type[ClientError], said: str
) -> None:
    async with peers.serve(reply) as peer, client_of(peer) as client:
        with pytest.raises(error) as raised:
            await client.submit("/api/v1/generate", {})
    assert said in str(raised.value)
    assert raised.value.remedy in str(raised.value)
    assert len(peer.seen) == 1


async def test_nobody_there_is_said_at_once() -> None:
    async with AsyncReceiver("http://127.0.0.1:9", "t") as client:
        for asked in (client.submit("/x", {}), client.get("sub_1"), client.wait("sub_1"), anext(client.events())):
            with pytest.raises(NoAnswer, match="See that `receiver serve` runs there"):
                await asked


def test_an_address_without_a_scheme_is_refused() -> None:
    with pytest.raises(ClientError, match="http://"):
        AsyncReceiver("music.example.com", "t")


async def test_a_wait_ends_when_the_submission_is_final(tmp_path: Path) -> None:
    async with receiver(tmp_path) as (here, client):
        mine = await here.begin(client="app", task_id="t1")
        waiting = asyncio.create_task(client.wait("t1", provider="suno"))
        await asyncio.sleep(0.05)
        await here.move(mine, Stage.COMPLETE)
        assert (await asyncio.wait_for(waiting, 5)).stage is Stage.COMPLETE


async def test_a_wait_that_is_over_has_what_it_was_last(tmp_path: Path) -> None:
    async with receiver(tmp_path) as (here, client):
        mine = await here.begin(client="app")
        with pytest.raises(NotFinal, match="Wait once more") as raised:
            await client.wait(mine.id, SOON)
    assert raised.value.submission.id == mine.id


async def test_a_wait_asks_again_whatever_cuts_it_off() -> None:
    replies = (shown(), peers.reset(), problem(503), problem(429), shown("text"), shown("complete"))
    async with peers.serve(*replies) as peer, client_of(peer) as client:
        assert (await client.wait("sub_1")).stage is Stage.COMPLETE
    assert len(peer.seen) == 6
    assert {seen.target for seen in peer.seen} == {"/v1/submissions/sub_1?wait=25"}


async def test_what_is_not_there_is_not_waited_for() -> None:
    async with peers.serve(problem(404)) as peer, client_of(peer) as client:
        with pytest.raises(NotFound):
            await client.wait("sub_1")
    assert len(peer.seen) == 1


async def test_an_answer_that_cannot_be_read_says_where() -> None:
    async with peers.serve(shown("paused")) as peer, client_of(peer) as client:
        with pytest.raises(NoAnswer, match=r"can't be read \(stage\)"):
            await client.get("sub_1")
    assert len(peer.seen) == 1


async def test_a_list_goes_on_over_all_pages() -> None:
    first = {"data": [submission_json(submission(f"sub_{number}")) for number in (3, 2)], "next": "c"}
    last = {"data": [submission_json(submission("sub_1"))], "next": None}
    pages = [peers.answer(json.dumps(page).encode()) for page in (first, last)]
    async with peers.serve(*pages) as peer, client_of(peer) as client:
        listed = [found async for found in client.list(since=timedelta(hours=2), labels={"user": "42"}, q="rain")]
    assert [found.id for found in listed] == ["sub_3", "sub_2", "sub_1"]
    assert peer.seen[0].target == "/v1/submissions?q=rain&label.user=42&since=7200.000s&limit=200"
    assert peer.seen[1].target == peer.seen[0].target + "&cursor=c"


async def test_events_are_records_and_go_on_across_cuts_behind_the_last_one() -> None:
    cut: list[str] = []
    replies = (
        frames(event("evt_1"), event("evt_2"), start=b"id: evt_0\n\n"),
        peers.reset(),
        problem(503),
        frames(event("evt_3"), start=b"id: evt_2\n\n: nothing new\n\n"),
        frames(event("evt_4")),
    )
    async with peers.serve(*replies) as peer, client_of(peer, notice=cut.append) as client:
        found = await first_of(client.events(timedelta(minutes=1), type="music.*", labels={"user": "42"}), 4)
    assert found == [event(f"evt_{number}") for number in range(1, 5)]
    assert [seen.headers.get("last-event-id") for seen in peer.seen] == [None, "evt_2", "evt_2", "evt_2", "evt_3"]
    assert peer.seen[0].target == "/v1/stream?type=music.%2A&label.user=42&since=60.000s"
    assert peer.seen[1].target == "/v1/stream?type=music.%2A&label.user=42"
    (sentence,) = cut
    assert "it goes on when the receiver is back" in sentence


@pytest.mark.parametrize("since", ["evt_7", event("evt_7")], ids=["id", "event"])
async def test_events_begin_behind_an_event(since: Any) -> None:
    async with peers.serve(frames(event("evt_8"))) as peer, client_of(peer) as client:
        await first_of(client.events(since), 1)
    assert (peer.seen[0].headers["last-event-id"], peer.seen[0].target) == ("evt_7", "/v1/stream")


async def test_events_begin_at_a_time() -> None:
    async with peers.serve(frames(event("evt_8"))) as peer, client_of(peer) as client:
        await first_of(client.events(datetime(2026, 11, 21, 8, tzinfo=UTC)), 1)
    assert peer.seen[0].target == "/v1/stream?since=2026-11-21T08%3A00%3A00.000Z"


async def test_the_events_of_a_submission_end_when_it_is_final(tmp_path: Path) -> None:
    async with receiver(tmp_path) as (here, client):
        mine = await here.begin(client="app")
        ids = [await here.move(mine, Stage.TEXT), await here.move(mine, Stage.COMPLETE)]
        assert [told.id async for told in client.events(submission=mine.id)] == ids


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_a_stream_that_is_refused_is_not_asked_for_again(status: int) -> None:
    async with peers.serve(problem(status)) as peer, client_of(peer) as client:
        with pytest.raises(Refused, match="Do this"):
            await anext(client.events())
    assert len(peer.seen) == 1
