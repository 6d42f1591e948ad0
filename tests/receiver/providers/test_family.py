import pytest
from pydantic import SecretStr

from receiver.errors import Unrecognised
from receiver.events import Kind, Stage, Submission, Trust, utc_now
from receiver.providers.base import Operation, Reply, Request
from receiver.providers.sunoapi import SunoApi
from receiver.stages import Report
from tests.support.provider_samples import load_samples

SUNO = SunoApi(type="sunoapi", api_key=SecretStr("key"))
GENERATE = SUNO.operation("generate")
OTHER = Operation(name="other", kind=Kind.OTHER, path="/api/v1/brand-new")
TASK = "6f1c0e52a9d84b7f"
RECORD = "/api/v1/generate/record-info"
Error = tuple[str, bool | None]
SAMPLES = {one.name: one for one in load_samples("sunoapi") if one.folder in {"music", "reply"}}


def test_body_reaches_the_provider_byte_for_byte_but_for_our_url() -> None:
    body = b'{ "prompt":"\\u00e4", "weight":0.650, "n":12345678901234567890,\n "callBackUrl":"https://app.example/x" }'
    request = Request(method="POST", path="/api/v1/generate", headers={"content-type": "application/json"}, body=body)
    prepared = SUNO.prepare(request, GENERATE, "https://r.example/callbacks/t")
    assert prepared.body == body.replace(b"https://app.example/x", b"https://r.example/callbacks/t")
    assert (prepared.method, prepared.path, prepared.headers) == (request.method, request.path, request.headers)


def test_operation_without_a_callback_passes_untouched() -> None:
    operation = Operation(name="style_boost", kind=Kind.STYLE, path="/api/v1/style/generate", callback_field=None)
    request = Request(method="POST", path=operation.path, body=b"whatever, with callBackUrl")
    assert SUNO.prepare(request, operation, "https://r.example") is request
    assert SUNO.client_callback(request, operation) is None


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"callBackUrl":"https://app.example"}', "https://app.example"),
        (b'{"input":{"callBackUrl":"https://app.example"}}', None),
        (b'{"callBackUrl":7}', None),
        (b"--boundary\r\ncallBackUrl", None),
    ],
)
def test_unknown_post_is_told_by_its_callback_field(body: bytes, found: str | None) -> None:
    assert SUNO.client_callback(Request(method="POST", path=OTHER.path, body=body), OTHER) == found


@pytest.mark.parametrize(
    ("name", "stage", "task_id", "enveloped", "error"),
    [
        ("reply.accepted.http-200", Stage.ACCEPTED, TASK, True, None),
        ("reply.accepted.http-200-snake-task-id", Stage.ACCEPTED, TASK, True, None),
        ("reply.accepted.http-200-no-task-id", Stage.ACCEPTED, None, True, None),
        ("reply.rejected.http-200-code-422", Stage.REJECTED, None, True, ("422", False)),
        ("reply.rejected.http-200-code-429", Stage.REJECTED, None, True, ("429", False)),
        ("reply.rejected.http-401-code-401", Stage.REJECTED, None, True, ("401", False)),
        ("reply.rejected.http-200-code-430", Stage.REJECTED, None, True, ("430", True)),
        ("reply.rejected.http-200-code-477-undocumented", Stage.REJECTED, None, True, ("477", None)),
        ("reply.unknown.http-200-code-408", Stage.UNKNOWN, None, True, ("408", None)),
        ("reply.unknown.http-500-code-500", Stage.UNKNOWN, None, True, ("500", None)),
        ("reply.unknown.http-200-code-505", Stage.UNKNOWN, TASK, True, ("505", None)),
        ("reply.unknown.http-404-json-without-code", Stage.UNKNOWN, None, False, ("404", None)),
        ("reply.unknown.http-502-html", Stage.UNKNOWN, None, False, ("502", None)),
        ("reply.unknown.http-200-array", Stage.UNKNOWN, None, False, ("200", None)),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
def test_reply_is_read_by_its_envelope(
    name: str, stage: Stage, task_id: str | None, enveloped: bool, error: Error | None
) -> None:
    found = SAMPLES[name]
    verdict = SUNO.read_reply(GENERATE, Reply(status=int(found.note.split("-")[1]), body=found.body))
    assert (verdict.stage, verdict.task_id, verdict.enveloped) == (stage, task_id, enveloped)
    assert (verdict.error and (verdict.error.code, verdict.error.retryable)) == error


def test_refusal_carries_the_providers_words_and_ours() -> None:
    verdict = SUNO.read_reply(GENERATE, Reply(status=200, body=SAMPLES["reply.rejected.http-200-code-429"].body))
    assert verdict.error is not None
    assert verdict.error.message == "The current credits are insufficient. Please top up."
    assert verdict.error.meaning == "Your account at the provider has too few credits."
    assert verdict.error.advice == "Buy credits at the provider, then submit again."


def parse(name: str) -> Report:
    found = SAMPLES[name]
    if found.what == "callback":
        return SUNO.parse_callback(GENERATE, {}, found.body)
    return SUNO.parse_status(GENERATE, Reply(status=200, body=found.body))


@pytest.mark.parametrize(
    ("holder", "task_id"),
    [
        ('"data":{"task_id":"a","taskId":"b"},"task_id":"c","taskId":"d"', "a"),
        ('"data":{"task_id":"","taskId":"b"},"task_id":"c","taskId":"d"', "b"),
        ('"data":{},"task_id":"c","taskId":"d"', "c"),
        ('"data":null,"taskId":"d"', "d"),
        ('"data":{"taskId":12345678901234567890}', "12345678901234567890"),
        ('"data":{"taskId":true}', None),
    ],
)
def test_task_id_is_looked_for_in_four_places(holder: str, task_id: str | None) -> None:
    assert SUNO.parse_callback(GENERATE, {}, f'{{"code":200,{holder}}}'.encode()).task_id == task_id


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("callback.unrecognised.neither-code-nor-data", "the body has neither a code nor data"),
        ("callback.unrecognised.an-array", "the body must be a JSON object"),
        ("callback.unrecognised.html", "the body is not JSON: expecting value, line 1 column 1"),
        ("status.unrecognised.bad-key", "the status call was answered with code 401"),
        ("status.unrecognised.no-code", "the answer to the status call (HTTP 200) has no code"),
    ],
)
def test_unrecognised_body_is_refused_with_one_sentence(name: str, message: str) -> None:
    with pytest.raises(Unrecognised) as caught:
        parse(name)
    assert str(caught.value) == message


def test_callback_is_trusted_as_far_as_its_token() -> None:
    assert SUNO.verify({"x-sunoapi-signature": "anything"}, b"{}", utc_now()) is Trust.TOKEN


def test_status_call_asks_for_the_task() -> None:
    submission = Submission(
        id="sub_1",
        provider="suno",
        operation="extend",
        kind=Kind.MUSIC,
        stage=Stage.ACCEPTED,
        created_at=utc_now(),
        task_id=TASK,
    )
    assert SUNO.status_request(submission) == Request(method="GET", path=f"{RECORD}?taskId={TASK}")
