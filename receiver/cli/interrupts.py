"""Ctrl-C: the first one lets a command close what it has opened, a later one can't break that off."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

# Who presses twice has waited enough: so long after the second signal the process goes, whatever it holds.
LAST_RESORT_S = 5.0
_CODE = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Counts the signals; the first one cancels the work, once."""

    def __init__(self) -> None:
        self._count = 0
        self._cancel: Callable[[], object] | None = None

    @property
    def came(self) -> bool:
        return self._count > 0

    async def guard(self, work: Coroutine[Any, Any, T]) -> T:
        """Does the work. Raises CancelledError where a signal came, before or meanwhile."""
        task, loop = asyncio.ensure_future(work), asyncio.get_running_loop()
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        if self.came:
            task.cancel()
        try:
            return await task
        finally:
            self._cancel = None

    def take(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1 and self._cancel:
            self._cancel()
        if self._count == 2:
            # A thread: what hangs may be the event loop, or the end of the interpreter.
            last = threading.Timer(LAST_RESORT_S, os._exit, (_CODE,))
            last.daemon = True
            last.start()


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Takes the signals meanwhile. Once one came the process ends, and none may break that off either."""
    taken = Interrupts()
    before = [(number, signal.signal(number, taken.take)) for number in _SIGNALS]
    try:
        yield taken
    finally:
        if not taken.came:
            for number, handler in before:
                signal.signal(number, handler)


async def finished(closing: Coroutine[Any, Any, None]) -> None:
    """Waits for the end of `closing` also where the wait is cancelled: a store half closed keeps its process alive."""
    task = asyncio.ensure_future(closing)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
