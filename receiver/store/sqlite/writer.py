"""The one writer: takes every write that waits, commits them together, and only then answers them."""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiosqlite

from receiver.errors import StoreUnavailable
from receiver.store.sql.jobs import Blame, Committer, Job, answers
from receiver.store.sql.turn import Op, Ring

A = TypeVar("A")
R = TypeVar("R")

MOST = 256


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
        self._committer = Committer(self._commit, _blame, failed, ring)
        self._db: aiosqlite.Connection | None = None
        self._waiting: deque[Job] = deque()
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
        job = Job(op, item, asyncio.get_running_loop().create_future())
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
            await self._committer.write(batch)

    async def _commit(self, batch: list[Job]) -> tuple[list[Any], set[Ring]]:
        if self._db is None:
            self._db = await self._connect()
        db = self._db
        try:
            await db.execute_fetchall("BEGIN IMMEDIATE")
            turn = FileTurn(db, self._now())
            given = await answers(turn, batch)
            await db.commit()
        except BaseException as error:
            with suppress(sqlite3.Error):
                await db.rollback()
            if isinstance(error, Exception) and _blame(error) is Blame.DATABASE:
                await self._let_go()
            raise
        return given, turn.rings

    async def _let_go(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with suppress(sqlite3.Error):
                await db.close()


def _blame(error: Exception) -> Blame:
    if isinstance(error, sqlite3.IntegrityError | sqlite3.DataError):
        return Blame.VALUE
    if isinstance(error, sqlite3.DatabaseError | StoreUnavailable):
        return Blame.DATABASE
    return Blame.VALUE if isinstance(error, sqlite3.Error) else Blame.OURS
