import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from receiver.client import NotFound, Receiver
from receiver.shapes import event_json, submission_json
from tests.support import peers
from tests.support.api import event, submission

AT_ONCE = timedelta(milliseconds=1)


def told(ident: str) -> peers.Reply:
    data = json.dumps(event_json(event(ident))).encode()
    return peers.answer(b"id: %s\ndata: %s\n\n" % (ident.encode(), data))


def page(ident: str) -> peers.Reply:
    return peers.answer(json.dumps({"data": [submission_json(submission(ident))], "next": None}).encode())


def shown(stage: str) -> peers.Reply:
    return peers.answer(json.dumps(submission_json(submission("sub_1")) | {"stage": stage}).encode())


@asynccontextmanager
async def there(*replies: peers.Reply) -> AsyncIterator[peers.Peer]:
    async with peers.serve(*replies) as peer:
        yield peer


async def test_it_submits_waits_lists_and_follows_without_an_event_loop() -> None:
    accepted = peers.answer(b"{}", 200, {"x-receiver-submission": "sub_1"})
    replies = (accepted, shown("accepted"), shown("text"), shown("complete"), page("sub_7"), told("evt_1"))

    def work(url: str) -> list[str]:
        with Receiver(url, "t", pause=AT_ONCE) as client:
            made = client.submit("/api/v1/generate", {"prompt": "rain"})
            final = client.wait(made.id)
            listed = [found.id for found in client.list()]
            events = client.events()
            first = next(events)
            events.close()
        return [made.stage, final.stage, *listed, first.id]

    async with there(*replies) as peer:
        found = await asyncio.to_thread(work, peer.url)
    assert found == ["accepted", "complete", "sub_7", "evt_1"]


async def test_it_works_inside_a_running_loop_as_in_a_notebook() -> None:
    answers: list[str] = []

    def notebook(url: str) -> None:
        async def cell() -> None:
            with Receiver(url, "t") as client:
                answers.append(client.get("sub_1").stage)

        asyncio.run(cell())

    async with there(shown("text")) as peer:
        await asyncio.to_thread(notebook, peer.url)
    assert answers == ["text"]


async def test_errors_are_those_of_the_calls() -> None:
    async with there(peers.answer(b"{}", 404)) as peer:

        def work() -> None:
            with Receiver(peer.url, "t") as client:
                client.get("sub_1")

        with pytest.raises(NotFound):
            await asyncio.to_thread(work)


async def test_its_thread_ends_with_it_and_it_may_be_closed_twice() -> None:
    client = Receiver("http://127.0.0.1:9", "t")
    await asyncio.to_thread(client.close)
    client.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "receiver-client"]
