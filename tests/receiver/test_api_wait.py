import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from receiver.api.stream_waits import read_wait
from receiver.errors import Rejection
from receiver.events import Stage
from tests.support.api import ADMIN, APP, make_api, submission
from tests.support.hubs import station
from tests.support.streaming import calling


@pytest.mark.parametrize(
    ("stage", "type_"),
    [
        (Stage.COMPLETE, ""),
        (Stage.FAILED, ""),
        (Stage.REJECTED, "submission.rejected"),
        (Stage.LOST, "submission.lost"),
    ],
)
async def test_a_wait_is_answered_when_the_submission_is_final(stage: Stage, type_: str, tmp_path: Path) -> None:
    async with station(tmp_path) as here:
        mine, other = await here.begin(client="app", task_id="t1"), await here.begin()
        async with calling(here.app, "/v1/submissions/t1?wait=60&provider=suno", APP) as caller:
            await here.move(mine, Stage.TEXT)
            await here.move(other, Stage.COMPLETE)
            await asyncio.sleep(0.05)
            assert not caller.body
            await here.move(mine, stage, type_)
            await caller.ended()
    assert (json.loads(caller.body)["id"], json.loads(caller.body)["stage"]) == (mine.id, stage)


async def test_what_is_final_already_is_answered_at_once_and_nobody_listens(tmp_path: Path) -> None:
    async with station(tmp_path, most=0) as here:
        mine = await here.begin()
        await here.move(mine, Stage.COMPLETE)
        async with calling(here.app, f"/v1/submissions/{mine.id}?wait=60") as caller:
            await caller.ended()
        assert (caller.status, json.loads(caller.body)["stage"]) == (200, "complete")


async def test_what_becomes_final_before_anybody_listens_is_seen(tmp_path: Path) -> None:
    async with station(tmp_path) as here:
        mine = await here.begin()
        await here.hub._turning.acquire()
        async with calling(here.app, f"/v1/submissions/{mine.id}?wait=60") as caller:
            await asyncio.sleep(0.05)
            await here.move(mine, Stage.COMPLETE)
            here.hub._turning.release()
            await caller.ended()
        assert json.loads(caller.body)["stage"] == "complete"


async def test_when_the_time_is_over_the_answer_is_what_it_is_then(tmp_path: Path) -> None:
    async with station(tmp_path) as here:
        mine = await here.begin()
        async with calling(here.app, f"/v1/submissions/{mine.id}?wait=1") as caller:
            await here.move(mine, Stage.TEXT)
            await caller.ended()
        assert (caller.status, json.loads(caller.body)["stage"]) == (200, "text")


async def test_the_stop_of_the_process_answers_whoever_waits(tmp_path: Path) -> None:
    async with station(tmp_path) as here:
        mine = await here.begin()
        async with calling(here.app, f"/v1/submissions/{mine.id}?wait=60") as caller:
            await asyncio.sleep(0.05)
            here.hub.stop()
            await caller.ended()
        assert json.loads(caller.body)["stage"] == "accepted"


async def test_a_client_that_goes_away_no_longer_listens(tmp_path: Path) -> None:
    async with station(tmp_path) as here:
        mine = await here.begin()
        async with calling(here.app, f"/v1/submissions/{mine.id}?wait=60") as caller:
            await asyncio.sleep(0.05)
            assert len(here.hub._listeners) == 1
            caller.gone.set()
            await caller.ended()
        assert not here.hub._listeners


async def test_one_wait_too_many_is_a_503_that_says_what_to_do(tmp_path: Path) -> None:
    async with station(tmp_path, most=0) as here:
        mine = await here.begin()
        async with calling(here.app, f"/v1/submissions/{mine.id}?wait=5") as caller:
            await caller.ended()
    assert (caller.status, caller.headers["retry-after"]) == (503, "5")
    assert "without `wait`" in json.loads(caller.body)["detail"]


async def test_a_hundred_wait_and_the_database_is_read_once_an_event(tmp_path: Path) -> None:
    async with station(tmp_path) as here:
        mine = await here.begin()
        async with asyncio.TaskGroup() as group:
            waits = [group.create_task(_waited(here.app, mine.id)) for _ in range(90)]
            async with asyncio.timeout(5):
                while len(here.hub._listeners) < 90:  # noqa: ASYNC110 - they come one by one
                    await asyncio.sleep(0.01)
            await here.move(mine, Stage.COMPLETE)
        assert {task.result() for task in waits} == {"complete"}
        assert here.store.read == 1


async def _waited(app: ASGIApp, ident: str) -> str:
    async with calling(app, f"/v1/submissions/{ident}?wait=60") as caller:
        await caller.ended(20)
    return str(json.loads(caller.body)["stage"])


async def test_without_a_hub_nobody_waits() -> None:
    api = make_api()
    api.store.kept = [submission("sub_1")]
    assert (await api.get("/v1/submissions/sub_1", "wait=60")).json()["stage"] == "accepted"


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, 0), ("0", 0), ("25", 25), ("60", 60), ("61", 60), ("9999", 60), ("9" * 1000, 60)]
)
def test_a_wait_is_a_minute_at_most(text: str | None, seconds: int) -> None:
    assert read_wait(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["x", "-1", "2.5", "5s", "²"])
def test_a_wait_is_whole_seconds(text: str) -> None:
    with pytest.raises(Rejection, match="whole seconds"):
        read_wait(text)


@pytest.mark.parametrize(("headers", "status"), [([], 401), (APP, 404), (ADMIN, 200)])
async def test_a_wait_is_for_whoever_may_see_it(
    headers: Sequence[tuple[str, str]], status: int, tmp_path: Path
) -> None:
    async with station(tmp_path) as here:
        mine = await here.begin(client="web")
        await here.move(mine, Stage.FAILED)
        async with calling(here.app, f"/v1/submissions/{mine.id}?wait=5", headers) as caller:
            await caller.ended()
    assert caller.status == status
