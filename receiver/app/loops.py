"""What runs in this process beside the answers to requests, as tasks, and whether they live."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Protocol

logger = logging.getLogger(__name__)


class Loop(Protocol):
    async def run(self) -> None:
        """Runs until `stop`, then ends what it has begun."""

    def stop(self) -> None:
        """Asked a second time, whoever had some grace has none."""


class Loops:
    def __init__(self, loops: Iterable[Loop]) -> None:
        self._loops = list(loops)
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    def add(self, loops: Iterable[Loop]) -> None:
        self._loops += loops

    def start(self) -> None:
        self._tasks = [asyncio.create_task(loop.run(), name=type(loop).__name__) for loop in self._loops]
        for task in self._tasks:
            task.add_done_callback(self._tell)

    def stop(self) -> None:
        """Asks them to end, a second time without any grace; `join` waits for it."""
        self._stopping = True
        for loop in self._loops:
            loop.stop()

    def end(self) -> None:
        """Asks them to end where nobody has."""
        if not self._stopping:
            self.stop()

    async def join(self) -> None:
        await asyncio.gather(*self._tasks)

    async def first(self) -> None:
        """Until one of them has ended: all were asked to, or this one broke off."""
        await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    def dead(self) -> list[str]:
        """The names of those that ended although nobody asked."""
        return [task.get_name() for task in self._tasks if task.done()]

    def _tell(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error:
            logger.error("%s broke off", task.get_name(), exc_info=error)
        elif not self._stopping:
            logger.error("%s ended although nobody asked", task.get_name())
