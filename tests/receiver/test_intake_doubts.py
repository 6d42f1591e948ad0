"""Callbacks that are not believed yet: a wrong signature, or a provider whose ends are all confirmed."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import SecretStr

from receiver.events import Stage, Submission, Trust
from receiver.providers.base import Reply
from receiver.providers.sunoapi import SunoApi
from tests.support.kit import Kit, kit, sunoapi

RECORD = {
    "taskId": "task-1",
    "status": "SUCCESS",
    "response": {"sunoData": [{"id": "a", "title": "Night Ferry", "audioUrl": "https://cdn.example/a.mp3"}]},
}


class Signed(SunoApi):
    """Believes what carries the right word."""

    known: ClassVar[str] = "right"

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Trust | None:
        return Trust.SIGNED if headers.get("x-webhook-signature") == self.known else None


def callback(stage: str) -> bytes:
    song = {"id": "a", "title": "Night Ferry", "audio_url": "https://cdn.example/a.mp3"}
    return json.dumps({"code": 200, "data": {"callbackType": stage, "task_id": "task-1", "data": [song]}}).encode()


@pytest.fixture
async def signed(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path, {"suno": Signed(type="sunoapi", api_key=SecretStr("key"))}) as made:
        yield made


@pytest.fixture
async def confirming(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path, {"suno": sunoapi().model_copy(update={"confirm": True})}) as made:
        yield made


async def now(house: Kit, submission: Submission) -> Submission:
    stored = await house.store.submission(submission.id)
    assert stored is not None
    return stored


async def confirm(house: Kit, submission: Submission, record: Mapping[str, object] = RECORD) -> None:
    reply = Reply(status=200, body=json.dumps({"code": 200, "msg": "success", "data": record}).encode())
    await house.intake.answer(submission, reply, timedelta(seconds=30))


async def test_a_signed_callback_is_believed(signed: Kit) -> None:
    submission = await signed.expect(task_id="task-1")
    await signed.intake.receive(submission.id, {"x-webhook-signature": "right"}, callback("complete"))
    (event,) = await signed.events()
    assert (event.type, event.trust) == ("music.complete", "signed")


@pytest.mark.parametrize("headers", [{}, {"x-webhook-signature": "wrong"}], ids=["missing", "wrong"])
@pytest.mark.parametrize("stage", ["text", "complete", "error"])
async def test_a_doubtful_one_is_kept_and_asked_about_at_once(signed: Kit, headers: dict[str, str], stage: str) -> None:
    submission = await signed.expect(task_id="task-1")
    await signed.intake.receive(submission.id, headers, callback(stage))
    stored = await now(signed, submission)
    assert (stored.stage, stored.results, stored.ask_at) == (Stage.ACCEPTED, (), signed.clock())
    assert await signed.events() == []
    (kept,) = await signed.store.kept_callbacks(None, 10)
    assert kept.remark == "held: its signature is missing, wrong or stale"


async def test_the_status_call_decides_about_it(signed: Kit) -> None:
    submission = await signed.expect(task_id="task-1")
    await signed.intake.receive(submission.id, {}, callback("error"))
    await confirm(signed, submission)
    (event,) = await signed.events()
    assert (event.type, event.via, event.trust) == ("music.complete", "status", "confirmed")


async def test_a_doubtful_one_never_names_the_task(signed: Kit) -> None:
    submission = await signed.expect(stage=Stage.UNKNOWN)
    await signed.intake.receive(submission.id, {}, callback("complete"))
    stored = await now(signed, submission)
    assert (stored.task_id, stored.ask_at) == (None, submission.ask_at)


async def test_where_every_end_is_confirmed_earlier_stages_go_out_at_once(confirming: Kit) -> None:
    submission = await confirming.expect(task_id="task-1")
    await confirming.intake.receive(submission.id, {}, callback("first"))
    assert await confirming.types() == ["music.first"]
    await confirming.intake.receive(submission.id, {}, callback("complete"))
    assert await confirming.types() == ["music.first"]
    await confirm(confirming, submission)
    assert await confirming.types() == ["music.first", "music.complete"]


async def test_an_end_that_is_not_confirmed_waits(confirming: Kit) -> None:
    submission = await confirming.expect(task_id="task-1")
    await confirming.intake.receive(submission.id, {}, callback("complete"))
    await confirm(confirming, submission, {"taskId": "task-1", "status": "PENDING", "response": None})
    assert await confirming.types() == []
    assert (await now(confirming, submission)).ask_at == confirming.clock() + timedelta(seconds=30)


async def test_a_rehearsal_needs_no_confirmation(confirming: Kit) -> None:
    submission = await confirming.expect(task_id="task-1", simulated=True)
    await confirming.intake.receive(submission.id, {}, callback("complete"))
    assert await confirming.types() == ["music.complete"]


async def test_a_callback_that_is_understood_now_takes_effect(tmp_path: Path) -> None:
    async with kit(tmp_path) as house:
        submission = await house.expect(task_id="task-1")
        blind = replace(house.intake, providers={})
        await blind.receive(submission.id, {}, callback("complete"))
        assert await house.types() == ["callback.unrecognised"]
        (kept,) = await house.store.kept_callbacks(None, 10, unread=True)
        assert await house.intake.reread(kept, dry_run=True)
        assert await house.types() == ["callback.unrecognised"]
        assert await house.intake.reread(kept)
        events = await house.events()
        assert [event.type for event in events] == ["callback.unrecognised", "music.complete"]
        assert events[1].raw["data"]["task_id"] == "task-1"
        assert await house.store.kept_callbacks(None, 10, unread=True) == []
        assert [one.count for one in await house.store.kept_callbacks(None, 10)] == [1]


async def test_what_is_still_not_understood_stays_as_it_is(tmp_path: Path) -> None:
    async with kit(tmp_path) as house:
        submission = await house.expect(task_id="task-1")
        foreign = callback("complete").replace(b"task-1", b"task-2")
        for body in (b"<html>", foreign):
            await house.intake.receive(submission.id, {}, body)
        kept = await house.store.kept_callbacks(None, 10, unread=True)
        assert [await house.intake.reread(one) for one in kept] == [False, False]
        assert await house.store.kept_callbacks(None, 10, unread=True) == kept


async def test_a_genuine_token_is_enough_to_know_the_task_where_the_end_is_confirmed(confirming: Kit) -> None:
    submission = await confirming.expect(stage=Stage.UNKNOWN, deadline_at=None, ask_at=None)
    await confirming.intake.receive(submission.id, {}, callback("complete"))
    stored = await now(confirming, submission)
    assert (stored.task_id, stored.ask_at) == ("task-1", confirming.clock())
    assert stored.deadline_at is not None


async def test_a_doubtful_one_on_a_url_made_ahead_has_an_end(signed: Kit) -> None:
    submission = await signed.expect(deadline_at=None, ask_at=None)
    await signed.intake.receive(submission.id, {}, callback("complete"))
    stored = await now(signed, submission)
    assert stored.ask_at == stored.deadline_at == signed.clock() + timedelta(minutes=5)


async def test_where_nothing_can_be_asked_nothing_waits_to_be_confirmed(confirming: Kit) -> None:
    submission = await confirming.expect(task_id="task-1", operation="brand_new")
    await confirming.intake.receive(submission.id, {}, callback("complete"))
    assert await confirming.types() == ["music.complete"]


async def test_a_repeat_after_the_end_asks_nobody(confirming: Kit) -> None:
    submission = await confirming.expect(task_id="task-1", stage=Stage.COMPLETE, ask_at=None)
    await confirming.intake.receive(submission.id, {}, callback("complete"))
    assert (await now(confirming, submission)).ask_at is None


async def test_a_secret_that_the_provider_repeats_is_told_to_nobody(tmp_path: Path) -> None:
    async with kit(tmp_path) as house:
        submission = await house.expect(task_id="task-1")
        body = {"code": 401, "msg": "bad key provider-key-123", "data": {"callbackType": "error", "task_id": "task-1"}}
        await house.intake.receive(submission.id, {}, json.dumps(body).encode())
        (event,) = await house.events()
        assert event.type == "music.failed"
        assert "provider-key-123" not in f"{event} {await now(house, submission)}"


async def test_what_came_on_a_standing_url_belongs_to_its_task_when_it_is_read_again(tmp_path: Path) -> None:
    async with kit(tmp_path) as house:
        standing = await house.expect(standing=True, task_id=None)
        blind = replace(house.intake, providers={})
        for task in (b"task-1", b"task-2"):
            await blind.receive(standing.id, {}, callback("complete").replace(b"task-1", task))
        for kept in await house.store.kept_callbacks(None, 10, unread=True):
            assert await house.intake.reread(kept)
        assert (await now(house, standing)).stage is Stage.ACCEPTED
        for task_id in ("task-1", "task-2"):
            (found,) = await house.store.by_task(task_id)
            assert found.stage is Stage.COMPLETE
        assert await house.store.kept_callbacks(None, 10, unread=True) == []
