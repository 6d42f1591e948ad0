"""Routes new events and runs due deliveries: lease, heartbeat, graceful stop. Its loops outlive any failure."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

from receiver.attempt import Tools, attempt
from receiver.errors import StoreError
from receiver.handler import Handler
from receiver.routing import Route, plan
from receiver.store.base import Claim, Limit

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
# A look without a bell: the safety behind every wake-up, and the pace while a limit holds deliveries back.
_LOOK = timedelta(seconds=5)
_SOON = timedelta(milliseconds=200)
# Under load the ends of a few attempts are gathered before the next claim: a claim costs as much for one as for ten.
_GATHER = 0.004
_ROUTE_BATCH = 200
_MOST_AT_ONCE = 200


@dataclass(slots=True, kw_only=True)
class Worker:
    """Runs until `stop` is called, then lets running attempts end for `grace` and gives the others back.

    `pause` is how many seconds a loop rests after a failure.
    """

    owner: str
    handlers: Mapping[str, Handler]
    routes: Sequence[Route]
    tools: Tools
    grace: timedelta = timedelta(seconds=8)
    pause: float = 1.0
    _running: dict[asyncio.Task[None], Claim] = field(default_factory=dict)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        async with AsyncExitStack() as opened:
            for handler in self.handlers.values():
                await opened.enter_async_context(handler.open())
            await self._probe_paused()
            loops = [
                asyncio.create_task(self._forever(turn), name=turn.__name__)
                for turn in (self._route, self._deliver, self._beat)
            ]
            try:
                await self._stopping.wait()
            finally:
                for loop in loops:
                    loop.cancel()
                await asyncio.gather(*loops, return_exceptions=True)
                await self._finish()

    def stop(self) -> None:
        self._stopping.set()

    async def _forever(self, turn: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await turn()
            except StoreError as error:
                logger.warning("%s waits for the database: %s", turn.__name__, error)
                await asyncio.sleep(self.pause)
            except Exception:  # a loop must outlive whatever one turn of it meets
                logger.exception("%s failed and goes on", turn.__name__)
                await asyncio.sleep(self.pause)

    async def _route(self) -> None:
        store = self.tools.store
        events = await store.unrouted(_ROUTE_BATCH)
        if not events:
            await store.outbox.wait(_LOOK)
            return
        await store.route([(event, plan(event, self.routes)) for event in events])

    async def _deliver(self) -> None:
        store = self.tools.store
        limits = self._limits()
        free = _MOST_AT_ONCE - len(self._running)
        claims = await store.claim(self.owner, LEASE, limits, free) if free > 0 else []
        for claim in claims:
            task = asyncio.create_task(self._attempt(claim), name=claim.id)
            self._running[task] = claim
            task.add_done_callback(self._ended)
        if claims:
            await asyncio.sleep(_GATHER)
        else:
            await store.deliveries.wait(await self._until_due(limits))

    def _limits(self) -> dict[str, Limit]:
        return {
            name: Limit(concurrency=handler.concurrency, rate=handler.rate) for name, handler in self.handlers.items()
        }

    async def _until_due(self, limits: Mapping[str, Limit]) -> timedelta:
        due = await self.tools.store.next_due(limits)
        return _LOOK if due is None else min(max(due - self.tools.store.now(), _SOON), _LOOK)

    async def _attempt(self, claim: Claim) -> None:
        handler = self.handlers[claim.handler]
        ended = await attempt(claim, handler, self.tools)
        if not await self.tools.store.end(claim, ended):
            logger.warning("the lease of %s was lost: another worker has it, its outcome counts", claim.id)
        logger.info(
            "attempt",
            extra={
                "delivery": claim.id,
                "event": claim.event.type,
                "handler": claim.handler,
                "attempt": claim.attempt,
                "outcome": type(ended).__name__.lower(),
                "error": getattr(ended, "error", None),
            },
        )

    def _ended(self, task: asyncio.Task[None]) -> None:
        claim = self._running.pop(task)
        if not task.cancelled() and (error := task.exception()):
            # Its lease runs out and it is tried again.
            logger.error("the outcome of %s could not be written: %s", claim.id, error)
        self.tools.store.deliveries.ring()

    async def _beat(self) -> None:
        await asyncio.sleep(LEASE.total_seconds() / 3)
        if self._running:
            await self.tools.store.heartbeat(list(self._running.values()), LEASE)

    async def _probe_paused(self) -> None:
        """A start may bring a mended configuration: whatever is paused is tried at once."""
        for state in await self.tools.store.handlers():
            if state.paused_at and state.name in self.handlers:
                await self.tools.store.probe(state.name)

    async def _finish(self) -> None:
        """Attempts that end in time count; the rest are cancelled and given back untried."""
        running = list(self._running)
        if running:
            _, late = await asyncio.wait(running, timeout=self.grace.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
