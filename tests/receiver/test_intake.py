import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from receiver.errors import StoreUnavailable
from receiver.events import Stage, Via
from receiver.providers.base import Operation, Reply
from receiver.providers.sunoapi import SunoApi
from receiver.stages import Report
from tests.support.kit import Kit, kit


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path) as made:
        yield made


def callback(
    stage: str = "complete", task_id: str | None = "task-1", audio: str = "https://cdn.example/a.mp3"
) -> bytes:
    song = {"id": "a", "title": "Night Ferry", "audio_url": audio}
    data: dict[str, Any] = {"callbackType": stage, "data": [song]}
    if task_id:
        data["task_id"] = task_id
    return json.dumps({"code": 200, "msg": "ok", "data": data}).encode()


async def test_a_callback_moves_its_submission(door: Kit) -> None:
    submission = await door.expect()
    await door.intake.receive(submission.id, {}, callback())
    stored = await door.store.submission(submission.id)
    assert stored is not None
    assert (stored.stage, stored.task_id, stored.via) == (Stage.COMPLETE, "task-1", Via.CALLBACK)
    (event,) = await door.events()
    assert (event.type, event.raw["data"]["task_id"]) == ("music.complete", "task-1")


async def test_a_body_without_a_task_id_belongs_to_its_token(door: Kit) -> None:
    submission = await door.expect()
    await door.intake.receive(submission.id, {}, callback(task_id=None))
    assert await door.types() == ["music.complete"]


async def test_the_same_callback_many_times_is_one_event(door: Kit) -> None:
    submission = await door.expect()
    for _ in range(5):
        await door.intake.receive(submission.id, {}, callback())
    assert await door.types() == ["music.complete"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"x":1}', b"\xff\xfe\x00", b"null", b'"x"'])
async def test_what_no_parser_understands_is_kept_and_told_once(door: Kit, body: bytes) -> None:
    submission = await door.expect()
    await door.intake.receive(submission.id, {}, body)
    await door.intake.receive(submission.id, {}, body)
    (event,) = await door.events()
    assert (event.type, event.level) == ("callback.unrecognised", "problem")
    stored = await door.store.submission(submission.id)
    assert stored is not None
    assert stored.stage is Stage.ACCEPTED


async def test_another_tasks_body_never_touches_that_task(door: Kit) -> None:
    mine = await door.expect(task_id="task-1")
    other = await door.expect(task_id="task-2")
    await door.intake.receive(mine.id, {}, callback(task_id="task-2"))
    assert await door.types() == ["callback.unrecognised"]
    assert await door.store.submission(other.id) == other


class Broken(SunoApi):
    def parse_callback(self, operation: Operation, headers: Mapping[str, str], body: bytes) -> Report:
        raise ZeroDivisionError

    def parse_status(self, operation: Operation, reply: Reply) -> Report:
        raise ZeroDivisionError


async def test_a_parsers_defect_loses_nothing(tmp_path: Path) -> None:
    broken = Broken(type="sunoapi", api_key=SecretStr("k"))
    async with kit(tmp_path, {"suno": broken}) as door:
        submission = await door.expect(task_id="task-1")
        await door.intake.receive(submission.id, {}, callback())
        await door.intake.answer(submission, Reply(status=200, body=b"{}"), None)
        assert await door.types() == ["callback.unrecognised", "submission.lost"]


async def test_a_large_body_is_parsed_too(door: Kit) -> None:
    submission = await door.expect()
    padded = json.loads(callback()) | {"padding": "x" * 400_000}
    await door.intake.receive(submission.id, {}, json.dumps(padded).encode())
    assert await door.types() == ["music.complete"]


async def test_a_token_whose_submission_is_gone_keeps_its_callback(door: Kit) -> None:
    stranger = "sub_" + "ab" * 16
    await door.intake.receive(stranger, {}, callback())
    (event,) = await door.events()
    assert (event.type, event.submission_id) == ("callback.unrecognised", stranger)
    assert event.raw["data"]["task_id"] == "task-1"


async def test_a_provider_that_is_configured_no_more_keeps_its_callbacks(tmp_path: Path) -> None:
    async with kit(tmp_path) as door:
        submission = await door.expect()
        orphaned = replace(door.intake, providers={})
        await orphaned.receive(submission.id, {}, callback())
        assert await door.types() == ["callback.unrecognised"]


async def test_a_standing_url_makes_a_submission_for_each_task(door: Kit) -> None:
    standing = await door.expect(standing=True, labels={"project": "podcast"}, deadline_at=None, ask_at=None)
    for task_id in ("task-1", "task-2", "task-1"):
        await door.intake.receive_standing(standing.id, {}, callback(task_id=task_id))
    events = await door.events()
    assert [(event.type, event.task_id, event.labels) for event in events] == [
        ("music.complete", "task-1", {"project": "podcast"}),
        ("music.complete", "task-2", {"project": "podcast"}),
    ]
    assert len({event.submission_id for event in events} | {standing.id}) == 3


async def test_a_standing_url_without_a_task_id_is_unrecognised(door: Kit) -> None:
    standing = await door.expect(standing=True)
    await door.intake.receive_standing(standing.id, {}, callback(task_id=None))
    (event,) = await door.events()
    assert (event.type, event.submission_id) == ("callback.unrecognised", standing.id)


async def test_a_url_made_ahead_has_a_deadline_from_its_first_callback_on(door: Kit) -> None:
    ahead = await door.expect(deadline_at=None, ask_at=None)
    await door.intake.receive(ahead.id, {}, callback("text"))
    stored = await door.store.submission(ahead.id)
    assert stored is not None
    assert stored.deadline_at is not None
    assert stored.ask_at is not None


async def test_a_body_over_the_limit_is_recorded_and_the_provider_asked(door: Kit) -> None:
    submission = await door.expect(task_id="task-1")
    await door.intake.too_large(submission.id, 5000)
    assert await door.types() == ["callback.unrecognised"]
    stored = await door.store.submission(submission.id)
    assert stored is not None
    assert stored.ask_at == door.clock()


async def test_the_same_body_over_the_limit_is_told_once(door: Kit) -> None:
    submission = await door.expect(task_id="task-1")
    for _ in range(3):
        await door.intake.too_large(submission.id, 5000)
    assert await door.types() == ["callback.unrecognised"]


async def test_a_body_over_the_limit_is_recorded_also_for_a_stranger(door: Kit) -> None:
    await door.intake.too_large("sub_" + "ab" * 16, 5000)
    assert await door.types() == ["callback.unrecognised"]


async def test_what_comes_through_a_simulated_standing_url_is_a_rehearsal(door: Kit) -> None:
    standing = await door.expect(standing=True, simulated=True)
    await door.intake.receive_standing(standing.id, {}, callback())
    assert [event.via for event in await door.events()] == [Via.SIMULATED]


async def test_a_simulated_submission_makes_simulated_events(door: Kit) -> None:
    submission = await door.expect(simulated=True)
    await door.intake.receive(submission.id, {}, callback())
    await door.intake.receive(submission.id, {}, b"nonsense")
    assert [event.via for event in await door.events()] == [Via.SIMULATED, Via.SIMULATED]


async def test_a_store_that_cannot_commit_is_said_to_the_caller(door: Kit) -> None:
    submission = await door.expect()
    await door.store.close()
    with pytest.raises(StoreUnavailable):
        await door.intake.receive(submission.id, {}, callback())
