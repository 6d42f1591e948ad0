"""One call to the provider, never repeated, and its outcome on record whatever becomes of the client."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from receiver.calls import call
from receiver.errors import NotSent, Outcome
from receiver.events import Failure, Stage, Submission
from receiver.intake import Intake
from receiver.outbound import Http
from receiver.providers.base import Operation, Provider, Reply, Request, Verdict
from receiver.stages import Change, Moment, Report, asked_at_once, replied
from receiver.store.base import Store
from receiver.store.records import KeptReply
from receiver.submissions.answers import harmless
from receiver.turns import insist

logger = logging.getLogger(__name__)

# How long, in seconds, a client waits for the record of an answer that is there.
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Carried:
    """How a submission went: what it means, and the provider's answer where there is one."""

    verdict: Verdict
    reply: Reply | None


@dataclass(slots=True, kw_only=True)
class Sender:
    """`timeout` is how long the provider may take: longer than it ever needs, because an answer that comes too late is
    an outcome unknown. After `stop`, submissions that are under way have `grace` to be answered.
    """

    store: Store
    intake: Intake
    http: Http
    providers: Mapping[str, Provider]
    timeout: timedelta = timedelta(seconds=100)
    grace: timedelta = timedelta(seconds=4)
    _under_way: set[asyncio.Task[Carried]] = field(default_factory=set, init=False)
    _records: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _over: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    async def run(self) -> None:
        """Until `stop`; then what is under way is answered, or recorded as unknown."""
        await self._stopping.wait()
        over = asyncio.create_task(self._over.wait())
        ends: list[asyncio.Future[Any]] = [over, asyncio.gather(*self._under_way, return_exceptions=True)]
        await asyncio.wait(ends, timeout=self.grace.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        self._over.set()
        late = list(self._under_way)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        if self._records:
            await asyncio.wait(self._records, timeout=_PATIENCE)

    def stop(self) -> None:
        """Asked a second time, it has no grace."""
        if self._stopping.is_set():
            self._over.set()
        self._stopping.set()

    async def send(self, submission: Submission, operation: Operation, request: Request, *, keyed: bool) -> Carried:
        """The submission is stored already; with `keyed` its answer is kept for whoever repeats it."""
        # A task of its own: whatever becomes of this request, the provider's answer is recorded.
        task = asyncio.create_task(self._carry(submission, operation, request, keyed=keyed))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _carry(self, submission: Submission, operation: Operation, request: Request, *, keyed: bool) -> Carried:
        provider = self.providers[submission.provider]
        try:
            reply = await call(self.http, provider, request, self.timeout)
            # Without what the provider repeats of our secrets: its words become ours.
            read = replace(reply, body=harmless(reply, provider).body)
            carried = Carried(provider.read_reply(operation, read), reply)
        except NotSent as failure:
            carried = _failed(Stage.REJECTED, "not_sent", failure.reason)
        except Outcome as failure:
            carried = _failed(Stage.UNKNOWN, "no_answer", failure.reason)
        except asyncio.CancelledError:
            carried = _failed(Stage.UNKNOWN, "no_answer", "This receiver was stopped before the provider answered")
        record = asyncio.create_task(self._record(submission, carried, keyed=keyed), name=submission.id)
        self._records.add(record)
        record.add_done_callback(self._recorded)
        # The client gets its answer also while the database is away: the submission is on disk, and its callback will
        # name it.
        await asyncio.wait({record}, timeout=_PATIENCE)
        return carried

    async def _record(self, submission: Submission, carried: Carried, *, keyed: bool) -> None:
        """What came of it, and the answer for whoever repeats it. Raises StoreError."""
        await insist(self.store, lambda: self._settle(submission, carried.verdict), self._over)
        # What is unknown keeps its key and has no answer: the callback settles it.
        if keyed and carried.verdict.stage is not Stage.UNKNOWN:
            await insist(self.store, lambda: self._keep(submission, carried), self._over)

    async def _settle(self, submission: Submission, verdict: Verdict) -> None:
        moment = Moment(now=self.store.now(), new_id=self.intake.new_id)
        report = Report(stage=verdict.stage, task_id=verdict.task_id, error=verdict.error, results=verdict.results)

        def decide(current: Submission, _: bool) -> Change:
            change = replied(current, report, moment)
            return asked_at_once(change, moment) if verdict.earlier else change

        await self.store.change(submission.id, decide)

    async def _keep(self, submission: Submission, carried: Carried) -> None:
        if carried.verdict.stage is Stage.REJECTED or carried.reply is None:
            await self.store.keep_reply(submission.id, None)
            return
        safe = harmless(carried.reply, self.providers[submission.provider])
        await self.store.keep_reply(submission.id, KeptReply(status=safe.status, headers=safe.headers, body=safe.body))

    def _recorded(self, record: asyncio.Task[None]) -> None:
        self._records.discard(record)
        if not record.cancelled() and (error := record.exception()):
            logger.error("the reply to %s could not be recorded: %s", record.get_name(), error)


def _failed(stage: Stage, code: str, reason: str) -> Carried:
    return Carried(Verdict(stage=stage, error=Failure(code=code, message=reason)), None)
