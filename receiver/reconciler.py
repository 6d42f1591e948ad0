"""Asks the provider about submissions whose callback is late, half, in conflict or can't come; feeds the intake."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from receiver.calls import call
from receiver.errors import Outcome
from receiver.events import Stage, Submission
from receiver.intake import Intake
from receiver.outbound import Http
from receiver.providers.base import Provider, Reply, Request
from receiver.retries import ask_delay
from receiver.store.base import Store
from receiver.turns import forever

logger = logging.getLogger(__name__)

# The budget: so many status calls, then a breath. It keeps below every provider's limit, also after a downtime.
_BATCH = 10
_BREATH = timedelta(seconds=2)
# An ask that this process does not live to finish is due again after this.
_HOLD = timedelta(seconds=90)
_TIMEOUT = timedelta(seconds=30)
_LOOK = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """`pace` is the time between two looks before the deadline: in status mode, or while a file is missing."""

    store: Store
    intake: Intake
    http: Http
    providers: Mapping[str, Provider]
    jitter: Callable[[], float]
    pace: timedelta = timedelta(seconds=15)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        await forever(self._turn, self._stopping)

    def stop(self) -> None:
        self._stopping.set()

    async def _turn(self) -> None:
        if await self.reconcile() == _BATCH:
            await asyncio.sleep(_BREATH.total_seconds())
            return
        due = await self.store.next_ask()
        wait = _LOOK if due is None else min(max(due - self.store.now(), timedelta()), _LOOK)
        await self.store.asks.wait(wait)

    async def reconcile(self) -> int:
        """Asks about everything that is due, up to one batch; returns how many submissions that were."""
        due = await self.store.due_asks(_BATCH, _HOLD)
        # Two submissions may share a task: one call is for both.
        once = {(one.provider, one.task_id or one.id): one for one in due}
        await asyncio.gather(*(self._ask(submission) for submission in once.values()))
        return len(due)

    async def _ask(self, submission: Submission) -> None:
        provider = self.providers.get(submission.provider)
        if provider is None:
            logger.warning("no provider named %r is configured: %s waits", submission.provider, submission.id)
            await self.intake.answer(submission, None, self._ask_again(submission))
            return
        request = None if submission.simulated else provider.status_request(submission)
        if request is None or submission.task_id is None:
            await self.intake.expire(submission, self.pace)
            return
        reply = await self._call(provider, request)
        for sibling in await self.store.by_task(submission.task_id, submission.provider):
            if sibling.ask_at is not None or sibling.stage is Stage.LOST or sibling.id == submission.id:
                await self.intake.answer(sibling, reply, self._ask_again(sibling))

    async def _call(self, provider: Provider, request: Request) -> Reply | None:
        try:
            return await call(self.http, provider, request, _TIMEOUT)
        except Outcome as failure:
            logger.warning("a status call had no answer: %s", failure)
            return None

    def _ask_again(self, submission: Submission) -> timedelta | None:
        now = self.store.now()
        deadline = submission.deadline_at or now
        delay = ask_delay(submission.asks + 1, now - deadline, self.jitter())
        in_a_hurry = bool(self.intake.ask_from or submission.held) and now < deadline
        return min(delay, self.pace) if delay and in_a_hurry else delay
