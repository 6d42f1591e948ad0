"""Writes that somebody waits for: those of one transaction share its fate, unless one of them is at fault."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from receiver.errors import StoreUnavailable
from receiver.store.sql.turn import Op, Ring, Turn

logger = logging.getLogger(__name__)


class Blame(Enum):
    """Whose fault it is that a transaction failed."""

    DATABASE = "database"
    VALUE = "value"
    """Something in it that the database refuses."""
    OURS = "ours"


@dataclass(slots=True)
class Job:
    op: Op[Any, Any]
    item: Any
    answer: asyncio.Future[Any]

    def settle(self, answer: object) -> None:
        # A caller that was cancelled has no use for the answer; its write stands.
        if self.answer.done():
            return
        if isinstance(answer, Exception):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)


async def answers(turn: Turn, batch: list[Job]) -> list[Any]:
    """Does all of them, each kind at once: whoever writes waits for the commit before it writes again."""
    places: dict[Op[Any, Any], list[int]] = {}
    for place, job in enumerate(batch):
        places.setdefault(job.op, []).append(place)
    given: list[Any] = [None] * len(batch)
    for op, group in places.items():
        found = await op(turn, [batch[place].item for place in group])
        for place, answer in zip(group, found, strict=True):
            given[place] = answer
    return given


@dataclass(frozen=True, slots=True)
class Committer:
    """`commit` gives the answers of a batch that is on disk, and the bells to ring; `failed` words an error."""

    commit: Callable[[list[Job]], Awaitable[tuple[list[Any], set[Ring]]]]
    blame: Callable[[Exception], Blame]
    failed: Callable[[Exception], StoreUnavailable]
    ring: Callable[[Ring], None]

    async def write(self, batch: list[Job]) -> None:
        """Whatever happens, every job has its answer then."""
        try:
            await self._write(batch)
        except Exception as error:
            logger.exception("a group of writes failed")
            self._fail(batch, error)

    async def _write(self, batch: list[Job]) -> None:
        try:
            given, rings = await self.commit(batch)
        except Exception as error:  # noqa: BLE001 - sorted here: whose failure it is decides who hears of it
            await self._undo(batch, error)
            return
        for job, answer in zip(batch, given, strict=True):
            job.settle(answer)
        for ring in rings:
            self.ring(ring)

    async def _undo(self, batch: list[Job], error: Exception) -> None:
        blame = self.blame(error)
        if blame is Blame.DATABASE:
            self._fail(batch, error)
        elif len(batch) > 1:
            # One item is at fault: on its own it fails alone.
            for job in batch:
                await self._write([job])
        elif blame is Blame.VALUE:
            self._fail(batch, error)
        else:
            batch[0].settle(error)

    def _fail(self, batch: list[Job], error: Exception) -> None:
        for job in batch:
            job.settle(self.failed(error))
