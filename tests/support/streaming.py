"""A caller of a stream in this process: reads frames, is slow, goes away."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message

from receiver.client.frames import Frame, Frames
from tests.support.api import ADMIN

Pairs = Sequence[tuple[str, str]]


@dataclass
class Caller:
    """What came so far. `reads` is set for as long as it takes what is sent, `gone` when it has gone away.

    With `most` it takes so many messages and then no more, until `reads` is set again.
    """

    most: int = 0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = False
    aborted: bool = False
    reads: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    frames: "asyncio.Queue[Frame]" = field(default_factory=asyncio.Queue)
    task: "asyncio.Task[None] | None" = None
    _parser: Frames = field(default_factory=Frames)
    _asked: bool = False

    async def frame(self, seconds: float = 5) -> Frame:
        return await asyncio.wait_for(self.frames.get(), seconds)

    async def event(self, seconds: float = 5) -> Any:
        """The next event; places that are only told are left out."""
        while (frame := await self.frame(seconds)).data is None:
            pass
        shown = json.loads(frame.data)
        assert shown["id"] == frame.id
        return shown

    async def ids(self, count: int) -> list[str]:
        return [(await self.event())["id"] for _ in range(count)]

    async def ended(self, seconds: float = 5) -> None:
        assert self.task is not None
        await asyncio.wait_for(asyncio.shield(self.task), seconds)

    async def receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        self.most -= 1
        if self.most == 0:
            self.reads.clear()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        self.body += message.get("body", b"")
        self.whole = not message.get("more_body", False)
        for frame in self._parser.feed(message.get("body", b"")):
            self.frames.put_nowait(frame)

    def abort(self) -> None:
        self.aborted = True
        self.gone.set()


@asynccontextmanager
async def calling(
    app: ASGIApp, target: str, headers: Pairs = ADMIN, *, method: str = "GET", most: int = 0
) -> AsyncIterator[Caller]:
    """Asks in a task of its own; goes away at the end of the block."""
    caller = Caller(most)
    caller.reads.set()
    path, _, query = target.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "extensions": {"receiver.abort": {"abort": caller.abort}},
    }
    caller.task = asyncio.create_task(_call(app, scope, caller))
    try:
        yield caller
    finally:
        caller.gone.set()
        await asyncio.wait_for(caller.task, 5)


async def _call(app: ASGIApp, scope: dict[str, Any], caller: Caller) -> None:
    await app(scope, caller.receive, caller.send)
