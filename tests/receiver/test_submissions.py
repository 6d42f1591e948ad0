import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from receiver.errors import NotSent, StoreUnavailable, Unreachable
from receiver.events import Kind, Stage, Submission
from receiver.outbound import Answer
from receiver.tokens import Scope, Signer
from tests.support.deliveries import make_answer
from tests.support.gateway import ACCEPTED, BODY, CLIENT, house
from tests.support.kit import Kit, kit


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path) as made:
        yield made


async def test_a_submission_is_forwarded_with_our_callback_and_the_providers_key(base: Kit) -> None:
    made = house(base)
    answered = await made.post()
    (sent,) = made.http.sent
    assert (sent.method, sent.url) == ("POST", "http://127.0.0.1:1/api/v1/generate")
    assert sent.headers["authorization"] == "Bearer provider-key-123"
    assert isinstance(sent.content, bytes)
    assert sent.content.startswith(BODY.removesuffix(b"}"))
    callback = json.loads(sent.content)["callBackUrl"]
    submission = await made.stored(answered)
    assert made.signer.open(Scope.CALLBACK, callback.rpartition("/")[2]) == submission.id.removeprefix("sub_")


async def test_the_answer_comes_back_as_it_was(base: Kit) -> None:
    made = house(base, make_answer(200, ACCEPTED, **{"content-type": "application/json", "x-secret": "1"}))
    answered = await made.post()
    assert (answered.status, answered.body) == (200, ACCEPTED)
    assert answered.header("content-type") == "application/json"
    assert answered.header("x-receiver-callback") == "set"
    assert answered.header("x-secret") is None


async def test_an_accepted_submission_has_its_task_labels_and_deadline(base: Kit) -> None:
    made = house(base)
    submission = await made.stored(await made.post(headers=[*CLIENT, ("x-receiver-labels", "user=42")]))
    assert (submission.stage, submission.task_id, submission.client) == (Stage.ACCEPTED, "task-1", "app")
    assert submission.labels == {"project": "podcast", "user": "42"}
    assert submission.deadline_at is not None
    assert (submission.deadline_at - submission.created_at).total_seconds() == 300
    assert await base.types() == ["submission.accepted"]


async def test_labels_of_the_request_win_over_the_clients(base: Kit) -> None:
    answered = await house(base).post(headers=[*CLIENT, ("x-receiver-labels", "project=film, user=42")])
    assert (await house(base).stored(answered)).labels == {"project": "film", "user": "42"}


async def test_the_submission_is_on_disk_before_it_is_forwarded(base: Kit) -> None:
    made = house(base)
    seen: list[Any] = []
    original = made.http.request

    async def look_first(*args: Any, **kwargs: Any) -> Answer:
        token = json.loads(kwargs["content"])["callBackUrl"].rpartition("/")[2]
        stored = await base.store.submission(f"sub_{made.signer.open(Scope.CALLBACK, token)}")
        seen.append(stored.stage if stored else None)
        return await original(*args, **kwargs)

    made.http.request = look_first  # type: ignore[method-assign]  # looks at the moment of the call
    await made.post()
    assert seen == [Stage.SENDING]


async def test_nothing_is_sent_that_could_not_be_stored(base: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*args: Any) -> None:
        raise StoreUnavailable("the disk is full")

    made = house(base)
    monkeypatch.setattr(base.store, "add", full)
    assert (await made.post()).status == 503
    assert made.http.sent == []


@pytest.mark.parametrize(
    ("answer", "stage", "status"),
    [
        (make_answer(200, b'{"code":422,"msg":"Please enter callBackUrl."}'), Stage.REJECTED, 200),
        (make_answer(401, b'{"code":401,"msg":"bad key"}'), Stage.REJECTED, 401),
        (make_answer(200, b'{"code":500,"msg":"oops"}'), Stage.UNKNOWN, 200),
        (make_answer(200, b'{"code":408,"msg":"late"}'), Stage.UNKNOWN, 200),
        (make_answer(502, b"<html>bad gateway</html>"), Stage.UNKNOWN, 504),
        (make_answer(200, b""), Stage.UNKNOWN, 504),
        (Unreachable("127.0.0.1 did not answer"), Stage.UNKNOWN, 504),
        (NotSent("127.0.0.1 refused the connection"), Stage.REJECTED, 502),
    ],
    ids=["422 in 200", "401", "500 in 200", "408 in 200", "html", "empty", "no answer", "not sent"],
)
async def test_each_reply_is_told_apart(base: Kit, answer: Answer | Exception, stage: Stage, status: int) -> None:
    made = house(base, answer)
    answered = await made.post()
    assert answered.status == status
    assert (await made.stored(answered)).stage is stage
    assert await base.types() == [f"submission.{stage}"]
    assert len(made.http.sent) == 1


async def test_an_unknown_outcome_says_not_to_send_again(base: Kit) -> None:
    answered = await house(base, Unreachable("127.0.0.1 did not answer")).post()
    detail = answered.json()["detail"]
    assert "do not send it again" in detail
    assert (answered.header("x-receiver-submission") or "?") in detail


@pytest.mark.parametrize(
    ("body", "title"),
    [
        (b'{"title":"Night Ferry","prompt":"x"}', "Night Ferry"),
        (b'{"prompt":"a ferry\\n at night"}', "a ferry at night"),
        (b'{"prompt":"' + b"la " * 100 + b'"}', ("la " * 100)[:80]),
        (b'{"title":["x"],"prompt":{}}', None),
        (b"{}", None),
    ],
    ids=["title", "prompt", "long", "no text", "neither"],
)
async def test_what_the_client_calls_it_is_kept(base: Kit, body: bytes, title: str | None) -> None:
    made = house(base)
    assert (await made.stored(await made.post(body=body))).title == title


async def test_the_clients_own_callback_is_replaced_and_kept(base: Kit) -> None:
    made = house(base)
    answered = await made.post(body=b'{"callBackUrl":"https://mine.example/hook","prompt":"x"}')
    content = made.http.sent[0].content
    assert isinstance(content, bytes)
    assert b"mine.example" not in content
    assert (await made.stored(answered)).client_callback == "https://mine.example/hook"


async def test_the_default_provider_is_served_under_api_too(base: Kit) -> None:
    made = house(base)
    assert (await made.post("/api/v1/generate/extend")).status == 200
    assert made.http.sent[0].url == "http://127.0.0.1:1/api/v1/generate/extend"


@pytest.mark.parametrize("path", ["/suno//api/v1/generate", "/suno/api/v1/generate/"])
async def test_the_path_is_normalised(base: Kit, path: str) -> None:
    made = house(base)
    assert (await made.post(path)).status == 200
    assert made.http.sent[0].url == "http://127.0.0.1:1/api/v1/generate"


@pytest.mark.parametrize("path", ["/suno/../x", "/suno/%2e%2e/x", "/suno/api/%2E/x", "/suno/.."])
async def test_a_path_that_climbs_is_refused(base: Kit, path: str) -> None:
    made = house(base)
    assert (await made.post(path)).status == 400
    assert made.http.sent == []


@pytest.mark.parametrize("headers", [[], [("authorization", "Bearer wrong")], [("authorization", "Basic x")]])
async def test_a_stranger_reaches_nobody(base: Kit, headers: list[tuple[str, str]]) -> None:
    made = house(base)
    answered = await made.post(headers=headers)
    assert (answered.status, made.http.sent) == (401, [])


async def test_an_unknown_provider_is_not_found(base: Kit) -> None:
    assert (await house(base).post("/other/api/v1/generate")).status == 404


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'"x"', b"\xff"])
async def test_a_body_that_cannot_carry_a_callback_is_refused_and_not_sent(base: Kit, body: bytes) -> None:
    made = house(base)
    answered = await made.post(body=body)
    assert (answered.status, made.http.sent) == (400, [])
    assert answered.json()["detail"].startswith("Nothing was sent to the provider: ")


async def test_a_body_over_the_limit_is_refused_and_not_sent(base: Kit) -> None:
    made = house(base)
    answered = await made.post(body=b'{"prompt":"' + b"x" * 10_000 + b'"}')
    assert (answered.status, made.http.sent) == (413, [])


@pytest.mark.parametrize("labels", ["project", "=x", "a b=c", "x=" + "y" * 300, ",".join(f"l{n}=1" for n in range(21))])
async def test_bad_labels_are_refused_and_nothing_sent(base: Kit, labels: str) -> None:
    made = house(base)
    answered = await made.post(headers=[*CLIENT, ("x-receiver-labels", labels)])
    assert (answered.status, made.http.sent) == (400, [])


async def test_an_unknown_path_with_a_callback_is_a_submission_of_kind_other(base: Kit) -> None:
    made = house(base)
    answered = await made.post("/suno/api/v9/new", body=b'{"callBackUrl":"https://mine.example/hook"}')
    submission = await made.stored(answered)
    assert (submission.operation, submission.kind, submission.stage) == ("other", Kind.OTHER, Stage.ACCEPTED)
    content = made.http.sent[0].content
    assert isinstance(content, bytes)
    assert json.loads(content)["callBackUrl"].startswith("https://me.example/callbacks/")


async def test_an_unknown_path_that_answers_with_a_task_is_a_submission_too(base: Kit) -> None:
    made = house(base)
    answered = await made.post("/suno/api/v9/new", body=b'{"x":1}')
    submission = await made.stored(answered)
    assert (submission.kind, submission.task_id, submission.ask_at) == (Kind.OTHER, "task-1", None)
    assert answered.header("x-receiver-callback") == "none"
    assert made.http.sent[0].content == b'{"x":1}'


async def test_a_status_call_passes_through_with_its_query(base: Kit) -> None:
    made = house(base, make_answer(200, b'{"code":200,"data":null}'))
    answered = await made.post("/suno/api/v1/generate/record-info", b"", method="GET", query="taskId=a%2Fb&x=1")
    assert (answered.status, answered.body) == (200, b'{"code":200,"data":null}')
    assert made.http.sent[0].url == "http://127.0.0.1:1/api/v1/generate/record-info?taskId=a%2Fb&x=1"
    assert answered.header("x-receiver-callback") == "none"
    assert answered.header("x-receiver-submission") is None


async def test_only_listed_headers_pass(base: Kit) -> None:
    made = house(base)
    await made.post(
        headers=[*CLIENT, ("cookie", "a=b"), ("x-forwarded-for", "1.2.3.4"), ("accept", "application/json")]
    )
    assert set(made.http.sent[0].headers) == {"authorization", "content-type", "accept"}


async def test_our_secrets_are_redacted_where_the_provider_echoes_them(base: Kit) -> None:
    token = Signer(["secret"]).mint(Scope.CALLBACK, "0" * 32)
    echo = f'{{"code":200,"param":"https:\\/\\/me.example\\/callbacks\\/{token}","key":"provider-key-123"}}'
    answered = await house(base, make_answer(200, echo.encode())).post(method="GET")
    assert token.encode() not in answered.body
    assert b"provider-key-123" not in answered.body
    assert answered.json()["code"] == 200


async def test_a_callback_before_the_reply_is_kept(base: Kit) -> None:
    made = house(base)
    original = made.http.request

    async def call_back_first(*args: Any, **kwargs: Any) -> Answer:
        token = json.loads(kwargs["content"])["callBackUrl"].rpartition("/")[2]
        song = {"id": "a", "audio_url": "https://cdn.example/a.mp3"}
        body = json.dumps({"code": 200, "data": {"callbackType": "complete", "data": [song]}}).encode()
        await base.intake.receive(f"sub_{made.signer.open(Scope.CALLBACK, token)}", {}, body)
        return await original(*args, **kwargs)

    made.http.request = call_back_first  # type: ignore[method-assign]  # calls back in the middle of the call
    submission = await made.stored(await made.post())
    assert (submission.stage, submission.task_id) == (Stage.COMPLETE, "task-1")
    assert await base.types() == ["music.complete"]


async def test_the_client_gets_its_answer_although_the_reply_cannot_be_recorded(
    base: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, change = house(base), base.store.change

    async def full(subject: str | Submission, *rest: Any) -> Submission | None:
        if isinstance(subject, str):
            raise StoreUnavailable("the disk is full")
        return await change(subject, *rest)

    monkeypatch.setattr(base.store, "change", full)
    answered = await made.post()
    assert (answered.status, answered.body) == (200, ACCEPTED)
    assert (await made.stored(answered)).stage is Stage.SENDING
