"""Removes what is past the configuration's `retention`, and never takes more than a small share of the database."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

from receiver.store.base import Store
from receiver.store.records import Pruned, Retention
from receiver.turns import forever, led

# Rows that one transaction looks at: callbacks that come meanwhile wait for its end. bench/prune.py says how long.
BATCH = 50
# After a batch it rests so many times as long as that took: on a slow disk, or a busy one, it goes slower.
_RESTS = 4.0
_PERIOD = timedelta(hours=1)

logger = logging.getLogger(__name__)


async def sweep(store: Store, keep: Retention, *, dry_run: bool = False) -> AsyncIterator[Pruned]:
    """Batch by batch what was removed, until everything was looked at. Raises StoreUnavailable."""
    mark = None
    while True:
        begun = monotonic()
        pruned = await store.prune(keep, mark, BATCH, dry_run=dry_run)
        took = monotonic() - begun
        yield pruned
        mark = pruned.next
        if mark is None:
            return
        await asyncio.sleep(0 if dry_run else took * _RESTS)


@dataclass(slots=True, kw_only=True)
class Pruner:
    store: Store
    keep: Retention
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        await forever(led(self.store.leads, "pruner", self._turn), self._stopping)

    def stop(self) -> None:
        self._stopping.set()

    async def _turn(self) -> None:
        await self.prune()
        await asyncio.sleep(_PERIOD.total_seconds())

    async def prune(self) -> None:
        """Everything that is too old now."""
        total = Pruned()
        async for pruned in sweep(self.store, self.keep):
            total += pruned
        if total.callbacks or total.events:
            logger.info(
                "removed what is past retention: %d bodies of callbacks, %d events with %d deliveries",
                total.callbacks,
                total.events,
                total.deliveries,
            )
