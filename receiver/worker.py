"""Routes new events and runs due deliveries: lease, heartbeat, graceful stop. Its loops outlive any failure."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from receiver.attempt import Tools, attempt
from receiver.errors import StoreError
from receiver.handler import Handler
from receiver.routing import Route, plan
from receiver.store.records import LEASE, Claim, Dead, Terms
from receiver.turns import forever, insist

logger = logging.getLogger(__name__)

# A look without a bell: the safety behind every wake-up, and the pace while a limit holds deliveries back.
_LOOK = timedelta(seconds=5)
_SOON = timedelta(milliseconds=200)
# Under load the ends of a few attempts are gathered before the next claim: a claim costs as much for one as for ten.
_GATHER = 0.004
_ROUTE_BATCH = 200
_MOST_AT_ONCE = 200
# Hosts kill after ten seconds: where the database does not answer, writing and closing take two or three.
_GRACE = timedelta(seconds=7)
# How long, in seconds, what is known or untried after the grace may take to be written: the process ends.
_LAST = 0.5


@dataclass(slots=True, kw_only=True)
class Worker:
    """Runs until `stop` is called, then lets running attempts end for `grace` and gives the others back.

    `owner` is unique over machines and restarts: a lease is this process's. `pause` is how many seconds a loop rests
    after a failure.
    """

    owner: str
    handlers: Mapping[str, Handler]
    routes: Sequence[Route]
    tools: Tools
    grace: timedelta = _GRACE
    pause: float = 1.0
    _running: dict[asyncio.Task[None], Claim] = field(default_factory=dict)
    _settled: set[str] = field(default_factory=set)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _begun: bool = False
    _unsure: bool = False

    async def run(self) -> None:
        try:
            async with AsyncExitStack() as opened:
                for handler in self.handlers.values():
                    await opened.enter_async_context(handler.open())
                turns = (self._route, self._deliver, self._beat)
                await asyncio.gather(*(forever(turn, self._stopping, self.pause) for turn in turns))
                await self._finish()
        finally:
            # However this ends, nothing insists on being written any longer.
            self._over.set()

    def stop(self) -> None:
        """Asked a second time, it has no grace."""
        if self._stopping.is_set():
            self._over.set()
        self._stopping.set()

    async def _route(self) -> None:
        store = self.tools.store
        events = await store.unrouted(_ROUTE_BATCH)
        if not events:
            await store.outbox.wait(_LOOK)
            return
        await store.route([(event, plan(event, self.routes)) for event in events])

    async def _deliver(self) -> None:
        if not self._begun:
            await self._probe_paused()
        store = self.tools.store
        terms = self._terms()
        free = _MOST_AT_ONCE - len(self._running)
        holding = [claim.id for claim in self._running.values()]
        if self._unsure:
            # What a claim leased whose answer never came, nobody runs.
            await store.abandon(self.owner, holding)
        self._unsure = True
        claims = await store.claim(self.owner, LEASE, terms, free, holding) if free > 0 else []
        self._unsure = False
        for claim in claims:
            task = asyncio.create_task(self._attempt(claim), name=claim.id)
            self._running[task] = claim
            task.add_done_callback(self._ended)
        if claims:
            await asyncio.sleep(_GATHER)
        else:
            await store.deliveries.wait(await self._until_due(terms))

    def _terms(self) -> dict[str, Terms]:
        now = self.tools.store.now()
        return {
            name: Terms(
                concurrency=handler.concurrency,
                rate=handler.rate,
                quiet=handler.quiet_left(now),
                fallback=handler.fallback,
            )
            for name, handler in self.handlers.items()
        }

    async def _until_due(self, terms: Mapping[str, Terms]) -> timedelta:
        due = await self.tools.store.next_due(terms)
        return _LOOK if due is None else min(max(due - self.tools.store.now(), _SOON), _LOOK)

    async def _attempt(self, claim: Claim) -> None:
        ended = await attempt(claim, self.handlers[claim.handler], self.tools)
        self._settled.add(claim.id)
        # What is not written is done once more when its lease is over, so it is written for as long as there is a hope.
        if not await insist(self.tools.store, partial(self.tools.store.end, claim, ended), self._over, self.pause):
            logger.warning("the lease of %s was lost: another attempt of it counts", claim.id)
        logger.log(
            logging.ERROR if isinstance(ended, Dead) else logging.INFO,
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
        self._settled.discard(claim.id)
        if not task.cancelled() and (error := task.exception()):
            # Its lease runs out and it is tried again.
            logger.error("the outcome of %s could not be written: %s", claim.id, error)
        self.tools.store.deliveries.ring()

    async def _beat(self) -> None:
        if self._running:
            await self.tools.store.heartbeat(list(self._running.values()), LEASE)
        await asyncio.sleep(LEASE.total_seconds() / 3)

    async def _probe_paused(self) -> None:
        """A start may bring a mended configuration: whatever is paused is tried at once."""
        for state in await self.tools.store.handlers():
            # Whoever paused it by hand resumes it by hand.
            if state.probe_at and state.name in self.handlers:
                await self.tools.store.probe(state.name)
        self._begun = True

    async def _finish(self) -> None:
        """Attempts that end in time count; the rest are cancelled and given back untried."""
        await self._end_in_time()
        self._over.set()
        for task in [task for task, claim in self._running.items() if claim.id not in self._settled]:
            task.cancel()
        if self._running:
            _, lost = await asyncio.wait(self._running, timeout=_LAST)
            for task in lost:
                task.cancel()
            await asyncio.gather(*lost, return_exceptions=True)
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_LAST):
                # What was claimed in the turn that the stop broke off never began.
                await self.tools.store.abandon(self.owner)

    async def _end_in_time(self) -> None:
        over = asyncio.create_task(self._over.wait())
        ends: list[asyncio.Future[Any]] = [over, asyncio.gather(*self._running, return_exceptions=True)]
        await asyncio.wait(ends, timeout=self.grace.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
