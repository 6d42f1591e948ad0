import json
from typing import Any

import pytest

from receiver.outbound import Http
from receiver.simulator import Task
from tests.support.peers import answer, serve
from tests.support.simulations import NOW_MS, bench


def clip(task: Task, number: int, *, finished: bool) -> dict[str, Any]:
    song, place = task.songs[number], f"http://suno.test/media/{task.id}/{number}"
    whole = {"source_audio_url": f"{place}.source.mp3", "duration": song.duration} if finished else {}
    return {
        "id": song.id,
        "audio_url": f"{place}.mp3" if finished else "",
        "stream_audio_url": f"{place}.stream.mp3",
        "source_stream_audio_url": f"{place}.source.stream.mp3",
        "image_url": f"{place}.jpeg",
        "source_image_url": f"{place}.source.jpeg",
        "prompt": "[Verse]\nrain",
        "model_name": "chirp-v4",
        "title": "Night Ferry",
        "tags": "indie folk",
        "createTime": NOW_MS,
        **whole,
    }


async def test_music_callbacks_have_the_shapes_that_were_seen() -> None:
    async with bench() as b:
        task = await b.run(
            customMode=True,
            title="Night Ferry",
            style="indie folk",
            prompt="[Verse]\nrain",
            instrumental=False,
            model="V4",
        )
    expected = [
        ("text", "Text generation completed.", [False, False]),
        ("first", "First track generated successfully.", [True, False]),
        ("complete", "All generated successfully.", [True, True]),
    ]
    assert b.receiver.bodies == [
        {
            "code": 200,
            "msg": msg,
            "data": {
                "callbackType": stage,
                "task_id": task.id,
                "data": [clip(task, number, finished=done) for number, done in enumerate(finished)],
            },
        }
        for stage, msg, finished in expected
    ]


async def test_text_stage_may_come_without_clips() -> None:
    async with bench(text_clips=False) as b:
        await b.run()
        assert [len(body["data"]["data"]) for body in b.receiver.bodies] == [0, 2, 2]


async def test_replace_section_has_one_track_and_no_source_links() -> None:
    async with bench() as b:
        task = await b.run("/api/v1/generate/replace-section")
        (track,) = b.receiver.bodies[0]["data"]["data"]
    assert track["audio_url"] == f"http://suno.test/media/{task.id}/0.mp3"
    assert not [key for key in track if key.startswith("source_")]


@pytest.mark.parametrize(
    ("path", "script", "expected"),
    [
        pytest.param("generate", {"fail": 400}, (400, {"callbackType": "error", "data": None}), id="null"),
        pytest.param(
            "generate",
            {"fail": 451, "fail_shape": "empty"},
            (451, {"callbackType": "error", "data": []}),
            id="empty list",
        ),
        pytest.param(
            "generate",
            {"fail": 500, "fail_shape": "error"},
            (500, {"callbackType": "error", "error": "No luck."}),
            id="error text",
        ),
        pytest.param(
            "generate",
            {"fail": 501, "fail_shape": "complete"},
            (501, {"callbackType": "complete", "data": None}),
            id="complete that failed",
        ),
        pytest.param(
            "generate/replace-section",
            {"fail": 531},
            (531, {"callbackType": "error", "error": "No luck."}),
            id="replace section",
        ),
    ],
)
async def test_failure_has_the_scripted_shape(path: str, script: dict[str, Any], expected: tuple[int, Any]) -> None:
    code, data = expected
    async with bench(**script, fail_message="No luck.") as b:
        task = await b.run(f"/api/v1/{path}")
        record = await b.status(task.id)
    assert b.receiver.bodies == [{"code": code, "msg": "No luck.", "data": {"task_id": task.id, **data}}]
    assert (record["status"], record["errorCode"]) == ("GENERATE_AUDIO_FAILED", code)
    assert record["errorMessage"] == "No luck."
    assert record["response"] == {"taskId": task.id, "sunoData": []}


@pytest.mark.parametrize(
    ("script", "stages"),
    [
        pytest.param({"lose": ["complete"]}, ["text", "first"], id="lost"),
        pytest.param({"duplicates": 2}, ["text", "text", "first", "first", "complete", "complete"], id="duplicates"),
        pytest.param({"reorder": True}, ["complete", "first", "text"], id="reordered"),
    ],
)
async def test_callbacks_come_as_scripted_and_status_knows_the_end(script: dict[str, Any], stages: list[str]) -> None:
    async with bench(**script) as b:
        task = await b.run()
        record = await b.status(task.id)
    assert b.receiver.stages == stages
    assert record["status"] == "SUCCESS"
    assert [(sent.stage, sent.status) for sent in task.callbacks] == [(stage, 200) for stage in stages]


async def test_stages_wait_for_their_time() -> None:
    async with bench(text_after=1, first_after=3, complete_after=7) as b:
        await b.run()
        assert b.pauses == [1, 2, 4]


@pytest.mark.parametrize(("shape", "start"), [("json", '{"code"'), ("html", "<html>")])
async def test_malformed_callback_is_not_json(shape: str, start: str) -> None:
    async with bench(malformed=["first"], malformed_as=shape) as b:
        await b.run()
    text, first, complete = b.receiver.bodies
    assert isinstance(text, dict)
    assert isinstance(complete, dict)
    assert first.startswith(start)
    with pytest.raises(ValueError):
        json.loads(first)


@pytest.mark.parametrize(("half", "called"), [("status", [[True, False]]), ("callback", [[True, False], [True, True]])])
async def test_half_complete_becomes_whole_later(half: str, called: list[list[bool]]) -> None:
    async with bench(half=half, lose=["text", "first"]) as b:
        told: list[list[bool]] = []

        async def watch() -> None:
            (task_id,) = b.simulator.tasks
            record = await b.status(task_id)
            told.append([bool(song["audioUrl"]) for song in record["response"]["sunoData"]])

        b.receiver.watch = watch
        task = await b.run()
        record = await b.status(task.id)
    finished = [[bool(song["audio_url"]) for song in body["data"]["data"]] for body in b.receiver.bodies]
    assert finished == told == called
    assert [bool(song["audioUrl"]) for song in record["response"]["sunoData"]] == [True, True]


@pytest.mark.parametrize(
    ("answers", "retry", "statuses"),
    [
        pytest.param([503, None, 200], True, [503, None, 200, 200, 200], id="answered at the third try"),
        pytest.param([503], True, [503, 503, 503], id="given up, and no more for this task"),
        pytest.param([202], True, [202, 202, 202], id="only 200 counts"),
        pytest.param([503], False, [503, 503, 503], id="one try for each stage"),
    ],
)
async def test_callback_is_tried_three_times(answers: list[int], retry: bool, statuses: list[int]) -> None:
    async with bench(*answers, retry_callbacks=retry) as b:
        task = await b.run()
        assert (await b.status(task.id))["status"] == "SUCCESS"
    assert [sent.status for sent in task.callbacks] == statuses
    assert len({sent.stage for sent in task.callbacks}) == (1 if retry and 200 not in answers else 3)


async def test_callbacks_reach_a_real_receiver_as_json() -> None:
    async with serve(answer(b"", 503), answer(b"ok")) as peer, bench(malformed=["complete"]) as b:
        b.simulator.http = Http()
        task = await b.run(callBackUrl=f"{peer.url}/callbacks/t", prompt="🎵")
        await b.simulator.http.close()
    assert [sent.status for sent in task.callbacks] == [503, 200, 200, 200]
    assert {(seen.method, seen.target, seen.headers["content-type"]) for seen in peer.seen} == {
        ("POST", "/callbacks/t", "application/json")
    }
    assert [seen.json() for seen in peer.seen[:3]] == [sent.body for sent in task.callbacks[:3]]
    assert peer.seen[3].body.decode() == task.callbacks[3].body
