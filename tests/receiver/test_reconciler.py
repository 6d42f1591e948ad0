import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import SecretStr

from receiver.errors import StoreUnavailable, Unreachable
from receiver.events import Stage, Submission
from receiver.outbound import Answer
from receiver.providers.base import Operation
from receiver.providers.sunoapi import SunoApi
from receiver.reconciler import Reconciler
from tests.support.deliveries import FakeHttp, make_answer
from tests.support.kit import Kit, kit
from tests.support.workers import until


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path) as made:
        yield made


def record(status: str, audio: str | None = "https://cdn.example/a.mp3") -> Answer:
    songs = [{"id": "a", "title": "Night Ferry", "audioUrl": audio}] if status == "SUCCESS" else []
    data = {"taskId": "task-1", "status": status, "response": {"sunoData": songs}, "errorMessage": "it broke"}
    return make_answer(200, json.dumps({"code": 200, "msg": "success", "data": data}).encode())


def reconciler(house: Kit, *answers: Answer | Exception) -> tuple[Reconciler, FakeHttp]:
    http = FakeHttp(*answers)
    asking = Reconciler(
        store=house.store,
        intake=house.intake,
        http=http,
        providers=house.intake.providers,
        jitter=lambda: 0.5,
        period=timedelta(0),
    )
    return asking, http


async def now(house: Kit, submission: Submission) -> Submission:
    stored = await house.store.submission(submission.id)
    assert stored is not None
    return stored


async def test_nobody_is_asked_before_the_deadline(house: Kit) -> None:
    await house.expect(task_id="task-1")
    asking, http = reconciler(house, record("SUCCESS"))
    house.clock.forward(minutes=4.9)
    assert await asking.reconcile() == 0
    assert http.sent == []


async def test_a_late_song_is_found_by_one_status_call(house: Kit) -> None:
    await house.expect(task_id="task/1")
    asking, http = reconciler(house, record("SUCCESS"))
    house.clock.forward(minutes=5)
    assert await asking.reconcile() == 1
    assert await asking.reconcile() == 0
    (sent,) = http.sent
    assert sent.url == "http://127.0.0.1:1/api/v1/generate/record-info?taskId=task%2F1"
    assert sent.headers["authorization"] == "Bearer provider-key-123"


async def test_the_answer_settles_like_a_callback(house: Kit) -> None:
    submission = await house.expect(task_id="task-1")
    asking, _ = reconciler(house, record("SUCCESS"))
    house.clock.forward(minutes=5)
    await asking.reconcile()
    (event,) = await house.events()
    assert (event.type, event.via, event.trust) == ("music.complete", "status", "confirmed")
    assert (await now(house, submission)).ask_at is None


async def test_a_failure_is_found_too(house: Kit) -> None:
    await house.expect(task_id="task-1")
    asking, _ = reconciler(house, record("GENERATE_AUDIO_FAILED"))
    house.clock.forward(minutes=5)
    await asking.reconcile()
    (event,) = await house.events()
    assert event.type == "music.failed"
    assert event.error is not None
    assert event.error.message == "it broke"


@pytest.mark.parametrize(
    "answer",
    [record("PENDING"), Unreachable("no answer"), make_answer(500, b"<html>"), make_answer(200, b'{"code":455}')],
    ids=["pending", "unreachable", "html", "maintenance"],
)
async def test_what_is_still_open_is_overdue_once_and_lost_after_a_day(house: Kit, answer: Answer | Exception) -> None:
    submission = await house.expect(task_id="task-1")
    asking, http = reconciler(house, answer)
    house.clock.forward(minutes=5)
    while (stored := await now(house, submission)).ask_at:
        house.clock.time = max(house.clock.time, stored.ask_at)
        await asking.reconcile()
    assert await house.types() == ["submission.overdue", "submission.lost"]
    assert 50 < len(http.sent) < 100
    assert (house.clock.time - submission.created_at).total_seconds() == pytest.approx(86400 + 300, abs=60)


async def test_one_answer_settles_two_submissions_of_one_task(house: Kit) -> None:
    await house.expect(task_id="task-1")
    house.clock.forward(minutes=1)
    await house.expect(task_id="task-1")
    asking, http = reconciler(house, record("SUCCESS"))
    house.clock.forward(minutes=4)
    await asking.reconcile()
    assert await house.types() == ["music.complete"] * 2
    assert len(http.sent) == 1


async def test_two_submissions_of_one_task_that_are_due_together_cost_one_call(house: Kit) -> None:
    for _ in range(2):
        await house.expect(task_id="task-1")
    asking, http = reconciler(house, record("SUCCESS"))
    house.clock.forward(minutes=5)
    await asking.reconcile()
    assert (await house.types(), len(http.sent)) == (["music.complete"] * 2, 1)


async def test_without_a_task_id_the_deadline_is_the_end(house: Kit) -> None:
    submission = await house.expect(stage=Stage.UNKNOWN)
    asking, http = reconciler(house, record("SUCCESS"))
    house.clock.forward(minutes=5)
    await asking.reconcile()
    assert ((await now(house, submission)).stage, http.sent) == (Stage.LOST, [])


async def test_a_half_complete_is_asked_for_at_once_and_goes_out_partial_at_the_deadline(house: Kit) -> None:
    submission = await house.expect(task_id="task-1")
    half = {"callbackType": "complete", "data": [{"id": "a", "audio_url": "https://cdn.example/a.mp3"}, {"id": "b"}]}
    await house.intake.receive(submission.id, {}, json.dumps({"code": 200, "data": half}).encode())
    asking, http = reconciler(house, record("PENDING"))
    await asking.reconcile()
    assert (len(http.sent), await house.types()) == (1, [])
    house.clock.forward(minutes=6)
    await asking.reconcile()
    (event,) = await house.events()
    assert (event.type, event.partial) == ("music.complete", True)


async def test_a_lost_sibling_is_found_again(house: Kit) -> None:
    await house.expect(task_id="task-1", stage=Stage.LOST, ask_at=None)
    await house.expect(task_id="task-1")
    asking, _ = reconciler(house, record("SUCCESS"))
    house.clock.forward(minutes=5)
    await asking.reconcile()
    assert await house.types() == ["music.complete"] * 2


async def test_before_the_deadline_a_submission_without_a_task_id_only_waits(house: Kit) -> None:
    submission = await house.expect(stage=Stage.SENDING, ask_at=house.clock())
    asking, http = reconciler(house, record("SUCCESS"))
    await asking.reconcile()
    stored = await now(house, submission)
    assert (stored.stage, http.sent) == (Stage.SENDING, [])
    assert stored.ask_at == house.clock() + timedelta(seconds=15)


async def test_a_provider_that_is_missing_for_one_start_loses_nothing(house: Kit) -> None:
    submission = await house.expect(task_id="task-1")
    asking, http = reconciler(house, record("SUCCESS"))
    without = replace(asking, providers={}, intake=replace(house.intake, providers={}))
    house.clock.forward(minutes=5)
    await without.reconcile()
    assert ((await now(house, submission)).stage, http.sent) == (Stage.ACCEPTED, [])
    house.clock.forward(minutes=5)
    await asking.reconcile()
    assert (await now(house, submission)).stage is Stage.COMPLETE


async def test_after_a_long_downtime_one_missing_answer_is_not_the_end(house: Kit) -> None:
    submission = await house.expect(task_id="task-1")
    asking, _ = reconciler(house, Unreachable("no network yet"), record("SUCCESS"))
    house.clock.forward(days=3)
    await asking.reconcile()
    assert (await now(house, submission)).stage is Stage.ACCEPTED
    house.clock.forward(minutes=1)
    await asking.reconcile()
    assert (await now(house, submission)).stage is Stage.COMPLETE


async def test_a_rehearsal_costs_no_status_call(house: Kit) -> None:
    await house.expect(task_id="task-1", simulated=True)
    asking, http = reconciler(house, record("SUCCESS"))
    house.clock.forward(minutes=5)
    await asking.reconcile()
    assert http.sent == []


async def test_submissions_that_waited_out_a_downtime_are_asked_for_in_batches(house: Kit) -> None:
    for number in range(70):
        await house.expect(task_id=f"task-{number}")
    asking, http = reconciler(house, record("PENDING"))
    house.clock.forward(hours=10)
    counts = [await asking.reconcile() for _ in range(3)]
    assert (counts, len(http.sent)) == ([50, 20, 0], 70)


async def test_status_mode_asks_early_and_often_until_the_deadline(house: Kit) -> None:
    house.intake = replace(house.intake, ask_from=timedelta(seconds=20))
    submission = await house.expect(task_id="task-1")
    asking, _ = reconciler(house, record("PENDING"))
    asked_at = []
    while (house.clock.time - submission.created_at) < timedelta(minutes=6):
        house.clock.forward(seconds=1)
        if await asking.reconcile():
            asked_at.append((house.clock.time - submission.created_at).total_seconds())
    # A quarter of its age later, and never before ten seconds.
    assert asked_at[:5] == [20, 30, 40, 50, 63]
    assert len([at for at in asked_at if at > 300]) <= 2
    assert await house.types() == ["submission.overdue"]


async def test_a_provider_without_callbacks_is_asked_early_though_callbacks_could_reach_us(house: Kit) -> None:
    rows = tuple(replace(row, callback_field=None, ask_from=timedelta(seconds=20)) for row in SunoApi.operations)

    class Mute(SunoApi):
        operations: ClassVar[tuple[Operation, ...]] = rows

    silent = Mute(type="sunoapi", api_key=SecretStr("key"), base_url="http://127.0.0.1:1")
    house.intake = replace(house.intake, providers={"suno": silent})
    submission = await house.expect(task_id="task-1")
    asking, http = reconciler(house, record("SUCCESS"))
    assert submission.ask_at == house.clock() + timedelta(seconds=20)
    house.clock.forward(seconds=20)
    await asking.reconcile()
    assert (await house.types(), len(http.sent)) == (["music.complete"], 1)


async def settled(house: Kit, asking: Reconciler, count: int) -> None:
    for _ in range(count):
        await house.expect(task_id="task-1", path="/api/v1/generate")
    house.clock.forward(minutes=5)
    await asking.reconcile()


async def test_ten_ends_without_a_callback_are_told_once_a_day(house: Kit) -> None:
    asking, _ = reconciler(house, record("SUCCESS"))
    await settled(house, asking, 9)
    assert "provider.silent" not in await house.types()
    await settled(house, asking, 1)
    await settled(house, asking, 3)
    silent = [event for event in await house.events() if event.type == "provider.silent"]
    assert [(event.level, event.provider) for event in silent] == [("problem", "suno")]
    house.clock.forward(days=1)
    await settled(house, asking, 1)
    assert (await house.types()).count("provider.silent") == 2


async def test_one_callback_among_the_last_ten_ends_breaks_the_silence(house: Kit) -> None:
    asking, _ = reconciler(house, record("SUCCESS"))
    await settled(house, asking, 5)
    submission = await house.expect(task_id="task-2")
    body = {"callbackType": "complete", "data": [{"id": "a", "audio_url": "https://cdn.example/a.mp3"}]}
    await house.intake.receive(submission.id, {}, json.dumps({"code": 200, "data": body}).encode())
    await settled(house, asking, 5)
    assert "provider.silent" not in await house.types()


async def test_where_no_callback_can_come_nobody_misses_one(house: Kit) -> None:
    asking, _ = reconciler(house, record("SUCCESS"))
    await settled(house, replace(asking, public=False), 12)
    assert "provider.silent" not in await house.types()


async def test_an_ask_that_fails_leaves_the_others_alone(house: Kit) -> None:
    await house.expect(task_id="task-0")
    submission = await house.expect(task_id="task-1")
    asking, http = reconciler(house, record("SUCCESS"))
    by_task = house.store.by_task

    async def fails(task_id: str, provider: str | None = None) -> list[Submission]:
        if task_id == "task-0":
            raise StoreUnavailable("not now")
        return await by_task(task_id, provider)

    object.__setattr__(house.store, "by_task", fails)
    house.clock.forward(minutes=5)
    running = asyncio.create_task(asking.run())
    await until(lambda: len(http.sent) == 2)
    async with asyncio.timeout(10):
        while (await now(house, submission)).stage is not Stage.COMPLETE:
            await house.store.ping()
    asking.stop()
    await running


async def test_what_was_registered_or_only_confirmed_by_a_status_call_is_no_silence(house: Kit) -> None:
    asking, _ = reconciler(house, record("SUCCESS"))
    for _ in range(11):
        await house.expect(task_id="task-1")
    for _ in range(11):
        await house.expect(task_id="task-1", path="/api/v1/generate", called=True)
    house.clock.forward(minutes=5)
    await asking.reconcile()
    assert "provider.silent" not in await house.types()


async def test_whoever_lost_the_lead_while_it_waited_for_its_place_asks_no_more(
    house: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = await house.expect(task_id="task-1")
    asking, http = reconciler(house, record("SUCCESS"))
    house.clock.forward(minutes=5)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(house.store, "leads", follows)
        assert await asking.reconcile() == 1
    assert http.sent == []
    # It is due again when its hold is over.
    house.clock.forward(seconds=150)
    assert await asking.reconcile() == 1
    assert (len(http.sent), (await now(house, submission)).stage) == (1, Stage.COMPLETE)


async def test_only_whoever_leads_looks_for_what_is_due(house: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()

    async def leads(task: str) -> bool:
        assert task == "reconciler"
        asked.set()
        return False

    monkeypatch.setattr(house.store, "leads", leads)
    submission = await house.expect(task_id="task-1")
    house.clock.forward(minutes=5)
    asking, http = reconciler(house, record("SUCCESS"))
    running = asyncio.create_task(asking.run())
    await asyncio.wait_for(asked.wait(), 10)
    await asyncio.sleep(0)
    asking.stop()
    await running
    assert (http.sent, (await now(house, submission)).ask_at) == ([], submission.ask_at)


async def follows(task: str) -> bool:
    return False
