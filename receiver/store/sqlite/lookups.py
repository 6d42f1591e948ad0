"""Looks that come close together are answered by one statement: under load none costs a thread hop of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

V = TypeVar("V")


class Lookups(Generic[V]):
    """`find` looks many ids up at once; one that it leaves out is unknown. What it raises is raised to all."""

    def __init__(self, find: Callable[[list[str]], Awaitable[Mapping[str, V]]]) -> None:
        self._find = find
        self._waiting: dict[str, asyncio.Future[V | Exception | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, ident: str) -> V | None:
        answer = self._waiting.setdefault(ident, asyncio.get_running_loop().create_future())
        if self._task is None:
            self._task = asyncio.create_task(self._serve())
        # Others may wait for the same id: a caller that is cancelled must not cancel theirs.
        found = await asyncio.shield(answer)
        if isinstance(found, Exception):
            raise found
        return found

    async def _serve(self) -> None:
        try:
            while self._waiting:
                wanted, self._waiting = self._waiting, {}
                await self._answer(wanted)
        finally:
            self._task = None

    async def _answer(self, wanted: Mapping[str, asyncio.Future[V | Exception | None]]) -> None:
        try:
            found = await self._find(list(wanted))
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            for answer in wanted.values():
                answer.set_result(error)
            return
        for ident, answer in wanted.items():
            answer.set_result(found.get(ident))
