import asyncio
import json
import logging
import re
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from handlers.webhook import Webhook
from receiver.errors import NotSent, Unreachable
from receiver.handler import Delivery, Outcome, PermanentFailure, TargetFailure, TemporaryFailure
from receiver.outbound import Http
from tests.support.deliveries import FakeHttp, World, make_answer, make_delivery
from tests.support.peers import answer, hang, redirect, reset, serve, truncate

URL = "https://user:hunter2pass@hooks.example.com/in/s3cr3t-v4lue?key=qu3ry-v4lue"
FIRST = "whsec_" + b64encode(b"first key of twenty-four b").decode()
SECOND = "whsec_" + b64encode(b"the second key, which is longer").decode()
THIRD = "whsec_" + b64encode(b"a third one that nobody signs").decode()


def make_webhook(**fields: Any) -> Webhook:
    return Webhook.model_validate({"type": "webhook", "url": URL} | fields)


async def send(handler: Webhook, delivery: Delivery | None = None, http: FakeHttp | None = None) -> tuple[str, Any]:
    """The body and the headers of the one request."""
    http = http or FakeHttp()
    delivery = replace(delivery or make_delivery(), http=http)
    await handler.handle(delivery)
    [sent] = http.sent
    assert isinstance(sent.content, bytes)
    return sent.content.decode(), sent.headers


@pytest.mark.parametrize("secret", [FIRST, SECOND], ids=["first", "second"])
async def test_every_secret_in_rotation_verifies(secret: str) -> None:
    delivery = replace(make_delivery(), now=datetime.now(UTC))
    body, headers = await send(make_webhook(secret=[FIRST, SECOND]), delivery)
    assert Verifier(secret).verify(body, headers)["id"] == delivery.event.id
    with pytest.raises(WebhookVerificationError):
        Verifier(THIRD).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(body + " ", headers)


async def test_first_secret_signs_first_and_the_spec_of_the_headers_is_kept() -> None:
    delivery = make_delivery()
    body, headers = await send(make_webhook(secret=f"{FIRST},{SECOND}"), delivery)
    signatures = headers["webhook-signature"].split(" ")
    assert signatures == [Verifier(key).sign(delivery.id, delivery.now, body) for key in (FIRST, SECOND)]
    assert headers["webhook-id"] == delivery.id
    assert headers["webhook-timestamp"] == str(int(delivery.now.timestamp()))
    assert headers["content-type"] == "application/json"


async def test_time_of_another_zone_signs_the_same_moment() -> None:
    there = datetime.now(timezone(timedelta(hours=9)))
    body, headers = await send(make_webhook(secret=FIRST), replace(make_delivery(), now=there))
    assert Verifier(FIRST).verify(body, headers)


async def test_nothing_is_signed_without_a_secret() -> None:
    for handler in (make_webhook(), make_webhook(secret="")):
        _, headers = await send(handler)
        assert set(headers) == {"content-type", "webhook-id", "webhook-timestamp"}


async def test_same_delivery_again_has_the_same_id_and_body() -> None:
    delivery = make_delivery()
    first = await send(make_webhook(), delivery)
    again = await send(make_webhook(), replace(delivery, attempt=2, now=delivery.now + timedelta(hours=5)))
    assert first[0] == again[0]
    assert first[1]["webhook-id"] == again[1]["webhook-id"]


GOOD_KEYS = [
    "whsec_" + b64encode(bytes(24)).decode(),
    b64encode(b"\xff" * 64).decode(),
    b64encode(bytes(32)).decode().rstrip("="),
]
BAD_KEYS = [
    b64encode(bytes(23)).decode(),
    b64encode(bytes(65)).decode(),
    "whsec_",
    "s3cr3t-v4lue",
    "whsec_" + "_-" * 20,
    "whsec_" + "ä" * 40,
    "A" * 33,
    "whsec_whsec_" + b64encode(bytes(32)).decode(),
]


@pytest.mark.parametrize("key", GOOD_KEYS)
async def test_key_is_taken_with_and_without_prefix_and_padding(key: str) -> None:
    body, headers = await send(make_webhook(secret=key), replace(make_delivery(), now=datetime.now(UTC)))
    assert Verifier(key).verify(body, headers)


@pytest.mark.parametrize("key", BAD_KEYS)
def test_key_that_is_none_is_refused_unseen_and_says_how_to_make_one(key: str) -> None:
    with pytest.raises(ValueError, match="openssl rand -base64 32") as caught:
        make_webhook(secret=key)
    assert key == "whsec_" or key not in str(caught.value)


@pytest.mark.parametrize("url", ["", "hooks.example.com/s3cr3t-v4lue", "ftp://s3cr3t-v4lue", "https://"])
def test_address_that_is_none_is_refused_unseen(url: str) -> None:
    with pytest.raises(ValueError, match="must be an http or https address") as caught:
        make_webhook(url=url)
    assert "s3cr3t-v4lue" not in str(caught.value)


BAD_HEADERS = [
    ({"Webhook-Id": "x"}, "writes itself"),
    ({"content-type": "x"}, "writes itself"),
    ({"Host": "x"}, "writes itself"),
    ({"Two words": "x"}, "no name of a header"),
    ({"": "x"}, "no name of a header"),
    ({"Naïve": "x"}, "no name of a header"),
    ({"X-A": "s3cr3t-v4lue\r\nX-B: y"}, "no value of a header"),
    ({"X-A": "s3cr3t-v4lue\n"}, "no value of a header"),
    ({"X-A": "s3cr3t-v4lueä"}, "no value of a header"),
    ({"X-A": ""}, "no value of a header"),
    ({"X-A": " s3cr3t-v4lue"}, "no value of a header"),
    ({"X-A": "s3cr3t-v4lue", "x-a": "y"}, "names a header twice"),
]


@pytest.mark.parametrize(("headers", "reason"), BAD_HEADERS)
def test_header_that_would_break_the_request_is_refused_unseen(headers: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        make_webhook(headers=headers)
    assert "s3cr3t-v4lue" not in str(caught.value)


@pytest.mark.parametrize("status", range(200, 600))
async def test_every_status_has_its_outcome(status: int) -> None:
    http = FakeHttp(make_answer(status, b"words", retry_after="7", location="https://elsewhere.example/"))
    work = make_webhook().handle(make_delivery(World(http=http)))
    if status < 300:
        await work
        return
    with pytest.raises(TargetFailure if status == 410 else TemporaryFailure) as caught:
        await work
    assert caught.value.reason.startswith(f"hooks.example.com answered {status}")
    assert ("write the final address" in caught.value.reason) == (status < 400)
    assert "elsewhere" not in caught.value.reason
    if isinstance(caught.value, TemporaryFailure):
        assert caught.value.retry_after == timedelta(seconds=7)


async def test_target_that_is_gone_pauses_the_handler_and_says_what_to_do() -> None:
    http = FakeHttp(make_answer(410, b"s3cr3t-v4lue is gone"))
    with pytest.raises(TargetFailure, match="remove the handler, or mend and resume it"):
        await make_webhook().handle(make_delivery(World(http=http)))


async def test_secrets_show_nowhere_but_in_the_request(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    handler = make_webhook(secret=[FIRST], headers={"Authorization": "Bearer h34der-v4lue"})
    preview = await handler.preview(make_delivery())
    shown = [repr(handler), str(handler), handler.model_dump_json(), preview.text]
    said = "who is user:hunter2pass, s3cr3t-v4lue, qu3ry-v4lue, h34der-v4lue or /in/s3cr3t-v4lue?key=qu3ry-v4lue"
    for status in (301, 400, 403, 410, 429, 500):
        http = FakeHttp(make_answer(status, said.encode()))
        with pytest.raises(Outcome) as caught:
            await handler.handle(make_delivery(World(http=http)))
        shown.append(str(caught.value))
    told = "".join([*shown, caplog.text])
    for secret in ("hunter2pass", "s3cr3t-v4lue", "qu3ry-v4lue", "h34der-v4lue", FIRST[6:]):
        assert secret not in told
        assert any(secret in known for known in handler.secrets())
    assert "500 Internal Server Error: who is" in told


async def test_preview_is_the_request_without_its_secrets() -> None:
    handler = make_webhook(secret=[FIRST, SECOND], headers={"X-Key": "h34der-v4lue"})
    http = FakeHttp()
    preview = await handler.preview(make_delivery(World(http=http)))
    head, _, body = preview.text.partition("\n\n")
    assert head.splitlines() == [
        "POST https://hooks.example.com/…",
        "X-Key: [redacted]",
        "content-type: application/json",
        f"webhook-id: {make_delivery().id}",
        f"webhook-timestamp: {int(make_delivery().now.timestamp())}",
        "webhook-signature: v1,[redacted] v1,[redacted]",
    ]
    sent, _ = await send(handler)
    assert json.loads(body) == json.loads(sent)
    assert '\n  "id"' in body
    assert http.sent == []


async def over_the_wire(url: str, **fields: Any) -> None:
    http = Http()
    try:
        handler = make_webhook(url=url, timeout="200ms", **fields)
        await handler.handle(replace(make_delivery(), http=http, now=datetime.now(UTC)))
    finally:
        await http.close()


async def test_event_goes_over_a_real_connection() -> None:
    async with serve(answer(b"thanks")) as peer:
        await over_the_wire(f"{peer.url}/in?key=1", secret=FIRST, headers={"Authorization": "Bearer x"})
    [seen] = peer.seen
    assert (seen.method, seen.target) == ("POST", "/in?key=1")
    assert seen.headers["authorization"] == "Bearer x"
    assert Verifier(FIRST).verify(seen.body, dict(seen.headers)) == seen.json()


async def test_redirect_is_never_followed() -> None:
    async with serve(answer()) as there, serve(redirect(there.url, 307)) as peer:
        with pytest.raises(TemporaryFailure, match="write the final address in the config"):
            await over_the_wire(peer.url)
    assert there.seen == []
    assert len(peer.seen) == 1


@pytest.mark.parametrize(
    ("reply", "reason"),
    [(hang(), "did not answer within 0.2 s"), (reset(), "reset|closed"), (truncate(b"x", 50), "closed")],
    ids=["silence", "reset", "truncated"],
)
async def test_broken_exchange_is_tried_again(reply: Any, reason: str) -> None:
    async with serve(reply) as peer:
        with pytest.raises(Unreachable, match=reason) as caught:
            await over_the_wire(f"{peer.url}/s3cr3t-v4lue")
    assert "s3cr3t-v4lue" not in str(caught.value)
    assert len(peer.seen) == 1


async def test_target_that_is_not_there_is_tried_again() -> None:
    async with serve() as peer:
        pass
    with pytest.raises(NotSent, match="refuses connections"):
        await over_the_wire(peer.url)


async def test_cancelled_it_leaves_no_connection_and_no_task() -> None:
    before = asyncio.all_tasks()
    http = Http()
    async with serve(hang()) as peer:
        inside = asyncio.all_tasks()
        work = asyncio.create_task(make_webhook(url=peer.url).handle(replace(make_delivery(), http=http)))
        await peer.arrived.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert [task for task in asyncio.all_tasks() - inside if "talk" not in repr(task)] == []
    await http.close()
    assert asyncio.all_tasks() == before


async def test_no_failure_is_permanent() -> None:
    http = FakeHttp(make_answer(422, b"what is this?"))
    with pytest.raises(TemporaryFailure, match=re.escape("422 Unprocessable")) as caught:
        await make_webhook().handle(make_delivery(World(http=http)))
    assert not isinstance(caught.value, PermanentFailure)
