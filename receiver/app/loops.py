"""The worker and the reconciler as tasks of this process, and whether they live."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

logger = logging.getLogger(__name__)


class Loop(Protocol):
    async def run(self) -> None:
        """Runs until `stop`, then ends what it has begun."""

    def stop(self) -> None: ...


class Loops:
    def __init__(self, loops: Sequence[Loop]) -> None:
        self._loops = loops
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    def start(self) -> None:
        self._tasks = [asyncio.create_task(loop.run(), name=type(loop).__name__) for loop in self._loops]
        for task in self._tasks:
            task.add_done_callback(self._tell)

    def stop(self) -> None:
        """Asks them to end; `join` waits for it."""
        self._stopping = True
        for loop in self._loops:
            loop.stop()

    async def join(self) -> None:
        await asyncio.gather(*self._tasks)

    def dead(self) -> list[str]:
        """The names of those that ended although nobody asked."""
        return [task.get_name() for task in self._tasks if task.done()]

    def _tell(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error:
            logger.error("%s broke off", task.get_name(), exc_info=error)
        elif not self._stopping:
            logger.error("%s ended although nobody asked", task.get_name())
