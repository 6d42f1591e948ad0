"""Loops that outlive whatever one of their turns meets, and writes that outlive a database that is away."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from typing import Protocol, TypeVar

from receiver.errors import StoreError

T = TypeVar("T")
Turn = Callable[[], Awaitable[None]]

logger = logging.getLogger(__name__)

# However long the database is away, it is looked for so often, in seconds.
_LONGEST_REST = 5.0
# How often a write is tried that a database refuses which is there.
_REFUSALS = 5
# How long, in seconds, whoever does not lead rests; and whoever leads from now on, once: what the one before has begun
# is over then.
_ASIDE = 3.0


async def forever(turn: Turn, stopping: asyncio.Event, pause: float = 1.0) -> None:
    """Turn after turn until `stopping` is set; the turn under way is cancelled then.

    After a turn that failed it rests for `pause` seconds, and for longer while the database is away.
    """
    guarded = _Guarded(turn, pause)
    stopped = asyncio.create_task(stopping.wait())
    try:
        while not stopping.is_set():
            running = asyncio.create_task(guarded.run())
            await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    finally:
        stopped.cancel()


@dataclass(slots=True)
class _Guarded:
    """The turns of one loop; `misses` counts those in a row that had no database."""

    turn: Turn
    pause: float
    misses: int = 0

    async def run(self) -> None:
        name = getattr(self.turn, "__qualname__", "a loop")
        try:
            await self.turn()
        except StoreError as error:
            # Said once: a database may be away for an hour.
            logger.log(logging.DEBUG if self.misses else logging.WARNING, "%s waits for the database: %s", name, error)
            self.misses += 1
            await asyncio.sleep(_rest(self.pause, self.misses))
        except Exception:  # whatever one turn meets, the next one comes
            logger.exception("%s failed and goes on", name)
            await asyncio.sleep(self.pause)
        else:
            if self.misses:
                logger.info("%s goes on: the database is back", name)
            self.misses = 0


def led(leads: Callable[[str], Awaitable[bool]], task: str, turn: Turn, aside: float = _ASIDE) -> Turn:
    """The turn of a task that one process does for all: elsewhere, and right after a takeover, it is a rest."""
    waited = False

    @wraps(turn)
    async def run() -> None:
        nonlocal waited
        leading = await leads(task)
        if leading and not waited:
            await turn()
            return
        waited = not leading
        await asyncio.sleep(aside)

    return run


class Database(Protocol):
    async def ping(self) -> None:
        """Raises StoreError."""


async def insist(database: Database, write: Callable[[], Awaitable[T]], over: asyncio.Event, pause: float = 1.0) -> T:
    """Writes what must not be lost: again and again while the database is away; a last time once it is `over`.

    What a database refuses that is there, it refuses for good. Raises StoreError.
    """
    misses = refusals = 0
    while True:
        last = over.is_set()
        try:
            return await write()
        except StoreError as error:
            if last:
                raise
            misses += 1
            refusals += await _is_there(database)
            if refusals >= _REFUSALS:
                raise
            logger.log(logging.DEBUG if misses > 1 else logging.WARNING, "a write waits for the database: %s", error)
        with suppress(TimeoutError):
            async with asyncio.timeout(_rest(pause, misses)):
                await over.wait()


async def _is_there(database: Database) -> bool:
    try:
        await database.ping()
    except StoreError:
        return False
    return True


def _rest(pause: float, misses: int) -> float:
    """Seconds, from one miss to the next twice as long."""
    return min(pause * 2.0 ** min(misses - 1, 10), max(pause, _LONGEST_REST))
