"""Writes: those of one kind that wait together share a transaction, and kinds go side by side."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from receiver.errors import StoreUnavailable
from receiver.store.postgresql.connections import Borrowed, Pool
from receiver.store.postgresql.dialect import bind
from receiver.store.postgresql.faults import AGAIN, OF_ONE, OF_THE_DATABASE
from receiver.store.sql.jobs import Blame, Committer, Job, answers
from receiver.store.sql.turn import Op, Ring, Row

A = TypeVar("A")
R = TypeVar("R")

# Writes in one transaction. More would hold the locks of many submissions for long.
MOST = 128
# How often a transaction is tried that another one got in the way of.
_TRIES = 5
# Seconds.
_CLOSE = 1.0

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class SharedTurn:
    """One transaction, beside those of others."""

    connection: Borrowed
    now: int
    rings: set[Ring] = field(default_factory=set)
    alone: bool = False

    async def rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Sequence[Row]:
        text, values = bind(sql, parameters)
        return await self.connection.fetch(text, *values)

    async def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        given = list(rows)
        if given:
            text, _ = bind(sql, ())
            await self.connection.executemany(text, given)


@dataclass(slots=True)
class _Lane:
    """What waits of one kind. While one transaction commits, the next one's writes gather."""

    waiting: deque[Job] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None


class SharedWriter:
    """`now` is in microseconds."""

    def __init__(self, pool: Pool, now: Callable[[], int], ring: Callable[[Ring], None]) -> None:
        self._pool = pool
        self._now = now
        self._committer = Committer(self._try, _blame, pool.failed, ring)
        self._lanes: dict[Op[Any, Any], _Lane] = {}

    async def run(self, op: Op[A, R], item: A) -> R:
        """The answer, after its commit. Raises StoreUnavailable, or what the op answers for this item alone."""
        job = Job(op, item, asyncio.get_running_loop().create_future())
        lane = self._lanes.setdefault(op, _Lane())
        lane.waiting.append(job)
        if lane.task is None or lane.task.done():
            lane.task = asyncio.create_task(self._serve(lane))
        answer: R = await job.answer
        return answer

    async def close(self) -> None:
        """Commits what waits, unless the database is away: a stop has little time."""
        if tasks := [lane.task for lane in self._lanes.values() if lane.task]:
            await asyncio.wait(tasks, timeout=_CLOSE)

    async def _serve(self, lane: _Lane) -> None:
        while lane.waiting:
            await self._committer.write([lane.waiting.popleft() for _ in range(min(MOST, len(lane.waiting)))])

    async def _try(self, batch: list[Job]) -> tuple[list[Any], set[Ring]]:
        for _ in range(1, _TRIES):
            try:
                return await self._commit(batch)
            except AGAIN as error:
                logger.info("a transaction is tried again: %s", type(error).__name__)
        return await self._commit(batch)

    async def _commit(self, batch: list[Job]) -> tuple[list[Any], set[Ring]]:
        async with self._pool.borrow() as connection, connection.transaction():
            turn = SharedTurn(connection, self._now())
            given = await answers(turn, batch)
        return given, turn.rings


def _blame(error: Exception) -> Blame:
    if isinstance(error, OF_ONE):
        return Blame.VALUE
    return Blame.DATABASE if isinstance(error, (*OF_THE_DATABASE, StoreUnavailable)) else Blame.OURS
