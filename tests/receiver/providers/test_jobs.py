import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from receiver.events import File, Kind, Result, Stage, Submission, utc_now
from receiver.providers.base import Reply, Request
from receiver.providers.jobs import MODELS
from receiver.providers.kie import Kie
from receiver.stages import Report
from tests.support.provider_samples import load_samples

KIE = Kie(type="kie", api_key=SecretStr("key"))
CREATE = "/api/v1/jobs/createTask"
RECORD = "/api/v1/jobs/recordInfo"
SAMPLES = {(one.folder, one.name): one for one in load_samples("kie")}
# As the market pages list them: model, operation, kind.
JOBS = {
    "add-instrumental": ("add_instrumental", Kind.MUSIC),
    "add-vocals": ("add_vocals", Kind.MUSIC),
    "boost-music-style": ("style_boost", Kind.STYLE),
    "convert-to-wav-format": ("wav", Kind.WAV),
    "cover-generate": ("cover_image", Kind.COVER_IMAGE),
    "create-music-video": ("mp4", Kind.VIDEO),
    "create-voice": ("voice", Kind.VOICE),
    "extend": ("extend", Kind.MUSIC),
    "generate": ("generate", Kind.MUSIC),
    "generate-lyrics": ("lyrics", Kind.LYRICS),
    "generate-midi-from-audio": ("midi", Kind.MIDI),
    "generate-persona": ("persona", Kind.PERSONA),
    "mashup": ("mashup", Kind.MUSIC),
    "regenerate-phrase": ("voice_phrase_regenerate", Kind.VOICE_PHRASE),
    "replace-section": ("replace_section", Kind.MUSIC),
    "separate-vocals": ("stems", Kind.STEMS),
    "sounds": ("sounds", Kind.MUSIC),
    "suno-recovery-audio": ("recovery", Kind.RECOVERY),
    "timeStamped-lyrics": ("timestamped_lyrics", Kind.TIMESTAMPS),
    "upload-and-cover-audio": ("upload_cover", Kind.MUSIC),
    "upload-and-extend-audio": ("upload_extend", Kind.MUSIC),
    "validation-phrase": ("voice_phrase", Kind.VOICE_PHRASE),
}


def asks(**body: Any) -> Request:
    return Request(method="POST", path=CREATE, body=json.dumps(body).encode())


@pytest.mark.parametrize(("model", "operation", "kind"), [(name, *row) for name, row in JOBS.items()])
def test_job_is_the_operation_of_its_model(model: str, operation: str, kind: Kind) -> None:
    request = asks(model=f"ai-music-api/{model}", input={"prompt": "rain"})
    found = KIE.find(request)
    assert found is not None
    assert (found.name, found.kind, found.path, found.record) == (operation, kind, CREATE, RECORD)
    assert (found.callback_field, found.instant, found.id_parameter) == ("callBackUrl", False, "taskId")
    row = KIE.operation(operation)
    assert (found.deadline, found.main_role) == (row.deadline, row.main_role)
    body = json.loads(KIE.prepare(request, found, "https://r.example/c").body)
    assert body == {**json.loads(request.body), "callBackUrl": "https://r.example/c"}


def test_every_documented_model_is_in_the_table() -> None:
    assert set(MODELS) == {*JOBS, "check-voice"}


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"model": 7.5}', b'{"model": ["x"]}', b'{"model": "ai-music-api/check-voice"}']
)
def test_job_that_makes_nothing_or_names_nothing_passes_untouched(body: bytes) -> None:
    assert KIE.find(Request(method="POST", path=CREATE, body=body)) is None


def test_job_of_an_unknown_model_is_called_back_all_the_same() -> None:
    found = KIE.find(asks(model="ai-music-api/brand-new", input={}))
    assert found is not None
    assert (found.name, found.kind, found.callback_field) == ("other", Kind.OTHER, "callBackUrl")


def test_only_a_post_makes_a_job() -> None:
    assert KIE.find(replace(asks(model="ai-music-api/generate"), method="GET")) is None


def test_job_is_described_and_descends_by_its_input() -> None:
    request = asks(model="ai-music-api/extend", title="no", taskId="no", input={"title": "Ferry", "task_id": "parent"})
    operation = KIE.find(request)
    assert operation is not None
    assert (KIE.describe(request), KIE.parent(request, operation)) == ("Ferry", "parent")
    assert KIE.describe(asks(model="ai-music-api/generate", input={"prompt": " A  ferry\nat night "})) == (
        "A ferry at night"
    )
    assert KIE.describe(asks(model="ai-music-api/generate", input="x")) is None
    assert KIE.parent(asks(model="ai-music-api/generate", input=None), operation) is None


def made(**fields: Any) -> Submission:
    return replace(
        Submission(
            id="sub_1",
            provider="kie",
            operation="recovery",
            kind=Kind.RECOVERY,
            stage=Stage.ACCEPTED,
            created_at=utc_now(),
            task_id="t 1",
        ),
        **fields,
    )


@pytest.mark.parametrize(
    ("submission", "path"),
    [
        (made(path=CREATE), f"{RECORD}?taskId=t%201"),
        (made(path=CREATE, operation="other", kind=Kind.OTHER), f"{RECORD}?taskId=t%201"),
        (made(path=CREATE, operation="persona", kind=Kind.PERSONA), f"{RECORD}?taskId=t%201"),
        (made(path="/api/v1/suno/recovery"), "/api/v1/suno/recovery/record-info?task_id=t%201"),
        (made(path=None), "/api/v1/suno/recovery/record-info?task_id=t%201"),
        (made(path=CREATE, task_id=None), None),
        (made(operation="other"), None),
    ],
)
def test_status_call_goes_where_the_submission_went(submission: Submission, path: str | None) -> None:
    assert KIE.status_request(submission) == (Request(method="GET", path=path) if path else None)


def test_clients_status_call_of_a_job_names_its_task() -> None:
    assert KIE.asked_task(Request(method="GET", path=f"{RECORD}?taskId=a")) == "a"
    assert KIE.asked_task(Request(method="POST", path=f"{RECORD}?taskId=a")) is None
    assert KIE.asked_task(Request(method="GET", path="/api/v1/wav/record-info?taskId=a")) == "a"


def parse(folder: str, name: str, operation: str) -> Report:
    found = SAMPLES[folder, name]
    if found.what == "callback":
        return KIE.parse_callback(KIE.operation(operation), {}, found.body)
    return KIE.parse_status(KIE.operation(operation), Reply(status=200, body=found.body))


@pytest.mark.parametrize(("folder", "model"), [("music", "generate"), ("wav", "wav"), ("stems", "stems")])
def test_kind_of_a_job_comes_from_its_model(folder: str, model: str) -> None:
    for name in ("callback.complete.job", "status.complete.job"):
        assert parse(folder, name, "other") == parse(folder, name, model)


def test_results_of_jobs_are_those_of_their_kind() -> None:
    songs = parse("music", "callback.complete.job", "generate").results
    assert [(result.id, result.duration, result.file("audio") is not None) for result in songs] == [
        ("a1", 198.44, True),
        ("a2", 198.44, True),
    ]
    lyrics = parse("lyrics", "callback.complete.job", "lyrics").results
    assert [result.lyrics for result in lyrics] == ["[Verse]\nLanterns 1", "[Verse]\nLanterns 2"]
    wav = parse("wav", "callback.complete.job", "wav").results
    assert wav == (Result(id="1", files=(File("wav", "https://files.example/ferry.wav"),)),)
    images = parse("cover_image", "callback.complete.job", "cover_image").results
    assert [result.files[0].role for result in images] == ["image", "image"]
    assert parse("voice", "callback.complete.job", "voice").results[0].data == {"voice_id": "voice-9"}
    assert parse("style", "callback.complete.job", "style_boost").results[0].data == {"style": "indie folk, warm"}


def test_addresses_of_an_unknown_kind_are_files_of_one_result() -> None:
    result = json.dumps({"resultUrls": ["https://x.example/1", None, "https://x.example/2"]})
    data = {"taskId": "t", "model": "ai-music-api/new", "state": "success", "resultJson": result}
    report = KIE.parse_callback(KIE.operation("other"), {}, json.dumps({"code": 200, "data": data}).encode())
    assert report.results == (
        Result(id="1", files=(File("file", "https://x.example/1"), File("file_2", "https://x.example/2"))),
    )


@pytest.mark.parametrize("result", [[{"id": "a", "title": "T"}], {"data": [{"id": "a", "title": "T"}]}])
@pytest.mark.parametrize("as_text", [True, False])
def test_songs_may_be_a_bare_list_and_the_result_an_object(result: Any, as_text: bool) -> None:
    held = json.dumps(result) if as_text else result
    data = {"taskId": "t", "model": "ai-music-api/generate", "state": "success", "resultJson": held}
    report = KIE.parse_callback(KIE.operation("generate"), {}, json.dumps({"code": 200, "data": data}).encode())
    assert (report.stage, report.results) == (Stage.COMPLETE, (Result(id="a", title="T"),))


def test_lyrics_in_the_place_of_songs_are_lyrics() -> None:
    held = json.dumps({"data": [{"text": "[Verse]", "title": "T", "status": "complete"}]})
    data = {"taskId": "t", "model": "ai-music-api/generate-lyrics", "state": "success", "resultJson": held}
    report = KIE.parse_callback(KIE.operation("lyrics"), {}, json.dumps({"code": 200, "data": data}).encode())
    assert report.results == (Result(id="1", title="T", lyrics="[Verse]"),)


def test_result_that_is_no_json_leaves_a_job_without_results() -> None:
    report = parse("music", "callback.complete.job-with-broken-result", "generate")
    assert (report.stage, report.results) == (Stage.COMPLETE, ())


@pytest.mark.parametrize(
    ("name", "code", "message", "refunded"),
    [
        ("callback.failed.job", "400", "The lyrics are not allowed.", None),
        ("status.failed.job-with-code-200", "531", "Failed, refunded.", True),
        ("status.failed.job-with-code-501", "501", "No luck.", None),
    ],
)
def test_failed_job_says_its_own_code_and_message(name: str, code: str, message: str, refunded: bool | None) -> None:
    error = parse("music", name, "generate").error
    assert error is not None
    assert (error.code, error.message, error.refunded) == (code, message, refunded)


def test_job_that_succeeded_with_nothing_but_failed_variants_failed() -> None:
    report = parse("lyrics", "callback.failed.job-all-variants-failed", "lyrics")
    assert report.error is not None
    assert report.error.message == "Too odd."


@pytest.mark.parametrize(
    ("model", "data", "stage"),
    [
        ("timeStamped-lyrics", {"alignedWords": [{"word": "a", "startS": 0, "endS": 1}]}, Stage.COMPLETE),
        ("generate-persona", {"personaId": "p"}, Stage.COMPLETE),
        ("boost-music-style", {"taskId": "t"}, Stage.ACCEPTED),
        ("generate-persona", {"taskId": "t"}, Stage.ACCEPTED),
        ("generate", {"taskId": "t"}, Stage.ACCEPTED),
    ],
)
def test_job_may_answer_at_once_or_with_a_task(model: str, data: dict[str, Any], stage: Stage) -> None:
    operation = KIE.find(asks(model=f"ai-music-api/{model}"))
    assert operation is not None
    verdict = KIE.read_reply(operation, Reply(status=200, body=json.dumps({"code": 200, "data": data}).encode()))
    assert (verdict.stage, bool(verdict.results)) == (stage, stage is Stage.COMPLETE)


def test_patience_of_a_job_is_that_of_its_operation() -> None:
    operation = KIE.find(asks(model="ai-music-api/convert-to-wav-format"))
    assert operation is not None
    assert KIE.patience(operation) == timedelta(minutes=2)
