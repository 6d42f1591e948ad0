"""`Idempotency-Key`: a repeat never reaches the provider a second time."""

import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from receiver.errors import NotSent, Unreachable
from receiver.events import Stage
from receiver.store.records import Key
from tests.support.deliveries import make_answer
from tests.support.gateway import ACCEPTED, BODY, CLIENT, House, house
from tests.support.kit import Kit, kit
from tests.support.web import Answered

KEYED = [*CLIENT, ("idempotency-key", "order-7")]
REFUSED = b'{"code":429,"msg":"The current credits are insufficient.","data":null}'


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path) as made:
        yield made


async def again(made: House, **changes: Any) -> Answered:
    return await made.post(**{"headers": KEYED} | changes)


async def test_a_repeat_gets_the_first_answer_and_is_not_sent(base: Kit) -> None:
    made = house(base)
    first, second = await again(made), await again(made)
    assert (second.status, second.body, len(made.http.sent)) == (200, ACCEPTED, 1)
    assert second.header("x-receiver-submission") == first.header("x-receiver-submission")
    assert second.header("content-type") == first.header("content-type")
    assert await base.types() == ["submission.accepted"]


async def test_without_a_key_a_retry_is_a_new_submission(base: Kit) -> None:
    made = house(base)
    first, second = await made.post(), await made.post()
    assert len(made.http.sent) == 2
    assert second.header("x-receiver-submission") != first.header("x-receiver-submission")


async def test_another_request_under_the_same_key_is_refused(base: Kit) -> None:
    made = house(base)
    await again(made)
    for changes in ({"body": b'{"prompt":"b"}'}, {"path": "/suno/api/v1/generate/extend"}):
        answered = await again(made, **changes)
        assert (answered.status, answered.json()["title"]) == (422, "Key used before")
    assert len(made.http.sent) == 1


@pytest.mark.parametrize(
    "refusal", [make_answer(200, REFUSED), NotSent("connection refused")], ids=["rejected", "not sent"]
)
async def test_what_was_rejected_frees_its_key(base: Kit, refusal: Any) -> None:
    made = house(base, refusal, make_answer(200, ACCEPTED))
    first = await again(made)
    second = await again(made)
    assert (second.status, second.body, len(made.http.sent)) == (200, ACCEPTED, 2)
    assert first.header("x-receiver-submission") != second.header("x-receiver-submission")


async def test_what_is_unknown_is_not_sent_again_until_it_is_settled(base: Kit) -> None:
    made = house(base, Unreachable("no answer"))
    first = await again(made)
    assert first.status == 504
    second = await again(made)
    assert (second.status, len(made.http.sent)) == (504, 1)
    assert "do not send it again" in second.json()["detail"]
    submission = await made.stored(first)
    body = {"callbackType": "text", "task_id": "task-9", "data": []}
    await base.intake.receive(submission.id, {}, json.dumps({"code": 200, "data": body}).encode())
    third = await again(made)
    assert (third.status, third.json()["data"]["taskId"], len(made.http.sent)) == (200, "task-9", 1)


async def test_what_is_in_flight_is_told_so(base: Kit) -> None:
    made = house(base)
    answers: list[Answered] = []
    request = made.http.request

    async def meanwhile(*arguments: Any, **named: Any) -> Any:
        answers.append(await again(made))
        return await request(*arguments, **named)

    object.__setattr__(made.http, "request", meanwhile)
    await again(made)
    assert (answers[0].status, answers[0].json()["title"]) == (409, "In flight")
    assert answers[0].header("retry-after") == "3"


async def test_what_a_crash_cut_off_is_unknown_after_two_minutes(base: Kit) -> None:
    made = house(base)
    sending = await base.expect(stage=Stage.SENDING, client="app")
    digest = sha256(b"\0".join((b"POST", b"/api/v1/generate", BODY))).hexdigest()
    await base.store.take_key(Key(client="app", provider="suno", key="order-7", digest=digest), sending)
    assert (await again(made)).status == 409
    base.clock.forward(minutes=2)
    answered = await again(made)
    assert (answered.status, answered.header("x-receiver-submission")) == (504, sending.id)
    assert made.http.sent == []


async def test_keys_of_two_clients_do_not_meet(base: Kit) -> None:
    made = house(base)
    await again(made)
    admin = [("authorization", "Bearer admin-password"), ("idempotency-key", "order-7")]
    await made.post(headers=admin)
    assert len(made.http.sent) == 2


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "naïve"], ids=["empty", "blank", "long", "not ASCII"])
async def test_a_bad_key_is_refused_before_anything_is_sent(base: Kit, key: str) -> None:
    made = house(base)
    answered = await made.post(headers=[*CLIENT, ("idempotency-key", key)])
    assert (answered.status, made.http.sent) == (400, [])
