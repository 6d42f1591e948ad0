"""A real SQLite store with a clock that tests move, and the parts that work on it."""

import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from receiver.attempt import Tools
from receiver.events import Event, Submission
from receiver.handler import Handler
from receiver.intake import Intake
from receiver.outbound import Http
from receiver.providers.base import Provider
from receiver.providers.sunoapi import SunoApi
from receiver.routing import Match, Route, Step
from receiver.stages import Change
from receiver.store import open_store
from receiver.store.base import Store
from receiver.store.records import DeliveryRow, Query
from receiver.worker import Worker
from tests.support.deliveries import FakeMedia
from tests.support.stages import NOON


class Clock:
    """Stands at noon until it is moved."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **by: float) -> None:
        self.time += timedelta(**by)


def ids() -> Callable[[str], str]:
    count = itertools.count(1)
    return lambda prefix: f"{prefix}_{next(count):032x}"


def sunoapi(base_url: str = "http://127.0.0.1:1") -> SunoApi:
    return SunoApi(type="sunoapi", api_key=SecretStr("provider-key-123"), base_url=base_url)


@dataclass
class Kit:
    store: Store
    clock: Clock
    new_id: Callable[[str], str]
    intake: Intake

    async def expect(self, ident: str = "", **changes: object) -> Submission:
        """A submission on disk that callbacks may come for."""
        operation = self.intake.providers["suno"].operation("generate")
        submission = self.intake.expect("suno", operation, ident or None)
        for name, value in changes.items():
            object.__setattr__(submission, name, value)
        stored = await self.store.change(submission, lambda current, _: Change(submission=current))
        assert stored is not None
        return stored

    async def events(self) -> list[Event]:
        """Oldest first."""
        return (await self.store.events(Query(limit=200))).data[::-1]

    async def types(self) -> list[str]:
        return [event.type for event in await self.events()]

    async def deliveries(self) -> list[DeliveryRow]:
        """Oldest first."""
        return (await self.store.delivery_rows(Query(limit=200))).data[::-1]

    async def states(self) -> list[tuple[str, str]]:
        return [(row.handler, row.state.value) for row in await self.deliveries()]

    def worker(self, handlers: Mapping[str, Handler], routes: Sequence[Route] = (), http: Http | None = None) -> Worker:
        tools = Tools(
            store=self.store,
            http=http or Http(),
            media=FakeMedia({}),
            link=lambda ident: f"https://me.example/files/{ident}",
            new_id=self.new_id,
            jitter=lambda: 0.5,
        )
        to_all = Route(when=Match(), handlers=tuple(Step(handler=name) for name in handlers))
        return Worker(owner="worker-1", handlers=handlers, routes=routes or (to_all,), tools=tools)


@asynccontextmanager
async def kit(folder: Path, providers: Mapping[str, Provider] | None = None) -> AsyncIterator[Kit]:
    clock, new_id = Clock(), ids()
    store = open_store(f"sqlite:///{folder / 'receiver.db'}", clock, new_id)
    await store.open()
    try:
        await store.migrate()
        intake = Intake(
            store=store,
            providers=providers if providers is not None else {"suno": sunoapi()},
            new_id=new_id,
            callback_limit=1000,
        )
        yield Kit(store, clock, new_id, intake)
    finally:
        await store.close()
