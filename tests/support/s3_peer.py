"""Object stores on loopback: moto, which checks signatures; and small pretend ones that refuse, lack or record."""

import asyncio
import atexit
import contextlib
import functools
import itertools
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # it ships no types

from tests.support.peers import Exchange, Peer, Reply, serve

REGION = "us-east-1"
_START_S = 30.0
_BEGUN = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
_DONE = b'<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>'
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Moto:
    """A running server that takes requests of one user only."""

    url: str
    access_key: str
    secret_key: str

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
        )


@dataclass(frozen=True, slots=True)
class S3Peer:
    """A bucket of its own. `fields` make the documented configuration reach it."""

    moto: Moto
    bucket: str
    s3: Any

    @property
    def fields(self) -> dict[str, Any]:
        return {
            "bucket": self.bucket,
            "endpoint": self.moto.url,
            "region": REGION,
            "access_key": self.moto.access_key,
            "secret_key": self.moto.secret_key,
        }

    def objects(self, *, manifests: bool = False) -> dict[str, bytes]:
        found = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", ())
        keys = [one["Key"] for one in found if manifests or not one["Key"].endswith(".json")]
        return {key: self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in keys}

    def head(self, key: str) -> dict[str, Any]:
        return dict(self.s3.head_object(Bucket=self.bucket, Key=key))

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def unfinished(self) -> list[str]:
        """The keys of uploads that were begun and neither completed nor aborted."""
        return [one["Key"] for one in self.s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ())]


@contextlib.asynccontextmanager
async def open_peer(tmp_path: Path) -> AsyncIterator[S3Peer]:
    """A fresh bucket; the server behind it is started once and ends with this process."""
    moto = await asyncio.to_thread(start_moto, checks=True)
    bucket, s3 = f"songs-{os.getpid()}-{next(_numbers)}", moto.client()
    await asyncio.to_thread(s3.create_bucket, Bucket=bucket)
    try:
        yield S3Peer(moto, bucket, s3)
    finally:
        s3.close()


@functools.cache
def start_moto(*, checks: bool) -> Moto:
    """`checks` refuses wrong signatures; it answers presigned addresses with 500, so for these start it without."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environ = os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": "1000000", "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    child = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atexit.register(_end, child)
    until = time.monotonic() + _START_S
    while not _answers(f"{url}/moto-api/data.json"):
        assert child.poll() is None, "moto ended before it answered"
        assert time.monotonic() < until, "moto did not start"
    return _with_user(url) if checks else Moto(url, "anyone", "anything")


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        # Refused connections come back at once; this is no polling of a test's outcome.
        time.sleep(0.02)
        return False


def _with_user(url: str) -> Moto:
    keys = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing"}
    iam = boto3.client("iam", endpoint_url=url, region_name=REGION, **keys)
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.create_user(UserName="receiver")
    policy = iam.create_policy(PolicyName="songs", PolicyDocument=json.dumps(allow))["Policy"]["Arn"]
    iam.attach_user_policy(UserName="receiver", PolicyArn=policy)
    made = iam.create_access_key(UserName="receiver")["AccessKey"]
    iam.close()
    # From here on it checks; as a form it would not read the number.
    told = urllib.request.Request(f"{url}/moto-api/reset-auth", b"0", {"content-type": "text/plain"}, method="POST")
    with urllib.request.urlopen(told, timeout=5):
        return Moto(url, made["AccessKeyId"], made["SecretAccessKey"])


def refuse(status: int, code: str = "", secret: str = "") -> Reply:
    """Always this status, with a body as S3 writes it; `secret` stands in what a store may repeat."""
    said = f"<Message>no\n{secret}</Message><StringToSign>{secret}</StringToSign>"
    xml = f'<?xml version="1.0"?><Error><Code>{code}</Code>{said}</Error>'.encode()

    async def reply(exchange: Exchange) -> bool:
        body = b"" if exchange.request.method == "HEAD" else xml
        head = f"HTTP/1.1 {status} No\r\ncontent-length: {len(body)}\r\n\r\n"
        exchange.writer.write(head.encode() + body)
        await exchange.writer.drain()
        return True

    return reply


def pretend(objects: dict[str, tuple[bytes, Mapping[str, str]]], *, conditions: bool = True) -> Reply:
    """Keeps what is put by its target, headers included. Without `conditions` it answers 501 to If-None-Match."""

    async def reply(exchange: Exchange) -> bool:
        request = exchange.request
        target, _, query = request.target.partition("?")
        status, headers, body = 200, {"etag": '"e"', "last-modified": "Sat, 21 Nov 2026 08:30:00 GMT"}, b""
        if request.method == "POST":
            body = _BEGUN if "uploads" in query else _DONE
            headers["content-length"] = str(len(body))
        elif "partNumber" in query or "comp=block&" in query:
            status = 201
        elif request.method == "PUT" and "if-none-match" in request.headers and not conditions:
            status = 501
        elif request.method == "PUT":
            taken = target in objects and "if-none-match" in request.headers
            status = 412 if taken else 201
            if not taken:
                objects[target] = (request.body, request.headers)
        elif target not in objects:
            status = 404
        else:
            found, kept = objects[target]
            headers |= {name: value for name, value in kept.items() if "-meta-" in name}
            headers["content-length"] = str(len(found))
        lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in headers.items())]
        if "content-length" not in headers:
            lines.append("content-length: 0")
        exchange.writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await exchange.writer.drain()
        return True

    return reply


@contextlib.asynccontextmanager
async def open_pretender(reply: Reply) -> AsyncIterator[tuple[Peer, dict[str, Any]]]:
    """A peer that answers everything this way, and the fields that reach it."""
    async with serve(reply) as peer:
        keys = {"access_key": "AKIAPRETEND", "secret_key": "pretend-secret"}
        yield peer, {"bucket": "songs", "endpoint": peer.url, "region": REGION, **keys}
