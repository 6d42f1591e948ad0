"""A bell inside one process: wakes a loop when there is work."""

import asyncio
from contextlib import suppress
from datetime import timedelta


class LocalBell:
    """Rings for every loop that waits; a ring that nobody waited for ends the next wait at once."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, at_most: timedelta) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most.total_seconds()):
                await self._rung.wait()
        self._rung.clear()
