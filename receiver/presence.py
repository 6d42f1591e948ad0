"""Says again and again that this process runs; a worker that comes back tells how long there was none."""

import asyncio
import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from receiver.events import Event, Failure, Level
from receiver.shapes import timestamp
from receiver.store.base import Store
from receiver.store.records import LEASE, Presence, Process
from receiver.turns import forever

# How long, in seconds, the last word may take: the process ends.
_LAST = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    store: Store
    process: Process
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        await forever(self._turn, self._stopping)
        with suppress(Exception):
            async with asyncio.timeout(_LAST):
                await self.store.present(self.process, ending=True)

    def stop(self) -> None:
        self._stopping.set()

    async def _turn(self) -> None:
        await self.beat()
        await asyncio.sleep(LEASE.total_seconds() / 3)

    async def beat(self) -> None:
        # Told first: whoever dies between the two leaves it to the next one, and an id is written once.
        if self.process.does_work and (since := missing_since(await self.store.processes())):
            await self.store.emit([await self._missing(since)])
        await self.store.present(self.process)

    async def _missing(self, since: datetime) -> Event:
        now, counts = self.store.now(), await self.store.counts()
        events, deliveries = counts.get("unrouted", 0), counts.get("pending", 0)
        message = (
            f"No worker ran from {timestamp(since)} to {timestamp(now)}: "
            f"events that waited: {events}, deliveries that waited: {deliveries}."
        )
        advice = "They go out now. See why `receiver worker` ended, and have it started again whenever it ends."
        told = hashlib.sha256(f"worker.missing {since.isoformat()}".encode()).hexdigest()[:32]
        return Event(
            id=f"evt_{told}",
            type="worker.missing",
            level=Level.PROBLEM,
            occurred_at=now,
            received_at=now,
            error=Failure(code="worker.missing", message=message, advice=advice),
            raw={"since": timestamp(since), "until": timestamp(now), "events": events, "deliveries": deliveries},
        )


def missing_since(known: Iterable[Presence]) -> datetime | None:
    """Since when there is no worker, where a web has run without any for longer than a lease."""
    rows = list(known)
    last = max((one.seen_at for one in rows if one.process.does_work), default=None)
    alone = [one for one in rows if one.process.does_web and one.seen_at - _later(one.steady_at, last) > LEASE]
    if not alone:
        return None
    return last or min(one.steady_at for one in alone)


def _later(first: datetime, second: datetime | None) -> datetime:
    return first if second is None else max(first, second)
