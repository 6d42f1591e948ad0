import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from receiver.errors import NotSent, StoreUnavailable, Unreachable
from receiver.events import Stage, Submission
from receiver.outbound import Answer, Http
from tests.support.gateway import ACCEPTED, CLIENT, house
from tests.support.kit import Kit, kit, sunoapi
from tests.support.peers import Reply, hang, raw, reset, serve, truncate


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path) as made:
        yield made


PEERS = {
    "html": (raw(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 6\r\n\r\n<html>"), 504, Stage.UNKNOWN),
    "hangs": (hang(), 504, Stage.UNKNOWN),
    "resets": (reset(), 504, Stage.UNKNOWN),
    "breaks off": (truncate(ACCEPTED, 500), 504, Stage.UNKNOWN),
    "no HTTP": (raw(b"220 smtp.example ESMTP\r\n"), 504, Stage.UNKNOWN),
}


@pytest.mark.parametrize(("reply", "status", "stage"), PEERS.values(), ids=PEERS.keys())
async def test_a_real_provider_that_misbehaves_gets_one_request_and_one_sentence(
    base: Kit, reply: Reply, status: int, stage: Stage
) -> None:
    async with serve(reply) as peer:
        real = Http()
        made = house(base)
        providers = {"suno": sunoapi(peer.url)}
        made.sends(http=real, providers=providers, timeout=timedelta(seconds=0.3))
        answered = await made.post()
        await real.close()
        assert (answered.status, answered.header("content-type")) == (status, "application/problem+json")
        assert len(peer.seen) == 1
    assert (await made.stored(answered)).stage is stage


async def test_a_provider_that_is_not_there_rejects_at_once(base: Kit) -> None:
    real = Http()
    made = house(base)
    made.sends(http=real)
    answered = await made.post()
    await real.close()
    assert (answered.status, (await made.stored(answered)).stage) == (502, Stage.REJECTED)
    assert "Nothing was sent" in answered.json()["detail"]


async def test_what_is_under_way_at_the_end_is_recorded_and_answered(base: Kit) -> None:
    async with serve(hang()) as peer:
        real = Http()
        made = house(base)
        made.sends(http=real, providers={"suno": sunoapi(peer.url)}, grace=timedelta(milliseconds=20))
        running = asyncio.create_task(made.gateway.sender.run())
        asking = asyncio.create_task(made.post())
        await peer.arrived.wait()
        made.gateway.sender.stop()
        answered = await asking
        await running
        await real.close()
    assert (answered.status, (await made.stored(answered)).stage) == (504, Stage.UNKNOWN)
    assert "do not send it again" in answered.json()["detail"]


async def test_a_request_that_is_cancelled_leaves_its_outcome_on_record(base: Kit) -> None:
    made, go_on, begun = house(base), asyncio.Event(), asyncio.Event()
    original = made.http.request

    async def slow(*args: Any, **kwargs: Any) -> Answer:
        begun.set()
        await go_on.wait()
        return await original(*args, **kwargs)

    made.http.request = slow  # type: ignore[method-assign]  # waits for the test
    asking = asyncio.create_task(made.post())
    await begun.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    go_on.set()
    made.gateway.sender.stop()
    await made.gateway.sender.run()
    assert await base.types() == ["submission.accepted"]


async def test_a_reply_is_recorded_however_long_the_database_was_away(
    base: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, change, ping = house(base), base.store.change, base.store.ping
    away = asyncio.Event()

    async def failing(*given: Any) -> Any:
        if isinstance(given[0], str) and away.is_set():
            raise StoreUnavailable("it is away")
        return await change(*given)

    async def silent() -> None:
        if away.is_set():
            raise StoreUnavailable("it is away")
        await ping()

    monkeypatch.setattr(base.store, "change", failing)
    monkeypatch.setattr(base.store, "ping", silent)
    away.set()
    with monkeypatch.context() as soon:
        soon.setattr("receiver.submissions.sending._PATIENCE", 0.01)
        answered = await made.post(headers=[*CLIENT, ("idempotency-key", "one")])
    assert answered.status == 200
    assert (await made.stored(answered)).stage is Stage.SENDING
    away.clear()
    # At the end it is tried once more, whatever the pause.
    sender = made.gateway.sender
    sender.stop()
    await sender.run()
    stored = await made.stored(answered)
    assert (stored.stage, stored.task_id) == (Stage.ACCEPTED, "task-1")
    again = await made.post(headers=[*CLIENT, ("idempotency-key", "one")])
    assert (again.status, again.body, len(made.http.sent)) == (200, answered.body, 1)


async def test_a_made_task_is_answered_although_it_cannot_be_stored(base: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*args: Any) -> None:
        raise StoreUnavailable("the disk is full")

    made = house(base)
    monkeypatch.setattr(base.store, "change", full)
    answered = await made.post("/suno/api/v9/new", body=b'{"x":1}')
    assert (answered.status, answered.body) == (200, ACCEPTED)


async def test_a_task_that_two_answers_tell_of_at_once_is_one_submission(
    base: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing_yet(*args: Any) -> list[Submission]:
        return []

    # As if another process had stored it a moment later.
    monkeypatch.setattr(base.store, "by_task", nothing_yet)
    made = house(base)
    answers = [await made.post("/suno/api/v9/new", body=b'{"x":1}') for _ in range(2)]
    assert len({answered.header("x-receiver-submission") for answered in answers}) == 1
    assert (await made.stored(answers[0])).stage is Stage.ACCEPTED
    assert await base.types() == ["submission.accepted"]


@pytest.mark.parametrize(
    ("method", "failure", "status", "said"),
    [
        ("POST", Unreachable("it hung up"), 504, "look there before you send it again"),
        ("POST", NotSent("it refused"), 502, "Nothing was sent"),
        ("GET", Unreachable("it hung up"), 504, "Try again"),
    ],
)
async def test_what_passed_without_an_answer_is_told_with_care(
    base: Kit, method: str, failure: Exception, status: int, said: str
) -> None:
    answered = await house(base, failure).post("/suno/api/v9/new", body=b'{"x":1}', method=method)
    assert answered.status == status
    assert said in answered.json()["detail"]
