"""A service behind apprise on loopback, told by `json://`; and a guard that keeps apprise on this machine."""

import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from tests.support.peers import Exchange, Peer, Reply, answer, serve

SECRET = "s3cr3t-v4lue"


@dataclass
class ApprisePeer:
    """`seen` has the body of every request, as text."""

    peer: Peer
    fields: dict[str, Any]
    reply: Reply = field(default_factory=answer)

    @property
    def seen(self) -> list[str]:
        return [request.body.decode() for request in self.peer.seen]

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.seen]

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.reply = answer(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


@asynccontextmanager
async def open_peer(tmp_path: Path) -> AsyncIterator[ApprisePeer]:
    async def reply(exchange: Exchange) -> bool:
        return await target.reply(exchange)

    with only_loopback():
        async with serve(reply) as peer:
            target = ApprisePeer(peer, {"url": f"json://user:{SECRET}@127.0.0.1:{peer.port}/", "attach": True})
            yield target


@contextmanager
def only_loopback() -> Iterator[None]:
    """Within, no socket connects anywhere else, whatever apprise is made to try."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def allowed(address: Any) -> bool:
        return not isinstance(address, tuple) or str(address[0]) in {"127.0.0.1", "::1", "localhost"}

    def guarded(self: socket.socket, address: Any) -> None:
        if not allowed(address):
            raise ConnectionRefusedError(f"a test must not connect to {address}")
        connect(self, address)

    def guarded_ex(self: socket.socket, address: Any) -> int:
        return connect_ex(self, address) if allowed(address) else 111

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in {"127.0.0.1", "::1", "localhost", None}:
            raise socket.gaierror(socket.EAI_NONAME, f"a test must not look {host} up")
        return look_up(host, *args, **kwargs)

    look_up = socket.getaddrinfo
    with contextlib.ExitStack() as patches:
        patches.enter_context(mock.patch.object(socket.socket, "connect", guarded))
        patches.enter_context(mock.patch.object(socket.socket, "connect_ex", guarded_ex))
        patches.enter_context(mock.patch.object(socket, "getaddrinfo", resolve))
        # A proxy of the machine that runs the tests would be connected to instead.
        patches.enter_context(mock.patch.dict("os.environ", {"NO_PROXY": "*", "no_proxy": "*"}))
        yield
