"""A hub on a real store, turning, with an API around it; events and submissions for it to tell of."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from receiver.api import routes
from receiver.api.stream import Streams
from receiver.api.stream_hub import Hub
from receiver.events import Event, Stage, Submission, utc_now
from receiver.stages import Change
from receiver.store.records import Page, Query
from tests.support.api import make_api
from tests.support.kit import Kit, kit
from tests.support.web import application


class Counted:
    """A store that is followed, with what was asked of it; fails as often as it is told."""

    def __init__(self, real: Kit) -> None:
        self._real = real.store
        self.news = real.store.news
        self.looks: list[str | None] = []
        self.read = 0
        self.failures: list[Exception] = []

    async def events(self, query: Query) -> Page[Event]:
        return await self._real.events(query)

    async def events_after(self, event_id: str | None, query: Query) -> list[Event]:
        self.looks.append(event_id)
        if self.failures:
            raise self.failures.pop()
        found = await self._real.events_after(event_id, query)
        self.read += len(found)
        return found


@dataclass
class Station:
    """A store, its hub, and the API of both."""

    kit: Kit
    store: Counted
    hub: Hub
    app: Starlette

    async def emit(self, *idents: str, **fields: Any) -> None:
        await self.kit.store.emit([event(ident, **fields) for ident in idents])

    async def begin(self, **changes: Any) -> Submission:
        """A submission that was accepted."""
        return await self.kit.expect(stage=Stage.ACCEPTED, **changes)

    async def move(self, submission: Submission, stage: Stage, type_: str = "") -> str:
        """Its stage, with the event that goes with it; the event's id."""
        told = event(self.kit.new_id("evt"), type=type_ or f"music.{stage}", submission_id=submission.id)
        changed = lambda current, _: Change(submission=replace(current, stage=stage), events=(told,))  # noqa: E731
        await self.kit.store.change(submission.id, changed)
        return told.id


def event(ident: str, **fields: Any) -> Event:
    plain = Event(id=ident, type="music.text", occurred_at=utc_now(), received_at=utc_now())
    return replace(plain, **fields)


@asynccontextmanager
async def station(
    folder: Path, *, most: int = 100, beat: timedelta = timedelta(hours=1), turning: bool = True
) -> AsyncIterator[Station]:
    """`turning`: the hub's loop runs. Without it nothing is told."""
    async with kit(folder) as made:
        counted = Counted(made)
        hub = Hub(counted, most=most)
        parts = replace(make_api().parts, store=made.store, hub=hub)
        plain = [route for route in routes(parts) if getattr(route.endpoint, "__self__", None).__class__ is not Streams]
        app = application([*plain, *Streams(parts, hub, beat).routes()])
        running = asyncio.create_task(hub.run()) if turning else None
        try:
            yield Station(made, counted, hub, app)
        finally:
            hub.stop()
            if running:
                await asyncio.wait_for(running, 5)
