"""Asks the provider about submissions whose callback is late, half, in conflict or can't come; feeds the intake."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from receiver.errors import Outcome, StoreError
from receiver.events import Submission
from receiver.intake import Intake
from receiver.outbound import Http
from receiver.providers.base import Provider, Reply, Request
from receiver.retries import ask_delay
from receiver.store.base import Store

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
    """`pace` is the time between two status calls before the deadline: in status mode, or while a file is missing."""

    store: Store
    intake: Intake
    http: Http
    providers: Mapping[str, Provider]
    jitter: Callable[[], float]
    pace: timedelta = timedelta(seconds=15)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        stopped = asyncio.create_task(self._stopping.wait())
        while not self._stopping.is_set():
            turn = asyncio.create_task(self._turn())
            await asyncio.wait({turn, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not turn.done():
                turn.cancel()
            await asyncio.gather(turn, return_exceptions=True)

    def stop(self) -> None:
        self._stopping.set()

    async def _turn(self) -> None:
        try:
            asked = await self.reconcile()
            await (asyncio.sleep(_BREATH.total_seconds()) if asked == _BATCH else self._rest())
        except StoreError as error:
            logger.warning("the reconciler waits for the database: %s", error)
            await asyncio.sleep(1)
        except Exception:  # the loop must outlive whatever one turn of it meets
            logger.exception("the reconciler failed and goes on")
            await asyncio.sleep(1)

    async def _rest(self) -> None:
        due = await self.store.next_ask()
        wait = _LOOK if due is None else min(max(due - self.store.now(), timedelta()), _LOOK)
        await self.store.asks.wait(wait)

    async def reconcile(self) -> int:
        """Asks about everything that is due, up to one batch; returns how many."""
        due = await self.store.due_asks(_BATCH, _HOLD)
        await asyncio.gather(*(self._ask(submission) for submission in due))
        return len(due)

    async def _ask(self, submission: Submission) -> None:
        provider = self.providers.get(submission.provider)
        request = provider.status_request(submission) if provider else None
        if provider is None or request is None or submission.task_id is None:
            await self.intake.expire(submission)
            return
        reply = await self._call(provider, request)
        # Two submissions may share a task: one answer settles both.
        for sibling in await self.store.by_task(submission.task_id, submission.provider):
            if sibling.ask_at is not None or sibling.id == submission.id:
                await self.intake.answer(sibling, reply, self._ask_again(sibling))

    async def _call(self, provider: Provider, request: Request) -> Reply | None:
        headers = {"authorization": f"Bearer {provider.api_key.get_secret_value()}", "accept": "application/json"}
        url = provider.base_url.rstrip("/") + request.path
        try:
            answer = await self.http.request(
                request.method, url, headers={**headers, **request.headers}, content=request.body, timeout=_TIMEOUT
            )
        except Outcome as failure:
            logger.warning("a status call had no answer: %s", failure)
            return None
        return Reply(status=answer.status, headers=answer.headers, body=answer.body)

    def _ask_again(self, submission: Submission) -> timedelta | None:
        now = self.store.now()
        deadline = submission.deadline_at or now
        delay = ask_delay(submission.asks + 1, now - deadline, self.jitter())
        in_a_hurry = bool(self.intake.ask_from or submission.held) and now < deadline
        return min(delay, self.pace) if delay and in_a_hurry else delay
