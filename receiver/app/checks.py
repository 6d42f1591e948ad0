"""What `/healthz` and `/readyz` look at."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from receiver.api.parts import Check, Finding, Health
from receiver.app.loops import Loops
from receiver.errors import StoreError
from receiver.presence import missing_since
from receiver.shapes import timestamp
from receiver.store.base import Store
from receiver.store.records import Process
from receiver.units import format_size
from receiver.watch import free_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """`folder` is where the database lies, None where on no disk of this machine; below `free_disk` bytes there, the
    archives stop. `process` is this one.

    Of the store they ask only what it answers at once, also while somebody searches in it.
    """

    store: Store
    loops: Loops
    process: Process
    handlers: Collection[str]
    clients: Collection[str]
    public: bool
    folder: Path | None
    free_disk: int

    def alive(self) -> tuple[Check, ...]:
        return (
            Check("database", self.database, vital=True),
            Check("tasks", self.tasks, vital=True),
            Check("handlers", self.paused),
            Check("deliveries", self.deliveries),
            *(() if self.process.does_work else (Check("worker", self.worker),)),
            *(() if self.folder is None else (Check("disk", self.disk),)),
            Check("configuration", self.configuration),
        )

    def ready(self) -> tuple[Check, ...]:
        return (Check("database", self.database, vital=True),)

    async def database(self) -> Finding:
        try:
            await self.store.ping()
        except StoreError as error:
            return Finding("database", Health.FAIL, f"It can't commit: {error}")
        return Finding("database")

    async def tasks(self) -> Finding:
        if dead := self.loops.dead():
            return Finding("tasks", Health.FAIL, f"{', '.join(dead)} ended. Restart this process; its log says why.")
        return Finding("tasks")

    async def paused(self) -> Finding:
        known = [state for state in await self.store.handlers() if state.name in self.handlers]
        paused = [state for state in known if state.paused_at]
        if not paused:
            return Finding("handlers")
        said = "; ".join(f"{state.name} is paused: {state.reason}" for state in paused)
        return Finding("handlers", Health.WARN, f"{said}. Mend the target: it is probed until it answers.")

    async def deliveries(self) -> Finding:
        found = []
        if await self.store.has_dead():
            found.append("There are dead letters. See `receiver deliveries --state dead`.")
        if gone := [name for name in await self.store.open_handlers() if name not in self.handlers]:
            said = ", ".join(gone)
            found.append(f"Deliveries wait for {said}, not in the configuration. Put it back by this name.")
        return Finding("deliveries", Health.WARN if found else Health.OK, " ".join(found))

    async def worker(self) -> Finding:
        known = [one for one in await self.store.processes() if one.process.does_work or one.process == self.process]
        since = missing_since(known)
        if since is None:
            return Finding("worker")
        said = f"no worker runs since {timestamp(since)}: everything is kept, nothing is delivered"
        return Finding("worker", Health.WARN, f"{said}; start `receiver worker`.")

    async def disk(self) -> Finding:
        free = free_bytes(self.folder) if self.folder else self.free_disk
        if free >= self.free_disk:
            return Finding("disk")
        said = f"{format_size(free)} free at {self.folder}, below limits.free_disk: archives stop."
        return Finding("disk", Health.WARN, said)

    async def configuration(self) -> Finding:
        missing = [
            sentence
            for sentence, wrong in (
                ("no clients: the gateway is closed", not self.clients),
                ("no public_url: providers can't call back, they are asked instead", not self.public),
                ("no handlers: nothing is sent on", not self.handlers),
            )
            if wrong
        ]
        return Finding("configuration", Health.WARN if missing else Health.OK, "; ".join(missing))
