"""The type `s3` at Google and Azure, as far as what they would see of it; and its links."""

import asyncio
import json
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth  # type: ignore[import-untyped]  # it ships no types
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]  # the same
from botocore.credentials import Credentials  # type: ignore[import-untyped]  # the same
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from handlers.s3 import S3Archive
from receiver.handler import ArchivedFile
from tests.support.archives import AUDIO, DAY, one, world_of
from tests.support.deliveries import MP3, make_delivery
from tests.support.s3_peer import REGION, open_peer, open_pretender, pretend, start_moto

LARGE = [MP3, *(bytes(2**20) for _ in range(6))]
KEYS = {"access_key": "AKIAPRETEND", "secret_key": "pretend-secret"}


def make_archive(fields: dict[str, Any], **more: Any) -> S3Archive:
    return S3Archive.model_validate({"type": "s3", "roles": ["audio"], **fields, **more})


def service_account() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {"type": "service_account", "client_email": "songs@example.iam", "private_key_id": "1"}
    return json.dumps(account | {"private_key": pem, "token_uri": "http://127.0.0.1:9/token"})


async def archived(archive: S3Archive, body: Any = MP3) -> ArchivedFile:
    receipt = await archive.handle(make_delivery(world_of({AUDIO: body}), results=[one(AUDIO)]))
    return receipt.files[0]


async def test_google_sees_a_bearer_and_a_condition() -> None:
    objects: dict[str, Any] = {}
    async with open_pretender(pretend(objects)) as (google, _):
        archive = make_archive({"bucket": "gs://songs", "endpoint": google.url, "secret_key": service_account()})
        file = await archived(archive)
        link = await archive.presign(file)
    [put] = google.seen
    assert (put.method, put.target) == ("PUT", "/songs/2026%2D11%2D21%2FNight%20Ferry%2Dtr%2D1%2Emp3")
    assert put.headers["authorization"].startswith("Bearer ")
    assert put.headers["x-goog-if-generation-match"] == "0"
    assert put.headers["content-type"] == "audio/mpeg"
    assert put.headers["x-goog-meta-role"] == "audio"
    assert "x-goog-meta-receiver-file" in put.headers
    query = parse_qs(urlsplit(link).query)
    assert query["X-Goog-Expires"] == ["3600"]
    assert urlsplit(link).path == "/songs/2026-11-21/Night%20Ferry-tr-1.mp3"


async def test_google_takes_a_large_file_in_parts() -> None:
    async with open_pretender(pretend({})) as (google, _):
        fields = {"bucket": "gs://songs", "endpoint": google.url, "secret_key": service_account()}
        file = await archived(make_archive(fields), LARGE)
    asked = [(seen.method, urlsplit(seen.target).query.partition("=")[0]) for seen in google.seen]
    assert asked[:2] == [("PUT", ""), ("POST", "uploads")]
    assert asked[-1] == ("POST", "uploadId")
    assert sum(len(seen.body) for seen in google.seen if "partNumber" in seen.target) == file.size


async def test_azure_sees_a_shared_key_and_a_condition() -> None:
    objects: dict[str, Any] = {}
    async with open_pretender(pretend(objects)) as (azure, _):
        fields = {"bucket": "azure://songs", "endpoint": f"{azure.url}/account", "access_key": "account"}
        archive = make_archive(fields, secret_key="c2VjcmV0")
        file = await archived(archive)
        assert (await archived(archive)) == file
        link = await archive.presign(file)
    put = azure.seen[0]
    assert (put.method, put.target) == ("PUT", f"/account/songs/{DAY}/Night%20Ferry-tr-1.mp3")
    assert put.headers["authorization"].startswith("SharedKey account:")
    assert put.headers["if-none-match"] == "*"
    assert put.headers["x-ms-blob-type"] == "BlockBlob"
    assert put.headers["x-ms-blob-content-type"] == "audio/mpeg"
    # Azure takes no hyphens in these names; the mark is recognised all the same.
    assert "x-ms-meta-receiver_file" in put.headers
    assert list(objects) == [put.target]
    query = parse_qs(urlsplit(link).query)
    assert (query["sp"], query["sr"]) == (["r"], ["b"])
    assert "sig" in query


async def test_azure_takes_a_large_file_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_TOKEN", "another")
    async with open_pretender(pretend({})) as (azure, _):
        fields = {"bucket": "azure://songs", "endpoint": f"{azure.url}/account", "access_key": "account"}
        file = await archived(make_archive(fields, secret_key="c2VjcmV0"), LARGE)
    assert sum(len(seen.body) for seen in azure.seen if "comp=block&" in seen.target) == file.size
    assert azure.seen[-1].target.endswith("comp=blocklist")
    assert {seen.headers["authorization"].partition(" ")[0] for seen in azure.seen} == {"SharedKey"}


def oracle(url: str, secret: str) -> str:
    """The signature that botocore gives this address."""
    bare = url.partition("&X-Amz-Signature=")[0]
    query = parse_qs(urlsplit(bare).query)
    access, expires = query["X-Amz-Credential"][0].partition("/")[0], int(query["X-Amz-Expires"][0])
    auth = S3SigV4QueryAuth(Credentials(access, secret), "s3", REGION, expires=expires)
    request = AWSRequest("GET", bare)
    request.context["timestamp"] = query["X-Amz-Date"][0]
    return str(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request))


@pytest.mark.parametrize(("links", "seconds"), [("receiver", 3600), ("presigned", 7 * 86400)])
async def test_presigned_link_has_the_signature_that_aws_computes(links: str, seconds: int, tmp_path: Path) -> None:
    async with open_peer(tmp_path) as peer:
        archive = make_archive(peer.fields, links=links, key="Ä b+c~(1)/{title}.{ext}")
        file = await archived(archive)
        url = file.link if links == "presigned" else await archive.presign(file)
        assert peer.fields["secret_key"] not in url
        signed = parse_qs(urlsplit(url).query)
        assert signed["X-Amz-Signature"] == [oracle(url, peer.fields["secret_key"])]
        assert signed["X-Amz-Signature"] != [oracle(url, "another")]
        assert signed["X-Amz-Expires"] == [str(seconds)]


async def test_presigned_link_brings_the_bytes_with_their_name_and_type() -> None:
    moto = start_moto(checks=False)
    s3 = moto.client()
    s3.create_bucket(Bucket="open-songs")
    fields = {"bucket": "open-songs", "endpoint": moto.url, "region": REGION, **KEYS}
    archive = make_archive(fields, key="Ä b/{title}.{ext}")
    url = await archive.presign(await archived(archive))
    body, headers = await asyncio.to_thread(fetch, url)
    assert body == MP3
    assert headers["content-type"] == "audio/mpeg"
    assert headers["content-disposition"].startswith('inline; filename="Night Ferry.mp3"')
    s3.close()


def fetch(url: str) -> tuple[bytes, Message]:
    with urllib.request.urlopen(url, timeout=5) as got:
        return got.read(), got.headers


LINKS = [
    ({"bucket": "songs", "region": "eu-west-1"}, "https://songs.s3.eu-west-1.amazonaws.com"),
    ({"bucket": "s3://songs"}, "https://songs.s3.us-east-1.amazonaws.com"),
    ({"bucket": "my.songs"}, "https://s3.us-east-1.amazonaws.com/my.songs"),
    ({"bucket": "songs", "endpoint": "https://minio.example.com/"}, "https://minio.example.com/songs"),
    ({"bucket": "songs", "public_url": "https://songs.example.com/x/"}, "https://songs.example.com/x"),
    ({"bucket": "gs://songs", "access_key": None, "secret_key": None}, "https://storage.googleapis.com/songs"),
    (
        {"bucket": "azure://songs", "access_key": "account", "secret_key": "c2VjcmV0"},
        "https://account.blob.core.windows.net/songs",
    ),
]


@pytest.mark.parametrize(("fields", "base"), LINKS, ids=[base for _, base in LINKS])
async def test_public_link_is_the_bucket_s_own_address_or_the_one_that_is_written(
    fields: dict[str, Any], base: str
) -> None:
    if fields["bucket"].startswith("gs"):
        fields = fields | {"secret_key": service_account()}
    archive = make_archive(KEYS | fields, links="public")
    file = ArchivedFile(
        result_id="a", role="audio", key="d/Ä b~#.mp3", size=1, sha256="", media_type="audio/mpeg", link=""
    )
    assert await archive.link(make_delivery(), file) == f"{base}/d/%C3%84%20b~%23.mp3"


async def test_link_that_dies_is_not_in_the_manifest(tmp_path: Path) -> None:
    async with open_peer(tmp_path) as peer:
        archive = make_archive(peer.fields, links="presigned", roles="all")
        receipt = await archive.handle(make_delivery(world_of({AUDIO: MP3}), results=[one(AUDIO)]))
        told = json.loads(peer.objects(manifests=True)[receipt.files[-1].key])
        assert told["files"][0]["link"] is None
        assert "X-Amz-Signature" in receipt.files[0].link
