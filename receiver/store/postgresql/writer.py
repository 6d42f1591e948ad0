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
from receiver.store.sql.jobs import Job
from receiver.store.sql.turn import Op, Ring, Row

A = TypeVar("A")
R = TypeVar("R")

# Writes in one transaction. More would hold the locks of many submissions for long.
MOST = 128
# How often a transaction is tried that another one got in the way of.
_TRIES = 5
# Seconds.
_CLOSE = 1.0

_log = logging.getLogger(__name__)


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
        self._ring = ring
        self._lanes: dict[Op[Any, Any], _Lane] = {}

    async def run(self, op: Op[A, R], item: A) -> R:
        """The answer, after its commit. Raises StoreUnavailable, or what the op answers for this item alone."""
        job = Job(item, asyncio.get_running_loop().create_future())
        lane = self._lanes.setdefault(op, _Lane())
        lane.waiting.append(job)
        if lane.task is None or lane.task.done():
            lane.task = asyncio.create_task(self._serve(op, lane))
        answer: R = await job.answer
        return answer

    async def close(self) -> None:
        """Commits what waits, unless the database is away: a stop has little time."""
        if tasks := [lane.task for lane in self._lanes.values() if lane.task]:
            await asyncio.wait(tasks, timeout=_CLOSE)

    async def _serve(self, op: Op[Any, Any], lane: _Lane) -> None:
        while lane.waiting:
            batch = [lane.waiting.popleft() for _ in range(min(MOST, len(lane.waiting)))]
            try:
                await self._write(op, batch)
            except Exception as error:  # noqa: BLE001 - a lane outlives whatever one transaction brings
                _log.exception("a group of writes failed")
                self._fail(batch, error)

    async def _write(self, op: Op[Any, Any], batch: list[Job]) -> None:
        try:
            answers, rings = await self._try(op, batch)
        except Exception as error:  # noqa: BLE001 - sorted here: whose failure it is decides who hears of it
            await self._undo(op, batch, error)
            return
        for job, answer in zip(batch, answers, strict=True):
            job.settle(answer)
        for ring in rings:
            self._ring(ring)

    async def _undo(self, op: Op[Any, Any], batch: list[Job], error: Exception) -> None:
        ours = not isinstance(error, (*OF_THE_DATABASE, StoreUnavailable))
        if len(batch) > 1 and (ours or isinstance(error, OF_ONE)):
            for job in batch:
                await self._write(op, [job])
        elif ours:
            batch[0].settle(error)
        else:
            self._fail(batch, error)

    def _fail(self, batch: list[Job], error: Exception) -> None:
        for job in batch:
            job.settle(self._pool.failed(error))

    async def _try(self, op: Op[Any, Any], batch: list[Job]) -> tuple[Sequence[Any], set[Ring]]:
        for _ in range(1, _TRIES):
            try:
                return await self._commit(op, batch)
            except AGAIN as error:
                _log.info("a transaction is tried again: %s", type(error).__name__)
        return await self._commit(op, batch)

    async def _commit(self, op: Op[Any, Any], batch: list[Job]) -> tuple[Sequence[Any], set[Ring]]:
        async with self._pool.borrow() as connection, connection.transaction():
            turn = SharedTurn(connection, self._now())
            answers = await op(turn, [job.item for job in batch])
        return answers, turn.rings
