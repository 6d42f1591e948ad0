import asyncio
import json
import uuid
from typing import Any

import pytest

from receiver.simulator.tasks import OPERATIONS
from tests.support.simulations import CALLBACK, KEY, NOW_MS, bench, never


@pytest.mark.parametrize(("path", "operation"), OPERATIONS.items())
async def test_operation_is_accepted_and_called_back(path: str, operation: Any) -> None:
    async with bench() as b:
        reply = await b.post(path)
        await b.simulator.drain()
        (task,) = b.simulator.tasks.values()
        assert reply.status_code == 200
        assert reply.json() == {"code": 200, "msg": "success", "data": {"taskId": task.id}}
        assert b.receiver.stages == list(operation.stages)
        assert b.receiver.urls == {CALLBACK}
        assert (await b.status(task.id))["operationType"] == operation.name
        assert task.headers["authorization"] == KEY["authorization"]
        assert task.request["prompt"] == "rain"


def test_operations_are_those_of_the_documentation() -> None:
    names = "generate extend upload_cover upload_extend add_instrumental add_vocals replace_section mashup sounds"
    assert [operation.name for operation in OPERATIONS.values()] == names.split()


@pytest.mark.parametrize("path", OPERATIONS)
@pytest.mark.parametrize("fields", [{"callBackUrl": ""}, {"callBackUrl": None}, {"callBackUrl": 5}])
async def test_request_without_callback_url_is_refused(path: str, fields: dict[str, Any]) -> None:
    async with bench() as b:
        reply = await b.post(path, **fields)
        assert reply.status_code == 400
        assert reply.json() == {"code": 400, "msg": "Please enter callBackUrl.", "data": None}
        assert b.simulator.tasks == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'"text"', b"[" * 100_000])
async def test_body_that_is_no_json_object_is_refused(content: bytes) -> None:
    async with bench() as b:
        reply = await b.client.post("/api/v1/generate", content=content, headers=KEY)
        assert (reply.status_code, reply.json()["code"]) == (400, 400)


@pytest.mark.parametrize(
    ("api_key", "header", "code"),
    [
        pytest.param(None, "Bearer anything", 200, id="any key"),
        pytest.param(None, None, 401, id="no key"),
        pytest.param(None, "Bearer ", 401, id="empty key"),
        pytest.param("right", "Bearer right", 200, id="right key"),
        pytest.param("right", "bearer right", 200, id="scheme in lower case"),
        pytest.param("right", "Bearer wrong", 401, id="wrong key"),
        pytest.param("right", "Basic right", 401, id="other scheme"),
        pytest.param("", "Bearer anything", 401, id="an empty setting opens nothing"),
    ],
)
async def test_api_wants_a_bearer_key(api_key: str | None, header: str | None, code: int) -> None:
    headers = {} if header is None else {"authorization": header}
    async with bench(api_key=api_key) as b:
        replies = [
            await b.client.post("/api/v1/generate", json={"callBackUrl": CALLBACK}, headers=headers),
            await b.client.get("/api/v1/generate/record-info?taskId=x", headers=headers),
            await b.client.get("/api/v1/generate/credit", headers=headers),
        ]
    assert [(reply.status_code, reply.json()["code"]) for reply in replies] == [(code, code)] * 3


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/v1/generate"), ("POST", "/api/v2/generate"), ("GET", "/")])
async def test_wrong_path_or_method_is_code_404(method: str, path: str) -> None:
    async with bench() as b:
        reply = await b.client.request(method, path)
        assert (reply.status_code, reply.json()["code"]) == (404, 404)


async def test_status_call_tells_each_stage_as_it_is_reached() -> None:
    async with bench() as b:
        told: list[tuple[str, list[bool]]] = []

        async def watch() -> None:
            (task_id,) = b.simulator.tasks
            record = await b.status(task_id)
            told.append((record["status"], [bool(song["audioUrl"]) for song in record["response"]["sunoData"]]))

        b.receiver.watch = watch
        await b.run()
    assert told == [
        ("TEXT_SUCCESS", [False, False]),
        ("FIRST_SUCCESS", [True, False]),
        ("SUCCESS", [True, True]),
    ]


async def test_status_of_a_new_task_is_pending() -> None:
    async with bench() as b:
        b.simulator.sleep = never
        task_id = (await b.post()).json()["data"]["taskId"]
        record = await b.status(task_id)
    assert (record["status"], record["response"]) == ("PENDING", None)


async def test_record_is_in_camel_case_and_echoes_the_request_as_text() -> None:
    async with bench() as b:
        task = await b.run(title="Night Ferry", audioId="parent-1", model="V4")
        record = await b.status(task.id)
    assert record.keys() == {
        *("taskId", "parentMusicId", "param", "response", "status", "type", "operationType"),
        *("errorCode", "errorMessage", "createTime"),
    }
    assert json.loads(record["param"]) == task.request
    assert json.loads(record["param"])["callBackUrl"] == CALLBACK
    assert (record["taskId"], record["parentMusicId"], record["createTime"]) == (task.id, "parent-1", NOW_MS)
    assert (record["errorCode"], record["errorMessage"], record["type"]) == (None, None, "chirp-v4")
    song = record["response"]["sunoData"][1]
    assert song.keys() == {
        *("id", "audioUrl", "sourceAudioUrl", "streamAudioUrl", "sourceStreamAudioUrl", "imageUrl"),
        *("sourceImageUrl", "prompt", "modelName", "title", "tags", "createTime", "duration"),
    }
    assert song["audioUrl"] == b.receiver.bodies[-1]["data"]["data"][1]["audio_url"]


async def test_unknown_task_is_a_success_without_data() -> None:
    async with bench() as b:
        assert await b.status("unknown") is None
        reply = await b.client.get("/api/v1/generate/record-info", headers=KEY)
    assert reply.json() == {"code": 200, "msg": "success", "data": None}


async def test_credits_fall_once_per_task() -> None:
    async with bench() as b:
        await b.run()
        await b.post(callBackUrl="")
        await b.run()
        reply = await b.client.get("/api/v1/generate/credit", headers=KEY)
    assert reply.json() == {"code": 200, "msg": "success", "data": 9976}


async def test_refused_request_is_422_in_200_and_makes_no_task() -> None:
    async with bench(reply="refuse") as b:
        reply = await b.post()
        await b.simulator.drain()
        assert (reply.status_code, reply.json()["code"], reply.json()["data"]) == (200, 422, None)
        assert (b.simulator.tasks, b.receiver.bodies) == ({}, [])


async def test_page_in_place_of_the_reply_hides_a_task_that_was_made() -> None:
    async with bench(reply="html") as b:
        reply = await b.post()
        await b.simulator.drain()
        assert (reply.status_code, reply.text[:6]) == (502, "<html>")
        assert b.receiver.stages == ["text", "first", "complete"]


async def test_slow_reply_comes_after_its_time() -> None:
    async with bench(reply="slow", reply_after=40) as b:
        task = await b.run()
        assert task.stage == "complete"
        assert 40 in b.pauses


async def test_hanging_reply_ends_when_the_simulator_is_closed() -> None:
    async with bench(reply="hang") as b:
        hanging = asyncio.Event()

        async def hang(seconds: float) -> None:
            if seconds > 1000:
                hanging.set()
            await never(seconds)

        b.simulator.sleep = hang
        post = asyncio.create_task(b.post())
        await asyncio.wait_for(hanging.wait(), 5)
        assert not post.done()
        await asyncio.wait_for(b.simulator.close(), 5)
        assert (await post).status_code == 504


async def test_callback_can_come_before_the_reply() -> None:
    async with bench(callback_before_reply=True) as b:
        await b.post()
        assert b.receiver.stages[:1] == ["text"]


async def test_callback_comes_after_the_reply_otherwise() -> None:
    async with bench() as b:
        b.simulator.sleep = never
        await b.post()
        assert b.receiver.bodies == []


async def test_reply_does_not_wait_for_callbacks_that_are_lost() -> None:
    async with bench(callback_before_reply=True, lose=["text", "first", "complete"]) as b:
        reply = await b.post()
        assert reply.json()["code"] == 200


async def test_request_scripts_itself() -> None:
    async with bench(fail=400) as b:
        task = await b.run(simulate={"fail": 501, "fail_shape": "empty"})
        other = await b.run()
    assert [body["code"] for body in b.receiver.bodies] == [501, 400]
    assert (task.script.fail, other.script.fail) == (501, 400)


@pytest.mark.parametrize(
    ("simulate", "msg"),
    [
        ({"explode": True, "fail": 501}, "simulate: unknown 'explode'"),
        ("fail", "simulate: must be an object of the script's keys"),
    ],
)
async def test_request_with_unknown_script_keys_is_refused(simulate: Any, msg: str) -> None:
    async with bench() as b:
        reply = await b.post(simulate=simulate)
        assert (reply.status_code, reply.json()) == (200, {"code": 422, "msg": msg, "data": None})
        assert b.simulator.tasks == {}


@pytest.mark.parametrize(
    ("fields", "lyrics"),
    [
        pytest.param({"customMode": True, "prompt": "la la"}, "la la", id="the prompt, word for word"),
        pytest.param({"customMode": True, "prompt": "idea", "lyrics": "words"}, "words", id="lyrics before prompt"),
        pytest.param({"customMode": True, "prompt": "x", "instrumental": True}, "[Instrumental]", id="instrumental"),
        pytest.param({"prompt": "cut \ud83c emoji"}, "cut ? emoji", id="half a surrogate pair"),
    ],
)
async def test_lyrics_come_from_the_request(fields: dict[str, Any], lyrics: str) -> None:
    async with bench() as b:
        content = json.dumps({"callBackUrl": CALLBACK, **fields}).encode()
        await b.client.post("/api/v1/generate", content=content, headers=KEY)
        await b.simulator.drain()
    assert {song["prompt"] for song in b.receiver.bodies[-1]["data"]["data"]} == {lyrics}


async def test_song_without_words_of_its_own_is_invented() -> None:
    async with bench() as b:
        await b.run(customMode=False, prompt="a song about rain")
    first, second = b.receiver.bodies[-1]["data"]["data"]
    assert first["title"] == second["title"] != ""
    assert first["tags"] != ""
    assert first["title"] in first["prompt"]
    assert "a song about rain" not in first["prompt"]
    assert first["id"] != second["id"]
    assert uuid.UUID(first["id"]).version == 4


async def test_same_entropy_plays_the_same_songs() -> None:
    async with bench() as one, bench() as two:
        await one.run()
        await two.run()
    assert one.receiver.bodies == two.receiver.bodies


async def test_closed_simulator_leaves_nothing_running() -> None:
    before = asyncio.all_tasks()
    async with bench() as b:
        b.simulator.sleep = never
        task_id = (await b.post()).json()["data"]["taskId"]
        assert len(asyncio.all_tasks()) > len(before)
        await asyncio.wait_for(b.simulator.close(), 5)
        assert asyncio.all_tasks() == before
        assert b.simulator.tasks[task_id].stage is None


async def test_app_closes_the_simulator_when_it_stops() -> None:
    before = asyncio.all_tasks()
    async with bench() as b:
        b.simulator.sleep = never
        async with b.simulator.app.router.lifespan_context(b.simulator.app):
            await b.post()
        assert asyncio.all_tasks() == before


async def test_repr_shows_neither_key_nor_callback_url() -> None:
    async with bench(api_key="key-of-the-test") as b:
        await b.run()
        shown = repr(b.simulator)
    assert "secret-token" not in shown
    assert "key-of-the-test" not in shown
