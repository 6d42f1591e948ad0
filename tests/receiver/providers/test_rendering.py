import json
from dataclasses import replace
from typing import Any

import pytest

from receiver.events import Event, Failure, File, Kind, Result, Stage, Submission, utc_now
from receiver.providers import provider_class
from receiver.providers.base import Operation, Provider, Reply, Request
from receiver.stages import Report
from tests.support.provider_samples import Sample, load_samples

PROVIDERS: dict[str, Provider] = {
    name: provider_class(name).model_validate({"type": name, "api_key": "k"}) for name in ("sunoapi", "kie")
}
SUNO, KIE = PROVIDERS["sunoapi"], PROVIDERS["kie"]
JOBS = "/api/v1/jobs/createTask"
NOW = utc_now()
FINAL = [
    pytest.param(provider, operation, sample, id=f"{name}-{operation.name}-{sample.name}")
    for name, provider in PROVIDERS.items()
    for operation in provider.operations
    for sample in load_samples(name)
    if sample.folder == operation.kind and sample.what != "reply" and sample.expected in {"complete", "failed"}
]
EVERY = [
    pytest.param(provider, operation, id=f"{name}-{operation.name}")
    for name, provider in PROVIDERS.items()
    for operation in provider.operations
]
FAILURE = Failure(code="501", message="Audio generation failed.")


def read(provider: Provider, operation: Operation, sample: Sample) -> Report:
    if sample.what == "callback":
        return provider.parse_callback(operation, {}, sample.body)
    return provider.parse_status(operation, Reply(status=200, body=sample.body))


def settled(operation: Operation, report: Report, **fields: Any) -> Submission:
    return replace(
        Submission(
            id="sub_1",
            provider="suno",
            operation=operation.name,
            kind=operation.kind,
            stage=report.stage or Stage.ACCEPTED,
            created_at=NOW,
            task_id="task-1",
            results=report.results,
            error=report.error,
        ),
        **fields,
    )


def told(operation: Operation, report: Report, **fields: Any) -> Event:
    return replace(
        Event(
            id="evt_1",
            type=f"{operation.kind}.{report.stage}",
            operation=operation.name,
            stage=str(report.stage),
            task_id="task-1",
            occurred_at=NOW,
            received_at=NOW,
            results=report.results,
            error=report.error,
        ),
        **fields,
    )


@pytest.mark.parametrize(("provider", "operation", "sample"), FINAL)
def test_rendered_record_and_callback_say_what_was_read(
    provider: Provider, operation: Operation, sample: Sample
) -> None:
    report = read(provider, operation, sample)
    rendered = [provider.parse_callback(operation, {}, provider.render_callback(told(operation, report)))]
    if operation.record:
        rendered.append(provider.parse_status(operation, provider.render_status(settled(operation, report))))
    if provider is KIE:
        job = provider.render_status(settled(operation, report, path=JOBS))
        assert json.loads(job.body)["data"]["taskId"] == "task-1"
        rendered.append(provider.parse_status(operation, job))
    for again in rendered:
        assert (again.stage, again.results, again.task_id) == (report.stage, report.results, "task-1")


@pytest.mark.parametrize(("provider", "operation"), EVERY)
@pytest.mark.parametrize("stage", [Stage.COMPLETE, Stage.FAILED])
def test_bare_submission_is_rendered_too(provider: Provider, operation: Operation, stage: Stage) -> None:
    error = FAILURE if stage is Stage.FAILED else None
    report = Report(stage=stage, error=error)
    reply = provider.render_status(settled(operation, report))
    assert (reply.status, reply.headers) == (200, {"content-type": "application/json"})
    # A recovery without a single track can't be told from one that is not there.
    if operation.record and not (operation.kind is Kind.RECOVERY and stage is Stage.COMPLETE):
        again = provider.parse_status(operation, reply)
        assert again.stage is stage
        assert (again.error and again.error.message) == (error and error.message)
    assert json.loads(provider.render_callback(told(operation, report)))["code"] == (501 if error else 200)


@pytest.mark.parametrize("stage", [Stage.TEXT, Stage.FIRST])
def test_early_stages_of_a_song_are_rendered(stage: Stage) -> None:
    result = Result(id="a", title="Ferry", files=(File("stream", "https://x.example/s"),))
    report = Report(stage=stage, results=(result,))
    generate = SUNO.operation("generate")
    again = SUNO.parse_callback(generate, {}, SUNO.render_callback(told(generate, report)))
    assert (again.stage, again.results) == (stage, (result,))
    assert json.loads(SUNO.render_callback(told(generate, report)))["data"]["data"][0]["audio_url"] == ""


def test_update_is_told_as_another_complete() -> None:
    generate = SUNO.operation("generate")
    event = told(generate, Report(stage=Stage.COMPLETE), type="music.updated", stage="updated")
    assert json.loads(SUNO.render_callback(event))["data"]["callbackType"] == "complete"


def test_song_record_is_what_a_polling_client_reads() -> None:
    result = Result(
        id="a",
        title="Night Ferry",
        duration=198.44,
        tags="folk",
        lyrics="[Verse]",
        model="chirp-v4",
        files=(File("audio", "https://x.example/a.mp3", ("https://cdn.example/a.mp3",)),),
    )
    extend = SUNO.operation("extend")
    body = json.loads(SUNO.render_status(settled(extend, Report(stage=Stage.COMPLETE, results=(result,)))).body)
    milliseconds = int(NOW.timestamp() * 1000)
    assert (body["code"], body["msg"]) == (200, "success")
    assert body["data"] == {
        "taskId": "task-1",
        "parentMusicId": "",
        "param": None,
        "response": {
            "taskId": "task-1",
            "sunoData": [
                {
                    "id": "a",
                    "audioUrl": "https://x.example/a.mp3",
                    "sourceAudioUrl": "https://cdn.example/a.mp3",
                    "streamAudioUrl": None,
                    "sourceStreamAudioUrl": None,
                    "imageUrl": None,
                    "sourceImageUrl": None,
                    "prompt": "[Verse]",
                    "modelName": "chirp-v4",
                    "title": "Night Ferry",
                    "tags": "folk",
                    "createTime": milliseconds,
                    "duration": 198.44,
                }
            ],
        },
        "status": "SUCCESS",
        "type": "chirp-v4",
        "operationType": "extend",
        "errorCode": None,
        "errorMessage": None,
        "createTime": milliseconds,
    }


RECORD_PLACES = [
    ("lyrics", {"status": "SUCCESS"}, {"status": "GENERATE_LYRICS_FAILED"}),
    ("wav", {"successFlag": "SUCCESS"}, {"successFlag": "GENERATE_WAV_FAILED"}),
    ("stems", {"successFlag": "SUCCESS"}, {"successFlag": "GENERATE_AUDIO_FAILED"}),
    ("mp4", {"successFlag": "SUCCESS"}, {"successFlag": "GENERATE_MP4_FAILED"}),
    ("midi", {"successFlag": 1}, {"successFlag": 3, "midiData": None}),
    ("cover_image", {"successFlag": 1}, {"successFlag": 3}),
    ("voice_phrase", {"status": "wait_validating", "errorCode": 0}, {"status": "fail", "errorCode": 501}),
    ("voice", {"status": "success", "errorCode": 0}, {"status": "fail", "errorCode": 501}),
]


@pytest.mark.parametrize(("name", "good", "bad"), RECORD_PLACES, ids=[row[0] for row in RECORD_PLACES])
def test_record_has_the_words_of_its_kind(name: str, good: dict[str, Any], bad: dict[str, Any]) -> None:
    operation = SUNO.operation(name)
    for stage, places in ((Stage.COMPLETE, good), (Stage.FAILED, bad)):
        report = Report(stage=stage, error=FAILURE if stage is Stage.FAILED else None)
        data = json.loads(SUNO.render_status(settled(operation, report)).body)["data"]
        assert data | places == data


def test_word_of_a_record_comes_back_as_it_was() -> None:
    error = Failure(code="SENSITIVE_WORD_ERROR", message="Sensitive words.")
    reply = SUNO.render_status(settled(SUNO.operation("generate"), Report(stage=Stage.FAILED, error=error)))
    data = json.loads(reply.body)["data"]
    assert (data["status"], data["errorCode"], data["errorMessage"]) == (
        "SENSITIVE_WORD_ERROR",
        None,
        "Sensitive words.",
    )


def test_midi_task_that_never_began_has_its_own_flag() -> None:
    error = Failure(code="CREATE_TASK_FAILED", message="")
    reply = SUNO.render_status(settled(SUNO.operation("midi"), Report(stage=Stage.FAILED, error=error)))
    assert json.loads(reply.body)["data"]["successFlag"] == 2


def test_lyrics_and_stems_are_told_in_the_dialect_of_each() -> None:
    lyrics, stems = SUNO.operation("lyrics"), SUNO.operation("stems")
    failed, none = Report(stage=Stage.FAILED, error=FAILURE), Report(stage=Stage.COMPLETE)
    shown = [
        [json.loads(one.render_callback(told(lyrics, failed)))["data"] for one in (SUNO, KIE)],
        [json.loads(one.render_callback(told(stems, none)))["data"] for one in (SUNO, KIE)],
    ]
    assert shown == [
        [
            {"callbackType": "error", "taskId": "task-1", "data": None},
            {"callbackType": "complete", "task_id": "task-1", "data": None},
        ],
        [
            {"task_id": "task-1", "vocal_removal_info": None},
            {"task_id": "task-1", "vocal_separation_info": None},
        ],
    ]


def test_recovery_keeps_its_id_beside_the_data() -> None:
    recovery = SUNO.operation("recovery")
    result = Result(id="a", files=(File("audio", "https://x.example/a.m4a"),))
    submission = settled(recovery, Report(stage=Stage.COMPLETE, results=(result,)))
    body = json.loads(SUNO.render_status(submission).body)
    assert (body["task_id"], body["data"][0]["audio_url"]) == ("task-1", "https://x.example/a.m4a")
    assert json.loads(SUNO.render_reply(submission).body)["data"] == {"task_id": "task-1"}


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_reply_of_a_settled_submission_names_its_task(provider: Provider) -> None:
    generate = provider.operation("generate")
    for stage in (Stage.ACCEPTED, Stage.COMPLETE, Stage.FAILED, Stage.LOST):
        error = FAILURE if stage is Stage.FAILED else None
        reply = provider.render_reply(settled(generate, Report(stage=stage, error=error)))
        assert json.loads(reply.body) == {"code": 200, "msg": "success", "data": {"taskId": "task-1"}}
        verdict = provider.read_reply(generate, reply)
        assert (verdict.stage, verdict.task_id) == (Stage.ACCEPTED, "task-1")


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
@pytest.mark.parametrize(("code", "shown"), [("422", 422), ("not_sent", 500), ("200", 500)])
def test_reply_of_a_refused_submission_says_why(provider: Provider, code: str, shown: int) -> None:
    error = Failure(code=code, message="Please enter callBackUrl.")
    generate = provider.operation("generate")
    refused = settled(generate, Report(stage=None, error=error), stage=Stage.REJECTED, task_id=None)
    body = json.loads(provider.render_reply(refused).body)
    assert body == {"code": shown, "msg": "Please enter callBackUrl.", "data": None}


INSTANT = {"timestamped_lyrics": "timestamps", "persona": "persona", "style_boost": "style"}


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
@pytest.mark.parametrize(("name", "folder"), INSTANT.items())
def test_reply_of_an_instant_operation_is_what_it_made(provider: Provider, name: str, folder: str) -> None:
    operation = provider.operation(name)
    samples = [one for one in load_samples(provider.type) if (one.folder, one.what) == (folder, "reply")]
    made = [one for one in samples if one.expected == "complete"]
    assert made
    for sample in made:
        verdict = provider.read_reply(operation, Reply(status=200, body=sample.body))
        submission = settled(operation, Report(stage=Stage.COMPLETE, results=verdict.results))
        assert provider.read_reply(operation, provider.render_reply(submission)).results == verdict.results


def test_unknown_task_is_answered_as_each_api_does() -> None:
    old, jobs = (
        Request(method="GET", path="/api/v1/wav/record-info?taskId=x"),
        Request(method="GET", path="/api/v1/jobs/recordInfo?taskId=x"),
    )
    nothing = {"code": 200, "msg": "success", "data": None}
    assert json.loads(SUNO.render_no_task(old).body) == json.loads(KIE.render_no_task(old).body) == nothing
    assert json.loads(KIE.render_no_task(jobs).body) == {"code": 422, "msg": "recordInfo is null", "data": None}


def test_what_an_unknown_operation_made_is_told_as_it_came() -> None:
    other = Operation(name="other", kind=Kind.OTHER, path="/api/v1/brand-new")
    report = SUNO.parse_callback(
        other, {}, b'{"code":200,"data":{"taskId":"t","clip_url":"https://x.example/c","frames":3}}'
    )
    again = SUNO.parse_callback(other, {}, SUNO.render_callback(told(other, report)))
    assert again.results[0].files == report.results[0].files == (File("clip", "https://x.example/c"),)
    assert again.results[0].data["frames"] == 3


def test_job_carries_its_model_and_its_result_as_text() -> None:
    wav = KIE.operation("wav")
    result = Result(id="1", files=(File("wav", "https://x.example/a.wav"),))
    reply = KIE.render_status(settled(wav, Report(stage=Stage.COMPLETE, results=(result,)), path=JOBS))
    data = json.loads(reply.body)["data"]
    assert (data["model"], data["state"]) == ("ai-music-api/convert-to-wav-format", "success")
    assert json.loads(data["resultJson"]) == {"resultUrls": ["https://x.example/a.wav"]}
    failed = KIE.render_status(settled(wav, Report(stage=Stage.FAILED, error=FAILURE), path=JOBS))
    data = json.loads(failed.body)["data"]
    assert (data["state"], data["failCode"], data["resultJson"]) == ("fail", "501", None)
