import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from receiver.errors import Unreachable
from receiver.events import Stage, Submission
from receiver.outbound import Answer
from receiver.reconciler import Reconciler
from tests.support.deliveries import FakeHttp, make_answer
from tests.support.kit import Kit, kit


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
        store=house.store, intake=house.intake, http=http, providers=house.intake.providers, jitter=lambda: 0.5
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
    assert stored.ask_at == house.clock() + asking.pace


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
    for number in range(25):
        await house.expect(task_id=f"task-{number}")
    asking, _ = reconciler(house, record("PENDING"))
    house.clock.forward(hours=10)
    counts = [await asking.reconcile() for _ in range(4)]
    assert counts == [10, 10, 5, 0]


async def test_status_mode_asks_early_and_often_until_the_deadline(house: Kit) -> None:
    house.intake = replace(house.intake, ask_from=timedelta(seconds=20))
    submission = await house.expect(task_id="task-1")
    asking, _ = reconciler(house, record("PENDING"))
    asked_at = []
    while (house.clock.time - submission.created_at) < timedelta(minutes=6):
        house.clock.forward(seconds=1)
        if await asking.reconcile():
            asked_at.append((house.clock.time - submission.created_at).total_seconds())
    assert asked_at[:3] == [20, 35, 50]
    assert len([at for at in asked_at if at > 300]) <= 2
    assert await house.types() == ["submission.overdue"]
