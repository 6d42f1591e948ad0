import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from handlers.sniffing import HEAD, sort_of
from receiver.events import Stage
from receiver.providers import provider_class
from receiver.providers.base import Operation, Provider, Reply
from receiver.results import has_main
from receiver.simulator.tasks import INSTANT, MADE, OPERATIONS
from tests.support.simulations import CALLBACK, KEY, Bench, bench, never

SUNO: Provider = provider_class("sunoapi").model_validate({"type": "sunoapi", "api_key": "k"})
KIE: Provider = provider_class("kie").model_validate({"type": "kie", "api_key": "k"})
ROWS = {row.path: row for row in SUNO.operations}
every_made = pytest.mark.parametrize("path", MADE)


def test_every_operation_of_the_adapter_can_be_rehearsed() -> None:
    assert {*OPERATIONS, *MADE, *INSTANT} == set(ROWS)
    for path, row in MADE.items():
        assert (row.name, row.field) == (ROWS[path].name, ROWS[path].callback_field)
    assert {path for path, row in ROWS.items() if row.instant} == set(INSTANT)


async def submit(b: Bench, row: Operation, **fields: Any) -> Any:
    assert row.callback_field is not None
    body = {"prompt": "rain", "taskId": "parent", **fields, row.callback_field: CALLBACK}
    reply = await b.client.post(row.path, json=body, headers=KEY)
    return SUNO.read_reply(row, Reply(status=reply.status_code, body=reply.content))


async def record(b: Bench, row: Operation, task_id: str) -> Reply:
    reply = await b.client.get(f"{row.record}?{row.id_parameter}={task_id}", headers=KEY)
    return Reply(status=reply.status_code, body=reply.content)


@every_made
async def test_task_is_called_back_once_and_recorded_in_the_shape_of_its_kind(path: str) -> None:
    row = ROWS[path]
    async with bench() as b:
        verdict = await submit(b, row)
        await b.simulator.drain()
        (called,) = b.receiver.bodies
        report = SUNO.parse_status(row, await record(b, row, verdict.task_id))
        assert b.receiver.urls == {CALLBACK}
    body = json.dumps(called).encode()
    assert report == SUNO.parse_callback(row, {}, body) == KIE.parse_callback(row, {}, body)
    assert (report.stage, report.task_id) == (Stage.COMPLETE, verdict.task_id)
    assert report.results
    assert all(row.main_role is None or has_main(result, row.main_role) for result in report.results)
    assert SUNO.unknown(row, body, status=False) == ()


@every_made
async def test_task_that_has_just_begun_is_pending(path: str) -> None:
    row = ROWS[path]
    async with bench() as b:
        b.simulator.sleep = never
        verdict = await submit(b, row)
        report = SUNO.parse_status(row, await record(b, row, verdict.task_id))
    assert (report.stage, report.results, report.task_id) == (None, (), verdict.task_id)


@every_made
async def test_failure_has_the_shape_of_its_kind(path: str) -> None:
    row = ROWS[path]
    async with bench(fail=501, fail_message="No luck.") as b:
        verdict = await submit(b, row)
        await b.simulator.drain()
        (called,) = b.receiver.bodies
        reports = [
            SUNO.parse_callback(row, {}, json.dumps(called).encode()),
            SUNO.parse_status(row, await record(b, row, verdict.task_id)),
        ]
    for report in reports:
        assert (report.stage, report.results) == (Stage.FAILED, ())
        assert report.error is not None
        assert (report.error.code, report.error.message) == ("501", "No luck.")


@every_made
async def test_callback_url_is_asked_for_under_its_own_name(path: str) -> None:
    async with bench() as b:
        reply = await b.client.post(path, json={"callBackURL": CALLBACK}, headers=KEY)
        assert (reply.status_code, reply.json()["msg"]) == (400, "Please enter callBackUrl.")
        assert b.simulator.tasks == {}


@pytest.mark.parametrize("path", [path for path, row in MADE.items() if row.extensions])
async def test_files_are_what_their_roles_promise(path: str) -> None:
    row = ROWS[path]
    async with bench() as b:
        await submit(b, row)
        await b.simulator.drain()
        report = SUNO.parse_callback(row, {}, json.dumps(b.receiver.bodies[0]).encode())
        files = [file for result in report.results for file in result.files]
        assert files
        for file in files:
            reply = await b.client.get(urlsplit(file.url).path)
            assert reply.status_code == 200
            sort = sort_of(reply.content[:HEAD], file.role, file.url)
            assert not isinstance(sort, str)
            assert reply.headers["content-type"] == sort.media_type


async def test_dead_link_of_a_made_file_is_replaced_by_the_record() -> None:
    row = ROWS["/api/v1/wav/generate"]
    async with bench(links_die_after=1) as b:
        verdict = await submit(b, row)
        await b.simulator.drain()
        link = urlsplit(b.receiver.bodies[0]["data"]["audioWavUrl"]).path
        statuses = [(await b.client.get(link)).status_code for _ in range(2)]
        report = SUNO.parse_status(row, await record(b, row, verdict.task_id))
        fresh = urlsplit(report.results[0].files[0].url).path
        statuses.append((await b.client.get(fresh)).status_code)
    assert statuses == [200, 404, 200]


@pytest.mark.parametrize(("path", "count"), [("/api/v1/suno/cover/generate", 1), ("/api/v1/wav/generate", 0)])
async def test_half_a_complete_lacks_its_last_file_until_later(path: str, count: int) -> None:
    row = ROWS[path]
    async with bench(half="callback") as b:
        await submit(b, row)
        await b.simulator.drain()
        reports = [SUNO.parse_callback(row, {}, json.dumps(body).encode()) for body in b.receiver.bodies]
    assert [len(report.results) for report in reports] == [count, count + 1]


@pytest.mark.parametrize("path", INSTANT)
async def test_instant_operation_answers_with_what_it_made(path: str) -> None:
    row = ROWS[path]
    wanted = {"audioId": "a", "name": "Ferry Singer", "description": "Warm", "content": "indie folk"}
    async with bench() as b:
        song = await b.run(customMode=True, prompt="Lanterns on the water")
        before = len(b.simulator.tasks)
        reply = await b.client.post(path, json={"taskId": song.id, **wanted}, headers=KEY)
        refused = await b.client.post(path, json={**wanted, "simulate": {"reply": "refuse"}}, headers=KEY)
        assert (len(b.simulator.tasks), refused.json()["code"]) == (before, 422)
    verdict = SUNO.read_reply(row, Reply(status=200, body=reply.content))
    assert verdict.stage is Stage.COMPLETE
    (result,) = verdict.results
    if INSTANT[path] == "timestamps":
        assert [word["word"] for word in result.data["words"]] == ["Lanterns", "on", "the", "water"]
    elif INSTANT[path] == "persona":
        assert result.data == {"persona_id": "persona-a", "name": "Ferry Singer", "description": "Warm"}
    else:
        assert result.data["style"].startswith("indie folk, ")


async def test_words_can_be_aligned_for_a_task_that_is_not_known() -> None:
    async with bench() as b:
        reply = await b.client.post("/api/v1/generate/get-timestamped-lyrics", json={"taskId": "x"}, headers=KEY)
    assert reply.json()["data"]["alignedWords"]
