"""Asks the provider about submissions whose callback is late, half, in conflict or can't come; feeds the intake."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from receiver.calls import Budget, call
from receiver.errors import Outcome
from receiver.events import Event, Failure, Level, Stage, Submission, Via
from receiver.intake import Intake
from receiver.outbound import Http
from receiver.providers.base import Provider, Reply, Request
from receiver.retries import ask_delay, pace
from receiver.store.base import Store
from receiver.store.records import Query
from receiver.turns import forever, led

logger = logging.getLogger(__name__)

_TASK = "reconciler"
# How many are taken at once, and the budget of each provider: so many status calls in any such time. It keeps below
# every provider's limit, also after a downtime.
_BATCH = 50
_CALLS, _PERIOD = 10, timedelta(seconds=2)
# An ask that this process does not live to finish is due again after this: longer than the calls before it may take.
_HOLD = timedelta(seconds=150)
_TIMEOUT = timedelta(seconds=30)
_LOOK = timedelta(seconds=5)
# Status calls under way at once, of all providers.
_MOST = 200
# How soon a half song is asked about again.
_SOON = timedelta(seconds=15)
# So many ends in a row by status call, none by callback: callbacks don't reach us.
_SILENT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """`public` says that callbacks can reach us. Each provider bears ten calls in any `period`, of all processes
    together: one of them asks for all.
    """

    store: Store
    intake: Intake
    http: Http
    providers: Mapping[str, Provider]
    jitter: Callable[[], float]
    public: bool = True
    period: timedelta = _PERIOD
    _budgets: dict[str, Budget] = field(default_factory=dict)
    _asking: set[asyncio.Task[None]] = field(default_factory=set)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        await forever(led(self.store.leads, _TASK, self._turn), self._stopping)
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    def stop(self) -> None:
        self._stopping.set()

    async def _turn(self) -> None:
        # A provider that hangs, or whose budget is spent, must not hold the others back.
        if len(self._asking) >= _MOST:
            await asyncio.wait(self._asking, return_when=asyncio.FIRST_COMPLETED)
        if await self._start():
            return
        due = await self.store.next_ask()
        wait = _LOOK if due is None else min(max(due - self.store.now(), timedelta()), _LOOK)
        await self.store.asks.wait(wait)

    async def reconcile(self) -> int:
        """Asks about everything that is due, up to one batch; returns how many submissions that were."""
        count = await self._start()
        if self._asking:
            await asyncio.gather(*self._asking)
        return count

    async def _start(self) -> int:
        due = await self.store.due_asks(_BATCH, _HOLD)
        # Two submissions may share a task: one call is for both.
        for submission in {self._call_of(one): one for one in due}.values():
            task = asyncio.create_task(self._ask(submission), name=submission.id)
            self._asking.add(task)
            task.add_done_callback(self._ended)
        return len(due)

    def _call_of(self, submission: Submission) -> tuple[str, str]:
        """What tells the call about it from any other."""
        provider = self.providers.get(submission.provider)
        request = provider.status_request(submission) if provider and not submission.simulated else None
        return submission.provider, f"{request.path}\0{request.body!r}" if request else submission.id

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        if not task.cancelled() and (error := task.exception()):
            # It is due again when its hold is over.
            logger.error("asking about %s failed: %s", task.get_name(), error, exc_info=error)

    async def _ask(self, submission: Submission) -> None:
        provider = self.providers.get(submission.provider)
        if provider is None:
            logger.warning("no provider named %r is configured: %s waits", submission.provider, submission.id)
            await self.intake.answer(submission, None, self._ask_again(submission))
            return
        request = None if submission.simulated else provider.status_request(submission)
        if request is None or submission.task_id is None:
            await self.intake.expire(submission, _SOON)
            return
        await self._await_place(submission.provider)
        if not await self.store.leads(_TASK):
            # Another process asks now, within a budget of its own: this one is due there when its hold is over.
            return
        reply = await self._call(provider, request)
        for sibling in await self.store.by_task(submission.task_id, submission.provider):
            asked = sibling.ask_at is not None or sibling.stage is Stage.LOST or sibling.id == submission.id
            if asked and provider.status_request(sibling) == request:
                await self.intake.answer(sibling, reply, self._ask_again(sibling))
        if self.public:
            await self._listen(submission, provider)

    async def _await_place(self, name: str) -> None:
        # Each has a budget of its own, so that none waits for another.
        budget = self._budgets.setdefault(name, Budget(_CALLS, self.period))
        await asyncio.sleep(budget.delay(asyncio.get_running_loop().time()))

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
        if not delay or now >= deadline:
            return delay
        provider = self.providers.get(submission.provider)
        if provider and self.intake.early(provider.operation(submission.operation)):
            return min(delay, pace(now - submission.created_at))
        return min(delay, _SOON) if submission.held else delay

    async def _listen(self, asked: Submission, provider: Provider) -> None:
        """Tells, at most once a day, where the last ends all came by status call and none by callback."""
        settled = await self.store.submission(asked.id)
        if settled is None or settled.via is not Via.STATUS or settled.stage not in {Stage.COMPLETE, Stage.FAILED}:
            return
        recent = await self.store.submissions(Query(provider=asked.provider, limit=5 * _SILENT))
        ends = list(_by_callback(recent.data, provider))[:_SILENT]
        if len(ends) == _SILENT and not any(ends):
            await self.store.emit([self._silent(settled)])

    def _silent(self, last: Submission) -> Event:
        now = self.store.now()
        # An id is written once: however many songs show it, a day has one alarm.
        told = hashlib.sha256(f"provider.silent {last.provider} {now:%Y-%m-%d}".encode()).hexdigest()[:32]
        message = f"The last {_SILENT} submissions to {last.provider} were settled by status calls: no callback came."
        advice = "Check that public_url leads here from outside: curl it. Nothing is lost meanwhile, only slower."
        return Event(
            id=f"evt_{told}",
            type="provider.silent",
            level=Level.PROBLEM,
            provider=last.provider,
            occurred_at=now,
            received_at=now,
            via=Via.STATUS,
            error=Failure(code="provider.silent", message=message, advice=advice),
            raw={"provider": last.provider},
        )


def _by_callback(submissions: list[Submission], provider: Provider) -> Iterator[bool]:
    """Of each that has ended and could be called back, newest first, whether a callback ended it."""
    for submission in submissions:
        # Those that were registered have told the provider no URL of ours.
        told = submission.path is not None and provider.operation(submission.operation).callback_field is not None
        ended = submission.stage in {Stage.COMPLETE, Stage.FAILED} and not submission.simulated
        if ended and (told or submission.called):
            yield submission.called
