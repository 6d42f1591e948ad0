"""Looks at what no event tells: a disk that runs full, and archives still undelivered when links are about to die."""

import asyncio
import hashlib
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from receiver.events import Event, Failure, Level
from receiver.store.base import Store
from receiver.store.records import DeliveryRow
from receiver.turns import forever
from receiver.units import format_size

# Providers keep files for 14 days at least (their pages say 14 or 15): three days are left to act.
_EXPIRING = timedelta(days=11)
_PERIOD = timedelta(minutes=1)
_MOST = 50


def free_bytes(folder: Path) -> int:
    """What is free on the disk of this folder, or of the nearest one above that exists."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


@dataclass(slots=True, kw_only=True)
class Watch:
    """`folders` must keep `free_disk` bytes free each; `archives` are the handlers that keep files.

    One process of each `host` looks at its disks, one of all at the archives.
    """

    store: Store
    new_id: Callable[[str], str]
    archives: Collection[str]
    folders: Collection[Path]
    free_disk: int
    host: str = ""
    free: Callable[[Path], int] = free_bytes
    _low: bool = False
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        await forever(self._turn, self._stopping)

    def stop(self) -> None:
        self._stopping.set()

    async def _turn(self) -> None:
        await self.look()
        await asyncio.sleep(_PERIOD.total_seconds())

    async def look(self) -> None:
        """One look at everything; what is wrong becomes an event, once."""
        if self.folders and await self.store.leads(f"disks of {self.host}"):
            await self._look_at_disks()
        if self.archives and await self.store.leads("watch"):
            rows = await self.store.undelivered(self.archives, _EXPIRING, _MOST)
            await self.store.emit([self._expiring(row) for row in rows])

    async def _look_at_disks(self) -> None:
        full = [(folder, free) for folder in self.folders if (free := self.free(folder)) < self.free_disk]
        if full and not self._low:
            said = "; ".join(f"{format_size(free)} are free at {folder}" for folder, free in full)
            advice = "Free some space, or lower limits.free_disk: archives stop below it and go on by themselves."
            await self.store.emit([self._event(self.new_id("evt"), "disk.low", f"{said}.", advice)])
        self._low = bool(full)

    def _expiring(self, row: DeliveryRow) -> Event:
        # The same delivery makes the same id, and an id is written once.
        ident = "evt_" + hashlib.sha256(f"file.expiring {row.id}".encode()).hexdigest()[:32]
        message = f"{row.handler} has not archived {row.event_type} in {_EXPIRING.days} days: its links die soon."
        advice = f"Mend what it says under {row.id}, then: receiver redeliver {row.id}"
        return self._event(ident, "file.expiring", message, advice, row)

    def _event(self, ident: str, type_: str, message: str, advice: str, row: DeliveryRow | None = None) -> Event:
        now = self.store.now()
        return Event(
            id=ident,
            type=type_,
            level=Level.PROBLEM,
            submission_id=row.submission_id if row else None,
            occurred_at=now,
            received_at=now,
            error=Failure(code=type_, message=message, advice=advice),
            raw={"handler": row.handler, "delivery_id": row.id} if row else None,
            about=row.handler if row else None,
        )
