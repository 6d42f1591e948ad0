"""The one writer: takes every write that waits, commits them together, and only then answers them."""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiosqlite

from receiver.errors import StoreUnavailable
from receiver.store.sql.jobs import Job
from receiver.store.sql.turn import Op, Ring

A = TypeVar("A")
R = TypeVar("R")

MOST = 256

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class FileTurn:
    """One transaction on the file, which it has for itself."""

    db: aiosqlite.Connection
    now: int
    rings: set[Ring] = field(default_factory=set)
    alone: bool = True

    async def rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[sqlite3.Row]:
        return list(await self.db.execute_fetchall(sql, parameters))

    async def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        given = list(rows)
        if given:
            cursor = await self.db.executemany(sql, given)
            await cursor.close()


@dataclass(slots=True)
class _Job(Job):
    op: Op[Any, Any]


class FileWriter:
    """`connect` raises StoreUnavailable; `now` is in microseconds; `failed` words an error of the database."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[aiosqlite.Connection]],
        now: Callable[[], int],
        failed: Callable[[Exception], StoreUnavailable],
        ring: Callable[[Ring], None],
    ) -> None:
        self._connect = connect
        self._now = now
        self._failed = failed
        self._ring = ring
        self._db: aiosqlite.Connection | None = None
        self._waiting: deque[_Job] = deque()
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    async def open(self) -> None:
        self._closing = False
        self._db = await self._connect()
        self._task = asyncio.create_task(self._serve())

    async def close(self) -> None:
        """Commits what waits, then lets go of the file."""
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            await self._task
            self._task = None
        await self._let_go()

    async def run(self, op: Op[A, R], item: A) -> R:
        """The answer, after its commit. Raises StoreUnavailable, or what the op answers for this item alone."""
        if self._closing or self._task is None:
            raise StoreUnavailable("The store is closed: this process is starting or stopping.")
        job = _Job(item, asyncio.get_running_loop().create_future(), op)
        self._waiting.append(job)
        self._arrived.set()
        answer: R = await job.answer
        return answer

    async def _serve(self) -> None:
        while self._waiting or not self._closing:
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            batch = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
            try:
                await self._write(batch)
            except Exception as error:  # noqa: BLE001 - the writer outlives whatever one turn brings
                _log.exception("a group of writes failed")
                self._fail(batch, error)

    async def _write(self, batch: list[_Job]) -> None:
        try:
            answers, rings = await self._commit(batch)
        except Exception as error:  # noqa: BLE001 - sorted here: whose failure it is decides who hears of it
            await self._undo(batch, error)
            return
        for job, answer in zip(batch, answers, strict=True):
            job.settle(answer)
        for ring in rings:
            self._ring(ring)

    async def _undo(self, batch: list[_Job], error: Exception) -> None:
        if _is_of_the_database(error):
            await self._let_go()
            self._fail(batch, error)
        elif len(batch) > 1:
            # One item is at fault: on its own it fails alone.
            for job in batch:
                await self._write([job])
        elif isinstance(error, sqlite3.Error):
            self._fail(batch, error)
        else:
            batch[0].settle(error)

    def _fail(self, batch: list[_Job], error: Exception) -> None:
        for job in batch:
            job.settle(self._failed(error))

    async def _commit(self, batch: list[_Job]) -> tuple[list[Any], set[Ring]]:
        if self._db is None:
            self._db = await self._connect()
        db = self._db
        await db.execute_fetchall("BEGIN IMMEDIATE")
        turn = FileTurn(db, self._now())
        try:
            answers = await _answer(turn, batch)
            await db.commit()
        except BaseException:
            with suppress(sqlite3.Error):
                await db.rollback()
            raise
        return answers, turn.rings

    async def _let_go(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with suppress(sqlite3.Error):
                await db.close()


async def _answer(turn: FileTurn, batch: list[_Job]) -> list[Any]:
    # Whoever writes waits for the commit before it writes again, so kinds may change places within a batch.
    places: dict[Op[Any, Any], list[int]] = {}
    for place, job in enumerate(batch):
        places.setdefault(job.op, []).append(place)
    answers: list[Any] = [None] * len(batch)
    for op, group in places.items():
        found = await op(turn, [batch[place].item for place in group])
        for place, answer in zip(group, found, strict=True):
            answers[place] = answer
    return answers


def _is_of_the_database(error: Exception) -> bool:
    if isinstance(error, StoreUnavailable):
        return True
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.IntegrityError | sqlite3.DataError
    )
