"""A stream of server-sent events as an answer: what the caller has missed, then what happens."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from starlette.types import Receive, Scope, Send

from receiver.api.stream_filters import ends, wanted
from receiver.api.stream_hub import AT_ONCE, Hub, Listener, News
from receiver.api.stream_waits import left
from receiver.errors import StoreError
from receiver.store.records import Query

logger = logging.getLogger(__name__)

# nginx and its like would keep the events until there are more of them.
HEADERS = {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}

# How soon a browser comes back after a cut, in milliseconds.
_RETRY = b"retry: 1000\n"
# No event has this id, so all are behind it: for whoever comes when there is none yet.
_BEFORE_ALL = "evt_0"
# A reader that takes nothing gets so long to take the end of its stream.
_GRACE_S = 1.0
# What was read from the store and may be told once more. The one who tells is never so far behind the store.
_MOST_SEEN = 10_000


@dataclass(frozen=True, slots=True)
class Start:
    """Behind an event, from the first one that is kept, or from `now` on."""

    after: str | None = None
    now: bool = False


@dataclass(kw_only=True)
class Stream:
    """Ends when this process stops, when the caller is too far behind, and behind the last event of what is `final`.

    A caller that comes back with the last id that it got misses nothing. It gets a comment where nothing happened for
    as long as `beat`, with the id up to which there is nothing for it.
    """

    hub: Hub
    query: Query
    start: Start
    beat: timedelta
    final: Callable[[], Awaitable[bool]] | None = None
    _last: str | None = field(init=False)
    _seen: deque[str] = field(init=False, default_factory=lambda: deque(maxlen=_MOST_SEEN))
    _looks: int = field(init=False, default=-1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises Rejection: 503 where too many listen."""
        self._last = self.start.after
        async with self.hub.listen(wanted(self.query)) as listener:
            if not self.start.now:
                listener.turn_away()
            telling = asyncio.create_task(self._tell(listener, send))
            gone = asyncio.create_task(left(receive))
            ended = asyncio.create_task(listener.ended.wait())
            try:
                await asyncio.wait({telling, gone, ended}, return_when=asyncio.FIRST_COMPLETED)
                if ended.done() and not gone.done():
                    await asyncio.wait({telling, gone}, timeout=_GRACE_S, return_when=asyncio.FIRST_COMPLETED)
                if not telling.done() and not gone.done():
                    await _cut(scope, gone)
            finally:
                for task in (telling, gone, ended):
                    task.cancel()
                await asyncio.gather(telling, gone, ended, return_exceptions=True)
        if not telling.cancelled():
            telling.result()

    async def _tell(self, listener: Listener, send: Send) -> None:
        pairs = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        await send({"type": "http.response.start", "status": 200, "headers": pairs})
        try:
            await self._events(listener, send)
        except StoreError as error:
            # The answer has begun: its end makes the caller come back, and behind what it has.
            logger.warning("a stream ends, the database can't be read: %s", error)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _events(self, listener: Listener, send: Send) -> None:
        here = _mark(listener.position) if self.start.now else b""
        await _send(send, _RETRY + here + b"\n")
        if not self.start.now and await self._history(listener, send):
            return
        while True:
            news = await listener.next(self.beat)
            if news is None and listener.over:
                return
            if news is None:
                await _send(send, b": nothing new\n" + self._calm() + b"\n")
            elif news.event.id not in self._seen:
                await _send(send, _frame(news))
                if self.final and ends(news.event):
                    return

    async def _history(self, listener: Listener, send: Send) -> bool:
        """Sends what is in the store; whether that is all there will be."""
        while True:
            # In this order: what comes between two of these steps is in the next one.
            listener.hear()
            final = self.final is not None and await self.final()
            page = await self.hub.store.events_after(self._last, replace(self.query, limit=AT_ONCE))
            if not page:
                self._looks = self.hub.looks
                return final
            # However long the sending takes: what happens meanwhile is in the next page.
            listener.turn_away()
            for event in page:
                await _send(send, _frame(News(event)))
                self._last = event.id
                self._seen.append(event.id)

    def _calm(self) -> bytes:
        """Where the caller may come back, once the hub is no longer behind what was read from the store."""
        if self.hub.calm <= self._looks:
            return b""
        self._seen.clear()
        return _mark(self.hub.position)


def _frame(news: News) -> bytes:
    return f"id: {news.event.id}\nevent: {news.event.type}\ndata: ".encode() + news.json + b"\n\n"


def _mark(position: str | None) -> bytes:
    """An id without an event: from here on the caller comes back."""
    return f"id: {position or _BEFORE_ALL}\n".encode()


async def _send(send: Send, content: bytes) -> None:
    await send({"type": "http.response.body", "body": content, "more_body": True})


async def _cut(scope: Scope, gone: "asyncio.Task[None]") -> None:
    """Ends the connection of a reader that takes nothing: what waits for it would keep it open."""
    abort = (scope.get("extensions") or {}).get("receiver.abort")
    if abort:
        abort["abort"]()
        await asyncio.wait({gone}, timeout=_GRACE_S)
