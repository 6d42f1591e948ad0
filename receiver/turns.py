"""A loop that outlives whatever one of its turns meets."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from receiver.errors import StoreError

logger = logging.getLogger(__name__)


async def forever(turn: Callable[[], Awaitable[None]], stopping: asyncio.Event, pause: float = 1.0) -> None:
    """Turn after turn until `stopping` is set; the turn under way is cancelled then.

    After a turn that failed it rests for `pause` seconds.
    """
    stopped = asyncio.create_task(stopping.wait())
    try:
        while not stopping.is_set():
            running = asyncio.create_task(_guarded(turn, pause))
            await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    finally:
        stopped.cancel()


async def _guarded(turn: Callable[[], Awaitable[None]], pause: float) -> None:
    try:
        await turn()
    except StoreError as error:
        logger.warning("%s waits for the database: %s", turn.__qualname__, error)
        await asyncio.sleep(pause)
    except Exception:  # whatever one turn meets, the next one comes
        logger.exception("%s failed and goes on", turn.__qualname__)
        await asyncio.sleep(pause)
