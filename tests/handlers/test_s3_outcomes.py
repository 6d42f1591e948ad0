"""What the type `s3` makes of a store that refuses: which outcome, in one sentence, without a secret."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from handlers.s3 import S3Archive
from receiver.errors import Outcome
from receiver.handler import PermanentFailure, Receipt, TargetFailure, TemporaryFailure
from tests.support.archives import AUDIO, one, world_of
from tests.support.deliveries import MP3, make_delivery
from tests.support.peers import Exchange, hang, reset
from tests.support.s3_peer import REGION, open_peer, open_pretender, refuse

LARGE = [MP3, *(bytes(2**20) for _ in range(6))]
SECRET = "s3cr3t-v4lue"
STATUSES = [*range(300, 309), *range(400, 432), 451, *range(500, 512), 599]
BROKEN = {*range(300, 309), 401, 402, 403, 404, 405, 410, 411}
AGAIN = {408, 409, 412, 425, 429}


def make_archive(fields: dict[str, Any], **more: Any) -> S3Archive:
    return S3Archive.model_validate({"type": "s3", "roles": ["audio"], **fields, **more})


async def outcome_of(archive: S3Archive, body: Any = MP3) -> Outcome | Receipt:
    try:
        return await archive.handle(make_delivery(world_of({AUDIO: body}), results=[one(AUDIO)]))
    except Outcome as outcome:
        return outcome


def expected(status: int) -> type[Outcome]:
    if status in AGAIN or status >= 500:
        return TemporaryFailure
    return TargetFailure if status in BROKEN else PermanentFailure


@pytest.mark.parametrize("body", [MP3, LARGE], ids=["whole", "in parts"])
@pytest.mark.parametrize("status", STATUSES)
async def test_every_status_has_its_outcome(status: int, body: Any) -> None:
    async with open_pretender(refuse(status, "SomeWord", SECRET)) as (_, fields):
        outcome = await outcome_of(make_archive(fields), body)
    assert isinstance(outcome, expected(status))
    assert "\n" not in outcome.reason
    assert SECRET not in outcome.reason
    assert len(outcome.reason) < 250


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (400, "KeyTooLongError", PermanentFailure),
        (400, "InvalidURI", PermanentFailure),
        (400, "AuthorizationHeaderMalformed", TargetFailure),
        (400, "InvalidBucketName", TargetFailure),
        (400, "ExpiredToken", TargetFailure),
        (400, "RequestTimeout", TemporaryFailure),
        (403, "RequestTimeTooSkewed", TargetFailure),
        (404, "NoSuchBucket", TargetFailure),
        (404, "NoSuchUpload", TemporaryFailure),
        (503, "SlowDown", TemporaryFailure),
    ],
)
async def test_the_word_of_the_store_decides_what_the_status_leaves_open(
    status: int, code: str, outcome: type[Outcome]
) -> None:
    async with open_pretender(refuse(status, code, SECRET)) as (_, fields):
        found = await outcome_of(make_archive(fields))
    assert isinstance(found, outcome)
    assert f"the bucket songs at 127.0.0.1 answered {status} " in found.reason
    assert f"({code})" in found.reason


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"secret_key": SECRET}, "answered 403 Forbidden (SignatureDoesNotMatch): check access_key, secret_key and"),
        ({"access_key": "AKIANOBODY"}, "answered 403 Forbidden (InvalidAccessKeyId): check access_key, secret_key and"),
        ({"bucket": "no-such-bucket"}, "answered 404 Not Found (NoSuchBucket): check bucket and endpoint"),
    ],
    ids=["wrong secret", "unknown key", "missing bucket"],
)
@pytest.mark.parametrize("body", [MP3, LARGE], ids=["whole", "in parts"])
async def test_what_is_wrong_with_the_target_pauses_the_handler(
    tmp_path: Path, wrong: dict[str, str], sentence: str, body: Any
) -> None:
    async with open_peer(tmp_path) as peer:
        outcome = await outcome_of(make_archive(peer.fields | wrong), body)
    assert isinstance(outcome, TargetFailure)
    assert sentence in outcome.reason
    assert SECRET not in outcome.reason


async def test_nobody_there_is_tried_again() -> None:
    fields = {"bucket": "songs", "endpoint": "http://127.0.0.1:9", "access_key": "a", "secret_key": "b"}
    outcome = await outcome_of(make_archive(fields))
    assert isinstance(outcome, TemporaryFailure)
    assert outcome.reason == "audio of Night Ferry: the bucket songs at 127.0.0.1 can't be reached"


async def test_store_that_is_silent_is_tried_again() -> None:
    async with open_pretender(hang()) as (_, fields), asyncio.timeout(5):
        outcome = await outcome_of(make_archive(fields, timeout="200ms"))
    assert isinstance(outcome, TemporaryFailure)
    assert outcome.reason.endswith("took too long to answer")


async def test_store_that_hangs_up_is_tried_again() -> None:
    async with open_pretender(reset()) as (_, fields):
        outcome = await outcome_of(make_archive(fields))
    assert isinstance(outcome, TemporaryFailure)
    assert outcome.reason.endswith("broke the connection off")


async def test_client_itself_asks_a_few_times_only() -> None:
    began = time.monotonic()
    async with open_pretender(refuse(503, "SlowDown")) as (pretender, fields):
        await outcome_of(make_archive(fields))
    assert len(pretender.seen) == 3
    assert time.monotonic() - began < 5


async def test_store_that_breaks_in_the_middle_of_an_upload_ends_it() -> None:
    async def reply(exchange: Exchange) -> bool:
        request, status, body = exchange.request, 200, b""
        if "uploads=" in request.target:
            body = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
        elif "partNumber" in request.target:
            status = 503
        exchange.writer.write(
            f'HTTP/1.1 {status} X\r\netag: "e"\r\ncontent-length: {len(body)}\r\n\r\n'.encode() + body
        )
        await exchange.writer.drain()
        return True

    async with open_pretender(reply) as (pretender, fields):
        outcome = await outcome_of(make_archive(fields), [MP3, *(bytes(2**20) for _ in range(64))])
        assert "DELETE" in {seen.method for seen in pretender.seen}
    assert isinstance(outcome, TemporaryFailure)
    assert outcome.reason.endswith("answered 503 Service Unavailable")


async def test_machine_without_a_role_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    async with open_pretender(refuse(404)) as (metadata, fields):
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", metadata.url)
        fields = {"bucket": "songs", "endpoint": "http://127.0.0.1:9", "region": REGION}
        outcome = await outcome_of(make_archive(fields))
        assert next(seen.target for seen in metadata.seen) == "/latest/api/token"
    assert isinstance(outcome, TargetFailure)
    assert "write access_key and secret_key, or give this machine a role" in outcome.reason


async def test_keys_that_are_given_leave_the_machine_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_pretender(refuse(500)) as (elsewhere, _), open_peer(tmp_path) as peer:
        for name in (
            "AWS_ENDPOINT",
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_S3",
            "AWS_METADATA_ENDPOINT",
            "AWS_PROXY_URL",
        ):
            monkeypatch.setenv(name, elsewhere.url)
        for name, value in {
            "AWS_ACCESS_KEY_ID": "another",
            "AWS_SECRET_ACCESS_KEY": "another",
            "AWS_SESSION_TOKEN": "another",
            "AWS_REGION": "eu-north-1",
            "AWS_BUCKET": "another",
            "AWS_SKIP_SIGNATURE": "true",
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
            "AWS_ALLOW_HTTP": "false",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": elsewhere.url,
        }.items():
            monkeypatch.setenv(name, value)
        outcome = await outcome_of(make_archive(peer.fields))
        assert isinstance(outcome, Receipt)
        assert list(peer.objects().values()) == [MP3]
        assert elsewhere.opened == 0
