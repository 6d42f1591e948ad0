"""The five resellers that config/examples describe, driven with answers of the shape that their pages show."""

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from receiver.events import Event, Failure, Kind, Stage, Submission, Trust, utc_now
from receiver.providers.base import Reply, Request
from receiver.providers.generic import Generic
from tests.support.provider_makers import EXAMPLES, example

SAMPLES = Path(__file__).parents[2] / "samples" / "generic"
URL = "https://me.example/callbacks/" + "t" * 43


@dataclass(frozen=True, slots=True)
class Case:
    """A client's request, the task's id, the path of the status call, and the song's length in seconds."""

    name: str
    path: str
    body: dict[str, object]
    task_id: str
    status_path: str
    length: float

    @property
    def provider(self) -> Generic:
        return example(self.name)


CASES = [
    Case(
        "acedata", "/suno/audios", {"action": "generate"}, "e72fb249-bd5b-4e2a-b20c-8a06fea5ac14", "/suno/tasks", 154.92
    ),
    Case(
        "piapi",
        "/api/v1/task",
        {"model": "suno", "task_type": "music", "input": {}},
        "b90d65e9-b446-468d-aa4b-5003e2b79970",
        "/api/v1/task/b90d65e9-b446-468d-aa4b-5003e2b79970",
        144.88,
    ),
    Case(
        "musicapi",
        "/api/v1/sonic/create",
        {"task_type": "create_music"},
        "b90d65e9-b446-468d-aa4b-5003e2b79970",
        "/api/v1/sonic/task/b90d65e9-b446-468d-aa4b-5003e2b79970",
        104.88,
    ),
    Case(
        "sunoapi-com",
        "/api/v1/suno/create",
        {"mv": "chirp-v5"},
        "b90d65e9-b446-468d-aa4b-5003e2b79970",
        "/api/v1/suno/task/b90d65e9-b446-468d-aa4b-5003e2b79970",
        104.88,
    ),
    Case(
        "new-api",
        "/suno/submit/music",
        {"prompt": "x"},
        "346c5d10-a4a1-4f49-a851-66a7dae6cfaf",
        "/suno/fetch/346c5d10-a4a1-4f49-a851-66a7dae6cfaf",
        128.92,
    ),
]
NAMES = [case.name for case in CASES]
PLACES = {
    "acedata": ["callback_url"],
    "piapi": ["config", "webhook_config", "endpoint"],
    "musicapi": ["webhook_url"],
    "sunoapi-com": ["webhook_url"],
    "new-api": ["notify_hook"],
}

every_example = pytest.mark.parametrize("case", CASES, ids=NAMES)


def sample(name: str, what: str) -> bytes:
    return (SAMPLES / name / f"{what}.json").read_bytes()


def submission(provider: Generic, stage: Stage, task_id: str) -> Submission:
    return Submission(
        id="sub_1",
        provider=provider.type,
        operation="generate",
        kind=Kind.MUSIC,
        stage=stage,
        created_at=utc_now(),
        task_id=task_id,
    )


def test_every_example_is_driven() -> None:
    assert {path.stem.removeprefix("provider-") for path in EXAMPLES.glob("provider-*.yaml")} == set(NAMES)


@every_example
def test_submission_carries_our_url_where_it_is_wanted(case: Case) -> None:
    provider = case.provider
    request = Request(method="POST", path=case.path, body=json.dumps(case.body).encode())
    operation = provider.find(request)
    assert operation is not None
    assert (operation.name, operation.kind, operation.main_role) == ("generate", Kind.MUSIC, "audio")
    sent = json.loads(provider.prepare(request, operation, URL).body)
    found = sent
    for key in PLACES[case.name]:
        found = found[key]
    assert found == URL
    secret = {"piapi": ("config", "webhook_config", "secret"), "musicapi": ("webhook_secret",)}.get(case.name, ())
    for key in secret:
        sent = sent[key]
    assert not secret or sent == "s3cret"


@every_example
def test_reply_callback_and_status_answer_of_the_documented_shape_are_understood(case: Case) -> None:
    provider = case.provider
    operation = provider.operation("generate")
    verdict = provider.read_reply(operation, Reply(status=200, body=sample(case.name, "reply")))
    assert (verdict.stage, verdict.task_id) == (Stage.ACCEPTED, case.task_id)
    called = provider.parse_callback(operation, {}, sample(case.name, "callback"))
    asked = provider.parse_status(operation, Reply(status=200, body=sample(case.name, "status")))
    for report in (called, asked):
        assert report.stage is Stage.COMPLETE
        assert report.task_id in (case.task_id, None)
        assert [(one.title, one.duration) for one in report.results] == [("Night Ferry", case.length)] * 2
        assert [one.files[0].url for one in report.results] == [
            "https://cdn1.example/1.mp3",
            "https://cdn1.example/2.mp3",
        ]
        assert {one.id for one in report.results}.isdisjoint({"1", "2"})
        assert all(one.file("image") and one.lyrics and one.tags for one in report.results)


@every_example
def test_status_call_is_made_and_recognised(case: Case) -> None:
    provider = case.provider
    request = provider.status_request(submission(provider, Stage.ACCEPTED, case.task_id))
    assert request is not None
    assert request.path == case.status_path
    assert provider.asked_task(request) == case.task_id
    assert provider.find(request) is None
    assert provider.asked_task(replace(request, path=request.path + "/more")) is None
    assert provider.asked_task(replace(request, method="PUT")) is None


@every_example
def test_what_is_rendered_reads_back_the_same(case: Case) -> None:
    provider = case.provider
    operation = provider.operation("generate")
    report = provider.parse_status(operation, Reply(status=200, body=sample(case.name, "status")))
    done = replace(submission(provider, Stage.COMPLETE, case.task_id), results=report.results)
    again = provider.parse_status(operation, provider.render_status(done))
    assert (again.stage, [one.id for one in again.results]) == (Stage.COMPLETE, [one.id for one in report.results])
    assert [one.files[0].url for one in again.results] == [one.files[0].url for one in report.results]
    error = Failure(code="quota", message="The quota is used up.")
    failed = replace(submission(provider, Stage.FAILED, case.task_id), error=error)
    told = provider.parse_status(operation, provider.render_status(failed))
    assert told.stage is Stage.FAILED
    assert told.error is not None
    assert told.error.message == error.message
    assert provider.read_reply(operation, provider.render_reply(done)).task_id == case.task_id
    rejected = provider.render_reply(replace(failed, stage=Stage.REJECTED))
    assert provider.read_reply(operation, rejected).stage is Stage.REJECTED
    assert provider.render_no_task(Request(method="GET", path=case.status_path)).status == 404


@every_example
def test_callback_is_rendered_for_the_client(case: Case) -> None:
    provider = case.provider
    operation = provider.operation("generate")
    report = provider.parse_callback(operation, {}, sample(case.name, "callback"))
    event = Event(
        id="evt_1",
        type="music.complete",
        stage="complete",
        task_id=case.task_id,
        results=report.results,
        occurred_at=utc_now(),
        received_at=utc_now(),
    )
    again = provider.parse_callback(operation, {}, provider.render_callback(event))
    assert (again.stage, len(again.results)) == (Stage.COMPLETE, 2)


def test_secret_that_comes_back_in_the_body_is_never_shown() -> None:
    provider = example("piapi")
    body = sample("piapi", "callback")
    assert "s3cret-of-ours" in provider.secrets(body)
    assert "s3cret-of-ours" not in str(provider.parse_callback(provider.operation("generate"), {}, body))


def test_secret_in_a_header_proves_the_callback() -> None:
    provider = example("piapi")
    assert provider.verify({"x-webhook-secret": "s3cret"}, b"{}", utc_now()) is Trust.SIGNED
    assert provider.verify({}, b"{}", utc_now()) is None
    assert provider.credentials() == {"x-api-key": "provider-key-123"}


def test_streaming_callback_is_not_the_end() -> None:
    provider = example("musicapi")
    report = provider.parse_callback(provider.operation("generate"), {}, sample("musicapi", "callback-streaming"))
    assert report.stage is None


def test_failed_task_says_why_under_either_spelling() -> None:
    provider = example("new-api")
    body = json.loads(sample("new-api", "callback-failed"))
    for spelling in ("fail_reason", "failReason"):
        told = {name: value for name, value in body.items() if name != "fail_reason"} | {spelling: "too long"}
        report = provider.parse_callback(provider.operation("generate"), {}, json.dumps(told).encode())
        assert report.stage is Stage.FAILED
        assert report.error is not None
        assert (report.error.code, report.error.message) == ("failure", "too long")


def test_body_tells_operations_of_one_path_apart() -> None:
    provider = example("acedata")

    def name_of(body: bytes) -> str:
        found = provider.find(Request(method="POST", path="/suno/audios/", body=body))
        return found.name if found else ""

    assert [name_of(body) for body in (b'{"action": "extend"}', b'{"action": "new"}', b"{}", b"x")] == [
        "extend",
        "generate",
        "generate",
        "generate",
    ]
    piapi = example("piapi")
    other = piapi.find(Request(method="POST", path="/api/v1/task", body=b'{"model": "luma"}'))
    assert other is not None
    assert (other.name, other.kind, other.record) == ("other", Kind.OTHER, "/api/v1/task/")
    assert other.callback_field == "config.webhook_config.endpoint"


def test_operation_that_answers_at_once_is_complete_with_what_it_made() -> None:
    provider = example("acedata")
    persona = provider.operation("persona")
    assert (persona.instant, persona.callback_field, persona.record) == (True, None, None)
    body = b'{"success": true, "task_id": "t", "data": {"persona_id": "p-1"}}'
    verdict = provider.read_reply(persona, Reply(status=200, body=body))
    assert (verdict.stage, verdict.results[0].data) == (Stage.COMPLETE, {"persona_id": "p-1"})


def test_status_call_about_several_tasks_passes() -> None:
    provider = example("acedata")
    for body in (
        b'{"ids": ["a"], "action": "retrieve_batch"}',
        b'{"id": ["a"], "action": "retrieve"}',
        b"",
        b'{"id": "a"}',
    ):
        assert provider.asked_task(Request(method="POST", path="/suno/tasks", body=body)) is None


def test_deadlines_are_those_of_the_kind() -> None:
    provider = example("new-api")
    assert [row.deadline for row in provider.rows()] == [timedelta(minutes=5), timedelta(minutes=2)]
    assert [row.ask_from for row in provider.rows()] == [None, None]
