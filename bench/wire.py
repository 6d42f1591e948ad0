"""HTTP/1.1 on bare asyncio protocols: a client and a peer that cost little beside what is measured."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer: the head as it came, up to its empty line, and the body."""

    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        return int(self.head[9:12])


class _Framed(asyncio.Protocol):
    """Cuts what arrives into messages; every one of ours has a Content-Length."""

    def __init__(self) -> None:
        self._buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports don't derive from asyncio's.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while message := self._next():
            self.take(message)

    def _next(self) -> Message | None:
        at = self._buffer.find(b"\r\n\r\n")
        if at < 0:
            return None
        head = self._buffer[:at]
        found = _LENGTH.search(head)
        stop = at + 4 + (int(found[1]) if found else 0)
        if len(self._buffer) < stop:
            return None
        body, self._buffer = self._buffer[at + 4 : stop], self._buffer[stop:]
        return Message(head, body)

    def take(self, message: Message) -> None:
        raise NotImplementedError


class Client(_Framed):
    """One kept connection, one request at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._answer: asyncio.Future[Message] | None = None

    async def send(self, request: bytes) -> Message:
        """Raises ConnectionError where the peer closes, TimeoutError after 30 s."""
        if self.transport is None or self.transport.is_closing():
            raise ConnectionError("the connection is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        async with asyncio.timeout(_PATIENCE_S):
            return await self._answer

    def take(self, message: Message) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(message)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the peer closed the connection"))

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()


class Peer(_Framed):
    """Answers every request after `pause` seconds; `arrived` hears of each first byte."""

    def __init__(self, answer: Callable[[Message], bytes], pause: float, arrived: Callable[[], None]) -> None:
        super().__init__()
        self._answer_to = answer
        self._pause = pause
        self._arrived = arrived

    def data_received(self, data: bytes) -> None:
        if not self._buffer:
            self._arrived()
        super().data_received(data)

    def take(self, message: Message) -> None:
        if self._pause:
            asyncio.get_running_loop().call_later(self._pause, self._reply, message)
        else:
            self._reply(message)

    def _reply(self, message: Message) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(self._answer_to(message))


async def connect(host: str, port: int) -> Client:
    _, client = await asyncio.get_running_loop().create_connection(Client, host, port)
    return client


async def listen(
    answer: Callable[[Message], bytes], pause: float = 0.0, arrived: Callable[[], None] = lambda: None
) -> tuple[asyncio.Server, int]:
    """A peer on a free port of loopback."""
    server = await asyncio.get_running_loop().create_server(lambda: Peer(answer, pause, arrived), "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


def post(path: str, body: bytes, token: str | None = None) -> bytes:
    bearer = f"authorization: Bearer {token}\r\n" if token else ""
    head = f"POST {path} HTTP/1.1\r\nhost: loopback\r\n{bearer}content-type: application/json\r\n"
    return head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
