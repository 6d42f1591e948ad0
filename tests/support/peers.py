"""A raw HTTP/1.1 peer on a free port of 127.0.0.1 that answers, hangs, resets, truncates or redirects, as told.

    async with serve(answer(b"ok"), hang()) as peer:
        ...                       # the first request is answered, every later one gets the last reply: it hangs
        assert peer.seen[0].body == b"..."

A reply is any `async def reply(exchange)`; it writes to `exchange.writer` and returns whether to keep the connection.
"""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came: the target byte for byte, header names in lower case, the body whole."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a reply works with. `stopping` is set when the test is over."""

    request: Seen
    writer: asyncio.StreamWriter
    stopping: asyncio.Event


Reply = Callable[[Exchange], Awaitable[bool]]


@dataclass
class Peer:
    """A running peer. `opened` counts connections, `closed` is set whenever one has ended."""

    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    opened: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def raw(data: bytes, *, keep: bool = False) -> Reply:
    """These very bytes, then an orderly end of the connection unless `keep`."""

    async def reply(exchange: Exchange) -> bool:
        exchange.writer.write(data)
        await exchange.writer.drain()
        return keep

    return reply


def answer(
    body: bytes = b"", status: int = 200, headers: Mapping[str, str] | None = None, *, keep: bool = True
) -> Reply:
    """A whole answer. With `keep=False` the connection ends after it, unannounced: a stale keep-alive connection."""
    return raw(_head(status, {"Content-Length": str(len(body)), **(headers or {})}) + body, keep=keep)


def redirect(location: str, status: int = 302) -> Reply:
    return answer(b"", status, {"Location": location})


def truncate(body: bytes, announced: int) -> Reply:
    """An answer that announces more bytes than it sends."""
    return raw(_head(200, {"Content-Length": str(announced)}) + body)


def reset(partial: bytes = b"") -> Reply:
    """Some bytes, then a TCP reset."""

    async def reply(exchange: Exchange) -> bool:
        exchange.writer.write(partial)
        await exchange.writer.drain()
        # A linger time of nothing makes the close a reset.
        sock: socket.socket = exchange.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return reply


def hang(partial: bytes = b"") -> Reply:
    """Some bytes, then silence until the test is over."""

    async def reply(exchange: Exchange) -> bool:
        exchange.writer.write(partial)
        await exchange.writer.drain()
        await exchange.stopping.wait()
        return False

    return reply


def drip(byte: bytes = b"x", pause: float = 0.01) -> Reply:
    """A body without end, a byte every `pause` seconds: each read is quick, the whole never comes."""

    async def reply(exchange: Exchange) -> bool:
        exchange.writer.write(_head(200, {"Content-Length": "1000000"}))
        while not exchange.stopping.is_set():
            exchange.writer.write(byte)
            await exchange.writer.drain()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(exchange.stopping.wait(), pause)
        return False

    return reply


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Whatever"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


@contextlib.asynccontextmanager
async def serve(*replies: Reply) -> AsyncIterator[Peer]:
    """Starts a peer; the replies are used in order over all its connections, the last one again and again."""
    peer, stopping, running = Peer(), asyncio.Event(), set[asyncio.Task[None]]()
    script = list(replies) or [answer()]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.opened += 1
        try:
            keep = True
            while keep:
                request = await _read(reader)
                peer.seen.append(request)
                peer.arrived.set()
                reply = script.pop(0) if len(script) > 1 else script[0]
                keep = await reply(Exchange(request, writer, stopping))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            peer.closed.set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(talk(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        stopping.set()
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rest = head.rstrip("\r\n").split("\r\n")
    method, target, _ = line.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (field.partition(":") for field in rest)}
    if headers.get("transfer-encoding") == "chunked":
        return Seen(method, target, headers, await _read_chunks(reader))
    return Seen(method, target, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return body
