import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from receiver.errors import Unrecognised
from receiver.events import Failure, File, Kind, Result, Stage, Submission, utc_now
from receiver.providers.base import Operation, Reply, Request
from receiver.providers.cqt import Cqt
from receiver.providers.cqt_meanings import SUBMIT_MEANINGS, TASK_MEANINGS
from receiver.providers.cqt_operations import TASKS
from receiver.results import ANY_FILE
from receiver.stages import Report
from tests.support.provider_samples import load_samples

CQT = Cqt.model_validate({"type": "cqt", "api_key": "key"})
GENERATE = CQT.operation("generate")
SAMPLES = {f"{sample.folder}/{sample.name}": sample for sample in load_samples("cqt")}
SUBMIT = "/api/cqt/generator/suno"
ROWS = [
    # the task of the body, our operation, its kind
    ("create", "generate", Kind.MUSIC),
    ("extend", "extend", Kind.MUSIC),
    ("cover", "cover", Kind.MUSIC),
    ("upload_extend", "upload_extend", Kind.MUSIC),
    ("upload_cover", "upload_cover", Kind.MUSIC),
    ("replace_section", "replace_section", Kind.MUSIC),
    ("replace_merge", "replace_merge", Kind.MUSIC),
    ("inspiration", "inspiration", Kind.MUSIC),
    ("gen_stem_two", "gen_stem_two", Kind.STEMS),
    ("gen_stem_all", "gen_stem_all", Kind.STEMS),
    ("lyrics", "lyrics", Kind.LYRICS),
    ("upsample_tags", "upsample_tags", Kind.STYLE),
    ("persona", "persona", Kind.PERSONA),
    ("mp4", "mp4", Kind.VIDEO),
    ("wav", "wav", Kind.WAV),
    ("timeline", "timestamped_lyrics", Kind.TIMESTAMPS),
    ("downbeats", "downbeats", Kind.OTHER),
]


def asking(body: Any, path: str = SUBMIT, method: str = "POST") -> Request:
    return Request(method=method, path=path, body=body if isinstance(body, bytes) else json.dumps(body).encode())


def submission(stage: Stage = Stage.ACCEPTED, operation: Operation = GENERATE, **fields: Any) -> Submission:
    plain = Submission(
        id="sub_1",
        provider="cqtai",
        operation=operation.name,
        kind=operation.kind,
        stage=stage,
        created_at=utc_now(),
        task_id="t-1",
    )
    return replace(plain, **fields)


def parse(name: str) -> Report:
    sample = SAMPLES[name]
    operation = next((row for row in CQT.rows() if row.kind == sample.folder), CQT.operation("brand_new"))
    return CQT.parse_status(operation, Reply(status=200, body=sample.body))


def failure(name: str) -> Failure:
    report = parse(name)
    assert report.stage is Stage.FAILED
    assert report.error is not None
    return report.error


def test_table_holds_the_tasks_whose_values_are_known() -> None:
    assert {(task, row.name, row.kind) for task, row in TASKS.items()} == set(ROWS)


@pytest.mark.parametrize(("task", "name", "kind"), ROWS, ids=[row[0] for row in ROWS])
def test_task_of_the_body_names_the_operation(task: str, name: str, kind: Kind) -> None:
    found = CQT.find(asking({"task": task, "clipId": "c"}))
    assert found is not None
    assert (found.name, found.kind, found.path, found.record) == (name, kind, SUBMIT, "/api/cqt/info/suno")
    assert (found.callback_field, found.instant) == (None, False)
    some = ANY_FILE if kind in (Kind.STEMS, Kind.WAV, Kind.VIDEO) else None
    assert found.main_role == ("audio" if kind is Kind.MUSIC else some)


@pytest.mark.parametrize("body", [{"task": "remaster"}, {"task": 5}, {}, b"", b"[]", b"not JSON"], ids=range(6))
def test_any_other_task_is_a_submission_that_passes_untouched(body: Any) -> None:
    request = asking(body)
    found = CQT.find(request)
    assert found is not None
    assert (found.name, found.kind, found.record is None) == ("other", Kind.OTHER, False)
    assert CQT.prepare(request, found, "https://me.example/callbacks/x") is request


def test_nothing_else_is_a_submission() -> None:
    for request in (asking({"task": "create"}, method="PUT"), asking({"task": "create"}, "/api/cqt/generator/nano")):
        assert CQT.find(request) is None


def test_operation_that_went_away_is_asked_about_all_the_same() -> None:
    row = CQT.operation("gone_in_this_version")
    assert (row.kind, row.record, row.callback_field) == (Kind.OTHER, "/api/cqt/info/suno", None)


def test_results_are_asked_for_early_because_nothing_is_called_back() -> None:
    for row in (*CQT.rows(), CQT.operation("other")):
        assert row.ask_from is not None
        assert timedelta(seconds=5) <= row.ask_from < row.deadline


def test_callback_url_goes_where_the_configuration_says_should_there_be_a_place_for_it() -> None:
    told = Cqt.model_validate({"type": "cqt", "api_key": "key", "callback_field": "notify"})
    row = told.find(asking({"task": "wav"}))
    assert row is not None
    ours = told.prepare(asking({"task": "wav", "notify": "https://app.example/x"}), row, "https://me.example/y")
    assert json.loads(ours.body) == {"task": "wav", "notify": "https://me.example/y"}
    assert told.client_callback(ours, row) == "https://me.example/y"


def test_key_is_sent_as_a_bearer() -> None:
    assert CQT.credentials() == {"authorization": "Bearer key"}


def test_request_tells_its_title_and_the_task_it_goes_on_from() -> None:
    request = asking({"task": "replace_section", "taskId": "t-0", "title": " Night\n Ferry ", "prompt": "p"})
    assert CQT.describe(request) == "Night Ferry"
    assert CQT.parent(request, GENERATE) == "t-0"
    assert (CQT.describe(asking(b"x")), CQT.parent(asking(b"x"), GENERATE)) == (None, None)


PATHS = [
    ("/api/cqt/info/suno?id={id}", "/api/cqt/info/suno?id=t-1"),
    ("/api/cqt/v2/sunoinfo?id={id}", "/api/cqt/v2/sunoinfo?id=t-1"),
    ("/api/cqt/suno/v1/sunoInfo?taskId={id}", "/api/cqt/suno/v1/sunoInfo?taskId=t-1"),
]


@pytest.mark.parametrize(("template", "path"), PATHS, ids=["now", "before", "first"])
def test_status_path_is_a_matter_of_configuration(template: str, path: str) -> None:
    told = Cqt.model_validate({"type": "cqt", "api_key": "key", "status_path": template})
    request = told.status_request(submission())
    assert request is not None
    assert (request.method, request.path) == ("GET", path)
    # Old pollers ask under whatever path they were written for.
    assert [CQT.asked_task(Request(method="GET", path=known)) for _, known in PATHS] == ["t-1"] * 3


@pytest.mark.parametrize("path", ["/api/cqt/info/suno", "api/x?id={id}", "/x?id={id}&y={id}", "/x/{id}", "/x?id={ID}"])
def test_status_path_that_can_not_name_the_task_is_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        Cqt.model_validate({"type": "cqt", "api_key": "key", "status_path": path})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/cqt/info/suno?id=t"),
        ("GET", "/api/cqt/info/suno"),
        ("GET", "/api/cqt/info/suno?id="),
        ("GET", "/api/cqt/info/suno?id=a&id=b"),
        ("GET", "/api/cqt/info/nano?id=t"),
    ],
)
def test_other_calls_are_no_status_call_about_one_task(method: str, path: str) -> None:
    assert CQT.asked_task(Request(method=method, path=path)) is None


def test_task_id_is_the_bare_text_in_data() -> None:
    reply = Reply(status=200, body=SAMPLES["reply/reply.accepted.http-200"].body)
    assert CQT.read_reply(GENERATE, reply).task_id == "5f0c6b1e2d3a4958b7c6d5e4f3a2b1c0"
    first = Reply(status=200, body=SAMPLES["reply/reply.accepted.http-200-first-api"].body)
    assert CQT.read_reply(GENERATE, first).task_id == "123456"


def test_text_that_is_no_id_is_not_taken_for_one() -> None:
    verdict = CQT.read_reply(GENERATE, Reply(status=200, body=b'{"code": 200, "data": "[Verse] Lanterns"}'))
    assert (verdict.stage, verdict.task_id) == (Stage.ACCEPTED, None)


REFUSALS = [(401, False), (402, False), (429, True), (451, False)]


@pytest.mark.parametrize(("code", "retryable"), REFUSALS)
def test_refusal_means_the_same_as_http_status_and_as_code(code: int, retryable: bool) -> None:
    body = json.dumps({"code": code, "msg": "refused", "data": None}).encode()
    as_code = CQT.read_reply(GENERATE, Reply(status=200, body=body))
    as_status = CQT.read_reply(GENERATE, Reply(status=code, body=b'{"msg": "refused"}'))
    bare = CQT.read_reply(GENERATE, Reply(status=code, body=b""))
    assert as_code == as_status
    assert as_code.stage is bare.stage is Stage.REJECTED
    assert as_code.error is not None
    assert (as_code.error.code, as_code.error.retryable) == (str(code), retryable)
    assert as_code.error.meaning == SUBMIT_MEANINGS[str(code)].meaning


def test_success_needs_the_http_status_and_the_code() -> None:
    body = b'{"code": 200, "data": "t"}'
    stages = [CQT.read_reply(GENERATE, Reply(status=status, body=body)).stage for status in (200, 201, 400, 500)]
    assert stages == [Stage.ACCEPTED, Stage.ACCEPTED, Stage.REJECTED, Stage.UNKNOWN]


@pytest.mark.parametrize(
    ("name", "enveloped"),
    [
        ("http-200-code-500", True),
        ("http-500-no-code", True),
        ("http-502-html", False),
        ("http-404-html", False),
        ("http-200-no-code", False),
    ],
)
def test_answer_that_is_not_the_providers_own_is_told_from_one_that_is(name: str, enveloped: bool) -> None:
    sample = SAMPLES[f"reply/reply.unknown.{name}"]
    verdict = CQT.read_reply(GENERATE, Reply(status=int(name.split("-")[1]), body=sample.body))
    assert (verdict.stage, verdict.enveloped) == (Stage.UNKNOWN, enveloped)


def test_one_number_has_two_advices() -> None:
    moderated, artist = (
        failure("music/status.failed.moderation-as-code"),
        failure("music/status.failed.artist-in-the-task"),
    )
    assert (moderated.code, artist.code) == ("451", "451")
    assert "artist" in (artist.advice or "")
    assert "artist" not in (moderated.advice or "")
    assert (moderated.retryable, artist.retryable) == (False, False)


@pytest.mark.parametrize(
    ("name", "code", "refunded"),
    [
        ("failed", "failed", True),
        ("error-keeps-its-clip", "error", True),
        ("code-500-failed", "500", True),
        ("code-500-with-the-task", "500", True),
        ("moderation-as-code", "451", None),
    ],
)
def test_credits_of_a_failed_task_are_given_back(name: str, code: str, refunded: bool | None) -> None:
    error = failure(f"music/status.failed.{name}")
    assert (error.code, error.refunded) == (code, refunded)


def test_failed_task_keeps_what_it_made() -> None:
    assert [result.title for result in parse("music/status.failed.error-keeps-its-clip").results] == ["Night Ferry"]


def test_meanings_are_sentences() -> None:
    for known in (*SUBMIT_MEANINGS.values(), *TASK_MEANINGS.values()):
        assert known.meaning[0].isupper()
        assert known.meaning.endswith(".")
        assert known.advice.endswith(".")


def test_status_call_that_failed_for_itself_says_nothing_about_the_song() -> None:
    for status, body in ((500, b'{"code": 500, "msg": "failed"}'), (429, b'{"msg": "x"}'), (402, b'{"code": 402}')):
        with pytest.raises(Unrecognised, match="HTTP"):
            CQT.parse_status(GENERATE, Reply(status=status, body=body))


def test_song_carries_all_that_its_clip_says() -> None:
    first, second = parse("music/status.complete.two-clips").results
    assert (first.id[-1], second.id[-1]) == ("1", "2")
    assert first == Result(
        id="8551a3f0-1c2d-4e5f-9a6b-7c8d9e0f1a21",
        title="Night Ferry",
        duration=197.44,
        tags="indie folk, warm",
        lyrics="[Verse]\nLanterns on the water",
        model="chirp-v5",
        files=(
            File("audio", "https://cdn1.example/ferry-1.mp3"),
            File("image", "https://cdn2.example/image_large_1.jpeg", ("https://cdn2.example/image_1.jpeg",)),
            File("video", "https://cdn1.example/ferry-1.mp4"),
        ),
    )


def test_what_streams_is_not_the_song() -> None:
    (result,) = parse("music/status.pending.audio-on-streaming-host").results
    assert result.file("audio") is None
    assert result.file("stream") is not None


def test_files_made_along_the_way_are_found_wherever_they_show() -> None:
    clip, rest = parse("music/status.complete.files-made-along-the-way").results
    assert clip.file("wav") == File("wav", "https://cdn1.example/ferry-1.wav")
    assert rest.file("video") == File("video", "https://cdn1.example/export.mp4")


def test_stem_is_named_by_its_group() -> None:
    results = parse("stems/status.complete.three-stems").results
    assert [result.files[0].role for result in results] == ["vocals", "backing_vocals", "drums"]


def test_timeline_becomes_words() -> None:
    (result,) = parse("timestamps/status.complete.aligned-words").results
    assert result.data == {
        "words": [
            {"word": "[Verse]\nLanterns ", "start": 0.0, "end": 1.62},
            {"word": "on ", "start": 1.62, "end": 1.9},
        ]
    }


@pytest.mark.parametrize(
    ("name", "data", "files"),
    [
        ("wav/status.complete.address", None, (File("wav", "https://cdn1.example/ferry-1.wav"),)),
        ("wav/status.complete.result-url", None, (File("wav", "https://cdn1.example/ferry-1.wav"),)),
        (
            "video/status.complete.address-in-an-object",
            {"clipId": "8551"},
            (File("video", "https://cdn1.example/ferry-1.mp4"),),
        ),
        ("lyrics/status.complete.text", {"result": "[Verse]\nLanterns on the water"}, ()),
        ("style/status.complete.tags", {"tags": "indie folk, warm, close harmonies"}, ()),
        ("persona/status.complete.persona", {"persona_id": "p-1", "name": "Ferry"}, ()),
        ("other/status.complete.downbeats", {"downbeats": [0.5, 2.5, 4.5]}, ()),
        (
            "other/status.complete.unknown-shape",
            {"remaster": {"hdUrl": "https://cdn1.example/hd.wav", "score": 3}},
            (File("hd", "https://cdn1.example/hd.wav"),),
        ),
    ],
    ids=lambda value: value.partition("/")[0] if isinstance(value, str) else "",
)
def test_result_of_unknown_shape_is_passed_on(name: str, data: Any, files: tuple[File, ...]) -> None:
    (result,) = parse(name).results
    assert (result.data, result.files) == (data, files)


@pytest.mark.parametrize("name", [name for name in SAMPLES if "/status.complete" in name or "/status.failed" in name])
def test_rendered_status_reads_back_the_same(name: str) -> None:
    sample = SAMPLES[name]
    operation = next(row for row in CQT.rows() if row.kind == sample.folder)
    report = CQT.parse_status(operation, Reply(status=200, body=sample.body))
    assert report.stage is not None
    told = submission(report.stage, operation, results=report.results, error=report.error, task_id=report.task_id)
    reply = CQT.render_status(told)
    again = CQT.parse_status(operation, reply)
    assert (reply.status, again.stage, again.task_id) == (200, report.stage, report.task_id)
    if len(report.results) == 1 or operation.kind in (Kind.MUSIC, Kind.STEMS):
        wanted = report.results if report.stage is Stage.COMPLETE else again.results
        assert [(one.id, one.title, one.duration) for one in again.results if one.title] == [
            (one.id, one.title, one.duration) for one in wanted if one.title
        ]
        assert {file.url for one in again.results for file in one.files} == {
            file.url for one in report.results for file in one.files
        }


def test_old_poller_sees_the_providers_own_words() -> None:
    clip = Result(id="c-1", title="Night Ferry", files=(File("audio", "https://x.example/a.mp3"),))
    body = json.loads(CQT.render_status(submission(Stage.COMPLETE, results=(clip,))).body)
    assert (body["code"], body["data"]["id"], body["data"]["taskType"]) == (200, "t-1", "create")
    assert body["data"]["status"] == "succeeded"
    assert body["data"]["result"][0]["audio_url"] == "https://x.example/a.mp3"


def test_repeated_submission_gets_the_answer_it_would_have_had() -> None:
    accepted = CQT.render_reply(submission(Stage.COMPLETE))
    assert json.loads(accepted.body) == {"code": 200, "msg": "success", "data": "t-1"}
    error = Failure(code="429", message="Task limit reached")
    rejected = CQT.render_reply(submission(Stage.REJECTED, error=error))
    assert json.loads(rejected.body) == {"code": 429, "msg": "Task limit reached", "data": None}
    assert CQT.read_reply(GENERATE, rejected).stage is Stage.REJECTED


def test_unknown_task_is_an_error_in_the_providers_envelope() -> None:
    reply = CQT.render_no_task(Request(method="GET", path="/api/cqt/info/suno?id=x"))
    assert json.loads(reply.body)["code"] != 200


def test_what_this_version_does_not_know_is_named_without_its_value() -> None:
    body = {
        "code": 200,
        "hint": 1,
        "data": {"status": "almost", "fee": 2, "result": [{"audio_url": "", "status": "odd", "beat": 9}]},
    }
    assert CQT.unknown(GENERATE, json.dumps(body).encode(), status=True) == (
        "data.fee",
        "data.result[].beat",
        "data.result[].status=odd",
        "data.status=almost",
        "hint",
    )
    assert CQT.unknown(GENERATE, b"<html>", status=True) == ()
    assert CQT.unknown(GENERATE, SAMPLES["music/status.complete.two-clips"].body, status=True) == ()
