"""A client's own callback route: which addresses may be called, and what they get."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from receiver.errors import PermanentFailure, TemporaryFailure
from receiver.forwarding import ClientCallbacks, is_allowed
from receiver.handler import Delivery, RawCallback
from receiver.routing import CLIENT, Match, Route, Step, plan
from tests.support.deliveries import FakeHttp, World, make_answer, make_delivery, make_event
from tests.support.gateway import House, house
from tests.support.kit import Kit, kit
from tests.support.workers import running, until

OWN = "https://app.example.com/hooks/suno"
PATTERNS = ("https://app.example.com/hooks/*", "http://10.0.0.5:8080/cb")
TOKEN_URL = "https://me.example/callbacks/" + "t" * 43
BODY = b'{"code": 200,  "data": {"x": "\xff"}}'


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        (OWN, True),
        ("https://APP.example.com:443/hooks/a/b?x=1", True),
        ("http://10.0.0.5:8080/cb", True),
        ("http://app.example.com/hooks/suno", False),
        ("https://app.example.com:8443/hooks/suno", False),
        ("https://app.example.com.evil.example/hooks/suno", False),
        ("https://evil.example/https://app.example.com/hooks/x", False),
        ("https://app.example.com@evil.example/hooks/x", False),
        ("https://user:pw@app.example.com/hooks/x", False),
        ("https://app.example.com/hooks/../admin", False),
        ("https://app.example.com/hooks/%2e%2e/admin", False),
        ("https://app.example.com/hooks/%252e%252e/admin", False),
        ("https://app.example.com/hooks/..%2fadmin", False),
        ("https://app.example.com/hooks/..;/admin", False),
        ("https://app.example.com:0/hooks/x", False),
        ("https://app.example.com/hooks/a\nb", False),
        ("https://app.example.com/other", False),
        ("https://app.example.com\\@evil.example/hooks/x", False),
        ("https://app.example.com:port/hooks/x", False),
        ("http://10.0.0.5:8080/cb/more", False),
        ("ftp://app.example.com/hooks/x", False),
        ("", False),
    ],
)
def test_only_what_the_operator_wrote_is_called(url: str, allowed: bool) -> None:
    assert is_allowed(url, PATTERNS) is allowed


def delivery(http: FakeHttp, callback: RawCallback | None, own: str | None = OWN) -> Delivery:
    return replace(make_delivery(World(http=http)), client_callback=own, callback=callback)


async def test_it_gets_the_callback_as_the_provider_sent_it() -> None:
    http = FakeHttp()
    headers = {"content-type": "application/json; charset=x", "user-agent": "suno", "x-webhook-signature": "s"}
    await ClientCallbacks().handle(delivery(http, RawCallback(headers, BODY)))
    (sent,) = http.sent
    assert (sent.method, sent.url, sent.content) == ("POST", OWN, BODY)
    assert sent.headers == {"content-type": "application/json; charset=x", "x-webhook-signature": "s"}


async def test_our_callback_url_is_not_handed_on() -> None:
    http = FakeHttp()
    await ClientCallbacks().handle(delivery(http, RawCallback({}, f'{{"callBackUrl": "{TOKEN_URL}"}}'.encode())))
    assert b"t" * 43 not in (http.sent[0].content or b"")  # type: ignore[operator]  # bytes were given


@pytest.mark.parametrize("status", [302, 404, 410, 429, 500])
async def test_a_client_that_does_not_take_it_is_tried_again(status: int) -> None:
    http = FakeHttp(make_answer(status))
    with pytest.raises(TemporaryFailure):
        await ClientCallbacks().handle(delivery(http, RawCallback({}, BODY)))


async def test_without_an_address_or_a_provider_it_is_a_dead_letter() -> None:
    with pytest.raises(PermanentFailure):
        await ClientCallbacks().handle(delivery(FakeHttp(), RawCallback({}, BODY), None))
    with pytest.raises(PermanentFailure, match="no provider named 'suno'"):
        await ClientCallbacks().handle(delivery(FakeHttp(), None))


def test_it_needs_no_route_and_other_events_do_not_reach_it() -> None:
    to_team = Route(when=Match(), handlers=(Step(handler="team"),))
    forwarded = make_event(forward=True)
    assert [step.handler for step in plan(forwarded, [to_team])] == [CLIENT, "team"]
    assert [step.handler for step in plan(make_event(), [to_team])] == ["team"]


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path) as made:
        yield made


async def submitted(made: House, own: str) -> str:
    answered = await made.post(body=json.dumps({"prompt": "x", "callBackUrl": own}).encode())
    return answered.header("x-receiver-callback") or ""


@pytest.mark.parametrize(("own", "said"), [(OWN, "forwarded"), ("https://elsewhere.example/x", "set")])
async def test_the_answer_says_whether_the_clients_own_callback_is_served(base: Kit, own: str, said: str) -> None:
    assert await submitted(house(base), own) == said


def sent_so_far(http: FakeHttp, count: int) -> bool:
    return len(http.sent) == count


async def test_every_stage_reaches_the_clients_own_route(base: Kit) -> None:
    made = house(base)
    await submitted(made, OWN)
    (submission,) = await base.store.by_task("task-1")
    http = FakeHttp()
    worker = base.worker({CLIENT: ClientCallbacks.for_providers(base.intake.providers)}, [Route(handlers=())], http)
    bodies = [
        json.dumps({"code": 200, "data": {"callbackType": word, "task_id": "task-1", "data": tracks}}).encode()
        for word, tracks in (("text", []), ("complete", [{"id": "a", "audio_url": "https://cdn.example/a.mp3"}]))
    ]
    async with running(worker):
        for number, body in enumerate(bodies, 1):
            await base.intake.receive(submission.id, {"content-type": "application/json"}, body)
            await until(partial(sent_so_far, http, number))
    assert [sent.content for sent in http.sent] == bodies
    assert {sent.url for sent in http.sent} == {OWN}
