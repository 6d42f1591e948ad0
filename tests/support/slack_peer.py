"""A pretend Slack on a free port of 127.0.0.1: an incoming webhook, the Web API and the file store."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.slack_workspace import TOKEN, Workspace

_HOOK = "/services/T0/B0/s3cr3t-v4lue"
_CHUNK = 2**16


class SlackPeer:
    """`fields` reach its webhook, `bot` its Web API. `seen` is the body of every request.

    With `stalls` the file store takes bytes and never answers; `stalled` is set then.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.fields = {"webhook_url": f"{url}{_HOOK}"}
        self.bot = {"token": TOKEN, "channel": "#songs", "api_url": f"{url}/api/"}
        self.workspace = Workspace(url)
        self.seen: list[str] = []
        self.stalls = False
        self.stalled = asyncio.Event()
        self._fixed: dict[str, tuple[int, bytes, Mapping[str, str]]] = {}

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Every answer from now on."""
        self.answer_below("/", status, body, **headers)

    def answer_below(self, path: str, status: int, body: bytes = b"", **headers: str) -> None:
        """Every answer to a path that begins so."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._fixed = {path: (status, body, named), **self._fixed}

    def recover(self) -> None:
        """Slack's own answers again."""
        self._fixed = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (item.partition(":") for item in rest)}
        target = urlsplit(line.split(" ")[1])
        length = int(headers.get("content-length", "0"))
        if target.path.startswith("/upload/"):
            status, body, more = await self._upload(target.path, length, reader)
        else:
            received = await reader.readexactly(length)
            self.seen.append(received.decode())
            status, body, more = self._answer(target.path, headers, received)
        found = {"content-length": str(len(body)), "content-type": "application/json; charset=utf-8", **more}
        head = [f"HTTP/1.1 {status} {_phrase(status)}", *(f"{name}: {value}" for name, value in found.items()), "", ""]
        writer.write("\r\n".join(head).encode("latin-1") + body)
        await writer.drain()
        return headers.get("connection", "").lower() != "close"

    async def _upload(self, path: str, length: int, reader: asyncio.StreamReader) -> tuple[int, bytes, Any]:
        digest, left = hashlib.sha256(), length
        while left:
            chunk = await reader.readexactly(min(left, _CHUNK))
            digest.update(chunk)
            left -= len(chunk)
        self.seen.append(f"{length} bytes")
        if self.stalls:
            self.stalled.set()
            await asyncio.Event().wait()
        if fixed := self._fixed_for(path):
            return fixed
        known = self.workspace.receive(path.rpartition("/")[2], length, digest.hexdigest())
        return (200, f"OK - {length}".encode(), {}) if known else (404, b"not found", {})

    def _fixed_for(self, path: str) -> tuple[int, bytes, Mapping[str, str]] | None:
        return next((answer for below, answer in self._fixed.items() if path.startswith(below)), None)

    def _answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes, Mapping[str, str]]:
        if fixed := self._fixed_for(path):
            return fixed
        if path.startswith("/api/"):
            token = headers.get("authorization", "").removeprefix("Bearer ")
            found = self.workspace.call(path.removeprefix("/api/"), token, _read(headers, body))
            return 200, json.dumps(found).encode(), {}
        if path != _HOOK:
            return 404, b"no_service", {"content-type": "text/html"}
        word = self.workspace.hook(_read(headers, body)).encode()
        return 200 if word == b"ok" else 400, word, {"content-type": "text/html"}


def _read(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    if headers.get("content-type", "").startswith("application/json"):
        return dict(json.loads(body or b"{}"))
    return dict(parse_qsl(body.decode()))


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Whatever"


@asynccontextmanager
async def open_peer(tmp_path: Path | None = None) -> AsyncIterator[SlackPeer]:
    running: set[asyncio.Task[None]] = set()
    peer = SlackPeer("")

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(peer.serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    peer = SlackPeer(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield peer
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
