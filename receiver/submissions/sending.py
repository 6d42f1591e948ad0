"""One call to the provider, never repeated, and its outcome on record whatever becomes of the client."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from receiver.calls import call
from receiver.errors import NotSent, Outcome, StoreError
from receiver.events import Failure, Stage, Submission
from receiver.intake import Intake
from receiver.outbound import Http
from receiver.providers.base import Operation, Provider, Reply, Request, Verdict
from receiver.stages import Change, Moment, Report, asked_at_once, replied
from receiver.store.base import Store
from receiver.store.records import KeptReply
from receiver.submissions.answers import harmless

logger = logging.getLogger(__name__)


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
    _stopping: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    async def run(self) -> None:
        """Until `stop`; then what is under way is answered, or recorded as unknown."""
        await self._stopping.wait()
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=self.grace.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def stop(self) -> None:
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
        await self._record(submission, carried.verdict)
        if keyed:
            await self._keep(submission, carried)
        return carried

    async def _record(self, submission: Submission, verdict: Verdict) -> None:
        moment = Moment(now=self.store.now(), new_id=self.intake.new_id)
        report = Report(stage=verdict.stage, task_id=verdict.task_id, error=verdict.error, results=verdict.results)

        def decide(current: Submission, _: bool) -> Change:
            change = replied(current, report, moment)
            return asked_at_once(change, moment) if verdict.earlier else change

        try:
            await self.store.change(submission.id, decide)
        except StoreError as error:
            # The submission is on disk and its callback will name it: the client still gets its answer.
            logger.warning("the reply to %s could not be recorded: %s", submission.id, error)

    async def _keep(self, submission: Submission, carried: Carried) -> None:
        """What is unknown keeps its key and has no answer: the callback settles it."""
        stage, reply = carried.verdict.stage, carried.reply
        if stage is Stage.UNKNOWN:
            return
        try:
            if stage is Stage.REJECTED or reply is None:
                await self.store.keep_reply(submission.id, None)
                return
            safe = harmless(reply, self.providers[submission.provider])
            kept = KeptReply(status=safe.status, headers=safe.headers, body=safe.body)
            await self.store.keep_reply(submission.id, kept)
        except StoreError as error:
            logger.warning("the answer to %s could not be kept for its key: %s", submission.id, error)


def _failed(stage: Stage, code: str, reason: str) -> Carried:
    return Carried(Verdict(stage=stage, error=Failure(code=code, message=reason)), None)
