"""What else goes through the gateway: status calls, instant operations, uploads, and things made of songs."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from receiver.events import File, Kind, Result, Stage, Submission
from receiver.outbound import Http
from receiver.submissions import Uploads
from tests.support import peers
from tests.support.deliveries import make_answer
from tests.support.gateway import CLIENT, house
from tests.support.kit import Kit, kit, sunoapi
from tests.support.web import part

STATUS = "/suno/api/v1/generate/record-info"
SONG = Result(id="a", title="Night Ferry", files=(File("audio", "https://cdn.example/a.mp3"),))
ADMIN = [("authorization", "Bearer admin-password")]
PENDING = make_answer(200, b'{"code":200,"msg":"success","data":{"taskId":"task-1","status":"PENDING"}}')


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path) as made:
        yield made


async def known(base: Kit, **changes: Any) -> Submission:
    fields = {"task_id": "task-1", "client": "app", "stage": Stage.COMPLETE, "results": (SONG,)} | changes
    return await base.expect(**fields)


async def poll(base: Kit, query: str = "taskId=task-1", headers: Any = CLIENT) -> tuple[Any, int]:
    made = house(base, PENDING)
    answered = await made.post(STATUS, b"", method="GET", query=query, headers=headers)
    assert answered.status == 200
    return answered.json(), len(made.http.sent)


async def test_a_poller_is_answered_from_the_store_once_the_song_is_final(base: Kit) -> None:
    await known(base)
    answer, asked = await poll(base)
    assert asked == 0
    assert (answer["code"], answer["data"]["status"]) == (200, "SUCCESS")
    assert answer["data"]["response"]["sunoData"][0]["audioUrl"] == "https://cdn.example/a.mp3"


@pytest.mark.parametrize(
    "changes",
    [{"stage": Stage.ACCEPTED}, {"stage": Stage.FIRST}, {"partial": True}, {"held": "half"}, {"stage": Stage.LOST}],
    ids=lambda changes: "-".join(f"{key}" for key in changes),
)
async def test_what_is_not_final_is_asked_of_the_provider(base: Kit, changes: dict[str, Any]) -> None:
    await known(base, **changes)
    answer, asked = await poll(base)
    assert (asked, answer["data"]["status"]) == (1, "PENDING")


async def test_a_fresh_answer_comes_from_the_provider_which_is_not_told_of_our_word(base: Kit) -> None:
    await known(base)
    made = house(base, PENDING)
    await made.post(STATUS, b"", method="GET", query="fresh&taskId=task-1&fresh=1")
    (sent,) = made.http.sent
    assert sent.url == "http://127.0.0.1:1/api/v1/generate/record-info?taskId=task-1"


async def test_a_task_of_another_client_is_unknown(base: Kit) -> None:
    await known(base, client="other")
    for query in ("taskId=task-1", "taskId=task-1&fresh"):
        answer, asked = await poll(base, query)
        assert (asked, answer["data"]) == (0, None)
    answer, asked = await poll(base, headers=ADMIN)
    assert (asked, answer["data"]["status"]) == (0, "SUCCESS")


async def test_the_status_call_of_another_kind_is_the_providers_to_answer(base: Kit) -> None:
    await known(base)
    made = house(base, PENDING)
    await made.post("/suno/api/v1/lyrics/record-info", b"", method="GET", query="taskId=task-1")
    assert len(made.http.sent) == 1


async def test_a_task_that_nobody_knows_passes_through(base: Kit) -> None:
    assert (await poll(base, "taskId=task-7"))[1] == 1


async def test_what_answers_at_once_is_complete_at_once(base: Kit) -> None:
    body = {"code": 200, "msg": "success", "data": {"personaId": "p-1", "name": "Low voice", "description": "d"}}
    made = house(base, make_answer(200, json.dumps(body).encode()))
    answered = await made.post(
        "/suno/api/v1/generate/generate-persona", b'{"taskId":"task-1","audioId":"a","name":"Low voice"}'
    )
    assert answered.json() == body
    assert answered.header("x-receiver-callback") == "none"
    submission = await made.stored(answered)
    assert (submission.stage, submission.kind, submission.ask_at) == (Stage.COMPLETE, Kind.PERSONA, None)
    assert await base.types() == ["persona.complete"]
    (event,) = await base.events()
    assert event.results[0].data["persona_id"] == "p-1"


async def test_what_is_refused_at_once_is_rejected(base: Kit) -> None:
    made = house(base, make_answer(200, b'{"code":409,"msg":"exists","data":null}'))
    answered = await made.post("/suno/api/v1/generate/generate-persona", b'{"taskId":"task-1","audioId":"a"}')
    assert (await made.stored(answered)).stage is Stage.REJECTED
    assert await base.types() == ["submission.rejected"]


async def test_a_cover_that_was_made_before_is_asked_about_at_once(base: Kit) -> None:
    made = house(base, make_answer(200, b'{"code":400,"msg":"exists","data":{"taskId":"task-9"}}'))
    submission = await made.stored(await made.post("/suno/api/v1/suno/cover/generate", b'{"taskId":"task-1"}'))
    assert (submission.stage, submission.task_id, submission.ask_at) == (Stage.ACCEPTED, "task-9", base.clock())


async def test_what_is_made_of_a_song_knows_it_and_inherits_its_labels(base: Kit) -> None:
    await known(base, labels={"project": "film", "user": "42"})
    made = house(base)
    headers = [*CLIENT, ("x-receiver-labels", "user=43")]
    answered = await made.post("/suno/api/v1/wav/generate", b'{"taskId":"task-1","audioId":"a"}', headers=headers)
    wav = await made.stored(answered)
    assert (wav.parent, wav.title, wav.kind) == ("task-1", "Night Ferry", Kind.WAV)
    assert wav.labels == {"project": "film", "user": "43"}


async def test_nothing_is_inherited_from_another_clients_song(base: Kit) -> None:
    await known(base, client="other", labels={"project": "secret"})
    made = house(base)
    wav = await made.stored(await made.post("/suno/api/v1/wav/generate", b'{"taskId":"task-1","audioId":"a"}'))
    assert (wav.parent, wav.title, wav.labels) == ("task-1", None, {"project": "podcast"})


UPLOADED = b'{"success":true,"code":200,"data":{"downloadUrl":"https://files.example/a.mp3"}}'


async def test_an_upload_streams_through_to_the_upload_host(base: Kit) -> None:
    http = Http()
    async with peers.serve(peers.answer(UPLOADED)) as peer:
        made = house(base)
        provider = sunoapi().model_copy(update={"upload_base_url": peer.url})
        made.gateway = replace(
            made.gateway, providers={"suno": provider}, uploads=Uploads(http, {"suno": provider}, 100_000)
        )
        pieces = [part(b"a" * 30_000, more=True), part(b"", more=True), part(b"b" * 30_000)]
        headers = [*CLIENT[:1], ("content-type", "multipart/form-data; boundary=x")]
        answered = await made.post("/suno/api/file-stream-upload", messages=pieces, headers=headers)
    await http.close()
    assert (answered.status, answered.body, answered.header("x-receiver-callback")) == (200, UPLOADED, "none")
    (seen,) = peer.seen
    assert (seen.target, seen.body) == ("/api/file-stream-upload", b"a" * 30_000 + b"b" * 30_000)
    assert seen.headers["authorization"] == "Bearer provider-key-123"
    assert seen.headers["content-type"] == "multipart/form-data; boundary=x"
    assert await base.types() == []


@pytest.mark.parametrize("announced", [True, False])
async def test_an_upload_above_the_limit_is_refused(base: Kit, announced: bool) -> None:
    http = Http()
    async with peers.serve(peers.answer(UPLOADED)) as peer:
        made = house(base)
        provider = sunoapi().model_copy(update={"upload_base_url": peer.url})
        made.gateway = replace(
            made.gateway, providers={"suno": provider}, uploads=Uploads(http, {"suno": provider}, 50)
        )
        headers = [*CLIENT, ("content-length", "60")] if announced else CLIENT
        pieces = [part(b"a" * 30, more=True), part(b"b" * 30)]
        answered = await made.post("/suno/api/file-base64-upload", messages=pieces, headers=headers)
    await http.close()
    assert (answered.status, answered.json()["detail"]) == (413, "A file may have 50 bytes here: see limits.upload.")


async def test_a_stranger_uploads_nothing(base: Kit) -> None:
    answered = await house(base).post("/suno/api/file-url-upload", headers=[])
    assert answered.status == 401


async def test_the_stored_submission_says_where_it_went(base: Kit) -> None:
    made = house(base)
    submission = await made.stored(await made.post("/suno/api/v1/generate", query="x=1"))
    assert submission.path == "/api/v1/generate"


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/suno/api/v1/generate/record%2Dinfo", "taskId=task-1"),
        (STATUS, "taskId=task-1&taskId=nobody"),
        (STATUS, "taskId=nobody&taskId=task-1"),
        (STATUS, "TaskId=task-1"),
        (STATUS, "x=1;taskId=task-1"),
        ("/suno/api/v1/brand-new/status", "job=task-1"),
    ],
)
async def test_however_it_is_spelt_another_clients_task_is_unknown(base: Kit, path: str, query: str) -> None:
    await known(base, client="other")
    made = house(base, PENDING)
    answered = await made.post(path, b"", method="GET", query=query)
    assert (answered.status, answered.json()["data"], made.http.sent) == (200, None, [])


async def test_a_semicolon_in_the_path_is_refused(base: Kit) -> None:
    made = house(base, PENDING)
    assert (await made.post(f"{STATUS};x=1", b"", method="GET", query="taskId=task-1")).status == 400
    assert made.http.sent == []


async def test_a_reply_that_names_a_known_task_makes_no_second_submission(base: Kit) -> None:
    first = await known(base)
    made = house(base, make_answer(200, b'{"code":200,"data":{"taskId":"task-1"}}'))
    answered = await made.post("/suno/api/v1/brand-new/check", b'{"a":1}')
    assert answered.header("x-receiver-submission") == first.id
    assert await base.store.by_task("task-1") == [first]


async def test_a_key_on_what_is_no_submission_is_refused_before_anything_is_sent(base: Kit) -> None:
    made = house(base)
    answered = await made.post("/suno/api/v1/brand-new", headers=[*CLIENT, ("idempotency-key", "k")])
    assert (answered.status, answered.json()["title"], made.http.sent) == (400, "Key without effect", [])


async def test_the_providers_words_about_a_refusal_hold_no_key_of_ours(base: Kit) -> None:
    made = house(base, make_answer(200, b'{"code":401,"msg":"bad key provider-key-123","data":null}'))
    submission = await made.stored(await made.post())
    assert submission.error is not None
    assert submission.error.message == "bad key [redacted]"
