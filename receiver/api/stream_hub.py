"""Who waits for events: one task reads each new event once, in the order of the commits, and tells all who listen."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from enum import Enum
from functools import cached_property
from typing import Protocol

from receiver.errors import Rejection
from receiver.events import Event
from receiver.shapes import event_json, json_bytes
from receiver.store.base import Bell
from receiver.store.records import Page, Query
from receiver.turns import forever

# Each brings its provider's body, of up to 8 MiB.
AT_ONCE = 8
MOST_LISTENERS = 1000
# What a listener may be behind; one event may be larger.
_MOST_BEHIND, _MOST_BYTES = 1000, 16 * 2**20
# The bell rings for what this process commits; the look finds what another one did.
_LOOK = timedelta(seconds=2)


class FollowedStore(Protocol):
    """The part of a Store that is followed; what it promises stands there."""

    news: Bell

    async def events(self, query: Query) -> Page[Event]: ...

    async def events_after(self, event_id: str | None, query: Query) -> list[Event]: ...


class News:
    """An event on its way to whoever listens. Its JSON is made once, by the first who wants it."""

    def __init__(self, event: Event) -> None:
        self.event = event

    @cached_property
    def json(self) -> bytes:
        return json_bytes(event_json(self.event))


class Over(Enum):
    """Why a listener hears no more."""

    STOPPED = "this process stops"
    SLOW = "it was too far behind"


class Listener:
    """What one hears: the events that it wants, from when it came, until it is `over`.

    `position` is the last event before it came.
    """

    def __init__(self, wants: Callable[[Event], bool]) -> None:
        self.position: str | None = None
        self.over: Over | None = None
        self.ended = asyncio.Event()
        self._wants = wants
        self._waiting: deque[News] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._hears = True

    def hear(self) -> None:
        self._hears = True

    def turn_away(self) -> None:
        """Forgets what waits and hears nothing until `hear`."""
        self._hears = False
        self._waiting.clear()
        self._bytes = 0

    def tell(self, news: News) -> None:
        if self.over or not self._hears or not self._wants(news.event):
            return
        self._waiting.append(news)
        self._bytes += len(news.json)
        self._arrived.set()
        if len(self._waiting) > _MOST_BEHIND or (len(self._waiting) > 1 and self._bytes > _MOST_BYTES):
            self.turn_away()
            self.end(Over.SLOW)

    def end(self, over: Over) -> None:
        self.over = over
        self.ended.set()
        self._arrived.set()

    async def next(self, at_most: timedelta) -> News | None:
        """The next event; None where none came in this time, or it is over."""
        if not self._waiting and not self.over:
            self._arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(at_most.total_seconds()):
                    await self._arrived.wait()
        if not self._waiting:
            return None
        news = self._waiting.popleft()
        self._bytes -= len(news.json)
        return news


class Hub:
    """Follows the store for as long as anybody listens; a loop of the process.

    `position` is the last event that was told: whoever listens now hears of all behind it. `looks` counts the looks
    into the store, `calm` is the last one that found nothing: all that was there when it began had been told.
    """

    def __init__(self, store: FollowedStore, *, most: int = MOST_LISTENERS, look: timedelta = _LOOK) -> None:
        self.store = store
        self.position: str | None = None
        self.looks = self.calm = 0
        self._most = most
        self._look = look
        self._listeners: set[Listener] = set()
        # Held where the position and the listeners change: a listener misses nothing and hears nothing old.
        self._turning = asyncio.Lock()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        await forever(self._turn, self._stopping)

    def stop(self) -> None:
        """Ends all listeners, so that no answer keeps the process alive."""
        self._stopping.set()
        for listener in self._listeners:
            listener.end(Over.STOPPED)

    @asynccontextmanager
    async def listen(self, wants: Callable[[Event], bool]) -> AsyncIterator[Listener]:
        """Whoever looks into the store only afterwards misses nothing. Raises Rejection: 503 where too many listen."""
        listener = Listener(wants)
        async with self._turning:
            if len(self._listeners) >= self._most:
                raise _too_many()
            if not self._listeners:
                newest = await self.store.events(Query(limit=1))
                self.position = newest.data[0].id if newest.data else None
            listener.position = self.position
            self._listeners.add(listener)
        if self._stopping.is_set():
            listener.end(Over.STOPPED)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def _turn(self) -> None:
        if not await self._tell():
            await self.store.news.wait(self._look)

    async def _tell(self) -> bool:
        """Tells the next few events; whether there were any."""
        async with self._turning:
            if not self._listeners:
                return False
            self.looks += 1
            found = await self.store.events_after(self.position, Query(limit=AT_ONCE))
            for event in found:
                news = News(event)
                for listener in self._listeners:
                    listener.tell(news)
                self.position = event.id
            if not found:
                self.calm = self.looks
        return bool(found)


def _too_many() -> Rejection:
    detail = "Too many requests wait for events here. Look again in a few seconds, without `wait` or a stream."
    return Rejection(503, "Too many listeners", detail, headers={"retry-after": "5"})
