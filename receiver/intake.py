"""The one door: a raw callback or a status answer goes through its provider's parser into the store."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from receiver.errors import Unrecognised
from receiver.events import Kind, Stage, Submission, Trust, Via
from receiver.outbound import redact
from receiver.providers.base import Operation, Provider, Reply
from receiver.stages import Change, Moment, Report, answered, doubted, expired, reported, too_large, unrecognised
from receiver.store.base import Store
from receiver.store.records import Callback, KeptCallback

logger = logging.getLogger(__name__)

# Above this a body is parsed in a thread, so that one large callback doesn't hold up the others.
_LARGE = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Heard:
    """What a callback says; `reason` where no parser understands it, `doubt` why it is not believed yet.

    `unsigned`: not even its task id is.
    """

    operation: Operation | None = None
    report: Report | None = None
    reason: str = ""
    trust: Trust = Trust.TOKEN
    doubt: str = ""
    unsigned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Takes what providers say.

    `callback_limit` is the size in bytes above which a callback is refused. `ask_from` is when a submission is first
    asked for where no callback can reach us (status mode); None: at its deadline.
    """

    store: Store
    providers: Mapping[str, Provider]
    new_id: Callable[[str], str]
    callback_limit: int
    ask_from: timedelta | None = None

    def expect(self, provider_name: str, operation: Operation, ident: str | None = None) -> Submission:
        """A submission that callbacks may come for, not stored yet; `ident` where its id is known before."""
        now = self.store.now()
        provider = self.providers.get(provider_name)
        deadline = now + (provider.patience(operation) if provider else operation.deadline)
        early = self.early(operation)
        return Submission(
            id=ident or self.new_id("sub"),
            provider=provider_name,
            operation=operation.name,
            kind=operation.kind,
            stage=Stage.ACCEPTED,
            created_at=now,
            deadline_at=deadline,
            ask_at=min(deadline, now + early) if early else deadline,
        )

    def early(self, operation: Operation) -> timedelta | None:
        """How long after its submission a song is first asked about, where no callback can tell of it."""
        return self.ask_from or operation.ask_from

    def expect_task(self, provider_name: str, operation: Operation, client: str | None, task_id: str) -> Submission:
        """As `expect`, for a client's task of which only its id is known: however many tell of it, it is one."""
        named = f"{provider_name}\0{client or ''}\0{task_id}"
        ident = hashlib.sha256(named.encode("utf-8", "replace")).hexdigest()[:32]
        expected = self.expect(provider_name, operation, f"sub_{ident}")
        return replace(expected, client=client, task_id=task_id)

    async def receive(self, submission_id: str, headers: Mapping[str, str], body: bytes) -> None:
        """A callback on a valid token: kept, whatever it says. Raises StoreUnavailable."""
        callback = self._callback(Via.CALLBACK, headers, body)
        found = await self._known(submission_id) if len(body) > _LARGE else None
        heard = await asyncio.to_thread(self._hear, found, callback, body) if found else None

        def decide(current: Submission, duplicate: bool) -> Change:
            return self._decide(current, heard or self._hear(current, callback, body), duplicate)

        if await self.store.change(submission_id, decide, callback) is None:
            await self.store.change(self._stranger(submission_id), decide, callback)

    async def receive_standing(self, submission_id: str, headers: Mapping[str, str], body: bytes) -> None:
        """A callback on a standing token: its body's task id says which submission it is. Raises StoreUnavailable."""
        standing = await self._known(submission_id)
        callback = self._callback(Via.CALLBACK, headers, body)
        heard = await asyncio.to_thread(self._hear, standing, callback, body)
        subject = standing
        if heard.report and heard.report.task_id:
            subject = self._of_standing(standing, heard.report.task_id)
        elif heard.report:
            heard = replace(heard, report=None, reason="it came on a standing URL without a task id")
        await self.store.change(subject, lambda current, known: self._decide(current, heard, known), callback)

    async def too_large(self, submission_id: str, size: int) -> None:
        """A body over the limit was refused: recorded, and the provider's status call is asked at once."""
        submission = await self._known(submission_id)
        moment = self._moment(None, Via.CALLBACK)
        reason = f"its body of {size} bytes or more is over limits.callback_body ({self.callback_limit} bytes)"
        # Kept in place of the body, so that the same one is told once however often it comes.
        note = self._callback(Via.CALLBACK, {}, reason.encode())
        await self.store.change(
            submission, lambda current, known: too_large(current, reason, moment, duplicate=known), note
        )

    async def reread(self, kept: KeptCallback, *, dry_run: bool = False) -> bool:
        """A callback that no parser understood, once more; whether one does now. Raises StoreUnavailable."""
        callback = kept.callback
        submission = await self.store.submission(kept.submission_id)
        if submission is None:
            return False
        heard = await asyncio.to_thread(self._hear, submission, callback, callback.body)
        if heard.report is None or _contradicts(heard.report, submission):
            return False
        if submission.standing and heard.report.task_id is None:
            return False
        if not dry_run:
            await self._take_again(kept, submission, heard, heard.report)
        return True

    async def _take_again(self, kept: KeptCallback, submission: Submission, heard: _Heard, report: Report) -> None:
        if not submission.standing or report.task_id is None:
            await self.store.reread(kept, lambda current, _: self._decide(current, heard, duplicate=False))
            return
        # What came on a standing URL belongs to the task that it names.
        callback = replace(kept.callback, id=self.new_id("cb"))
        subject = self._of_standing(submission, report.task_id)
        await self.store.change(subject, lambda current, known: self._decide(current, heard, known), callback)
        await self.store.reread(kept, lambda current, _: Change(submission=current, remark="read again"))

    async def answer(self, submission: Submission, reply: Reply | None, ask_again: timedelta | None) -> None:
        """The answer to a status call, None where there was none; `ask_again` is the delay until the next, if any."""
        operation = self._operation(submission)
        moment = self._moment(operation, Via.STATUS, Trust.CONFIRMED)
        kept = self._callback(Via.STATUS, reply.headers, reply.body) if reply else None
        report = self._parse_status(submission, operation, replace(reply, body=kept.body) if reply and kept else None)
        await self.store.change(
            submission.id,
            lambda current, known: answered(current, report, moment, ask_again=ask_again, duplicate=known),
            kept,
        )

    async def expire(self, submission: Submission, look_again: timedelta) -> None:
        """Nobody can be asked about it: at its deadline it ends, before it is looked at again after `look_again`."""
        moment = self._moment(self._operation(submission), Via.STATUS)
        await self.store.change(submission.id, lambda current, _: expired(current, moment, look_again=look_again))

    def _hear(self, submission: Submission, callback: Callback, signed: bytes) -> _Heard:
        """What a callback says; `signed` is its body as it came, which is what a signature is about."""
        provider = self.providers.get(submission.provider)
        if provider is None:
            return _Heard(reason=f"no provider named {submission.provider!r} is configured for its submission")
        operation, trust = provider.operation(submission.operation), Trust.TOKEN
        try:
            verified = provider.verify(callback.headers, signed, self.store.now())
            report = provider.parse_callback(operation, callback.headers, callback.body)
            doubt, unsigned = _doubt(provider, verified, report), verified is None
            return _Heard(operation, report, trust=verified or trust, doubt=doubt, unsigned=unsigned)
        except Unrecognised as error:
            return _Heard(operation, reason=str(error), trust=trust)
        except Exception:  # a parser's failure must not change the answer to the provider
            logger.exception("the parser of %s failed on a callback of %s", provider.type, submission.id)
            return _Heard(operation, reason="the parser failed on it, which is a defect of ours", trust=trust)

    def _decide(self, current: Submission, heard: _Heard, duplicate: bool) -> Change:
        moment = self._moment(heard.operation, Via.CALLBACK, heard.trust)
        if heard.report is None:
            return unrecognised(current, heard.reason, moment, duplicate=duplicate)
        current = replace(current, called=True)
        if self._waits(current, heard, heard.report):
            task_id = None if heard.unsigned else heard.report.task_id
            return doubted(current, heard.doubt, moment, task_id=task_id)
        return reported(current, heard.report, moment, duplicate=duplicate)

    def _waits(self, submission: Submission, heard: _Heard, report: Report) -> bool:
        """Whether a status call has to agree first. Where there is none, only a signature is waited for."""
        if not heard.doubt or submission.simulated or (_contradicts(report, submission) and not heard.unsigned):
            return False
        provider = self.providers.get(submission.provider)
        named = replace(submission, task_id=submission.task_id or report.task_id or "any")
        return heard.unsigned or (provider is not None and provider.status_request(named) is not None)

    def _parse_status(self, submission: Submission, operation: Operation | None, reply: Reply | None) -> Report | None:
        provider = self.providers.get(submission.provider)
        if provider is None or operation is None or reply is None:
            return None
        try:
            return provider.parse_status(operation, reply)
        except Unrecognised as error:
            logger.warning("the status answer for %s says nothing: %s", submission.id, error)
        except Exception:  # the submission must be asked for again, whatever the parser does
            logger.exception("the parser of %s failed on a status answer for %s", provider.type, submission.id)
        return None

    async def _known(self, submission_id: str) -> Submission:
        return await self.store.submission(submission_id) or self._stranger(submission_id)

    def _of_standing(self, standing: Submission, task_id: str) -> Submission:
        """The submission that a task on a standing token is: one for each task id of this token."""
        ident = hashlib.sha256(f"{standing.id}\0{task_id}".encode("utf-8", "replace")).hexdigest()[:32]
        operation = self.providers[standing.provider].operation(standing.operation)
        return replace(
            self.expect(standing.provider, operation, f"sub_{ident}"),
            client=standing.client,
            labels=standing.labels,
            simulated=standing.simulated,
            task_id=task_id,
        )

    def _stranger(self, submission_id: str) -> Submission:
        """A token of ours whose submission is not in this database: kept all the same, under a submission made now."""
        return Submission(
            id=submission_id,
            provider="",
            operation="other",
            kind=Kind.OTHER,
            stage=Stage.ACCEPTED,
            created_at=self.store.now(),
        )

    def _operation(self, submission: Submission) -> Operation | None:
        provider = self.providers.get(submission.provider)
        return provider.operation(submission.operation) if provider else None

    def _moment(self, operation: Operation | None, via: Via, trust: Trust = Trust.TOKEN) -> Moment:
        main_role = operation.main_role if operation else None
        return Moment(now=self.store.now(), new_id=self.new_id, via=via, trust=trust, main_role=main_role)

    def _callback(self, via: Via, headers: Mapping[str, str], body: bytes) -> Callback:
        kept = self._without_secrets(body)
        return Callback(id=self.new_id("cb"), via=via, headers=dict(headers), body=kept, received_at=self.store.now())

    def _without_secrets(self, body: bytes) -> bytes:
        """The body as it may be kept and handed on: some providers repeat a secret of ours in it."""
        secrets = {secret for provider in self.providers.values() for secret in provider.secrets(body)}
        echoed = [secret for secret in secrets if secret.encode("utf-8", "replace") in body]
        # Latin-1 carries any bytes through text and back unchanged.
        return redact(body.decode("latin-1"), echoed).encode("latin-1") if echoed else body


def _doubt(provider: Provider, verified: Trust | None, report: Report) -> str:
    """Why a callback must wait for a status call that agrees; empty where it need not."""
    if verified is None:
        return "its signature is missing, wrong or stale"
    if provider.confirm and report.stage in {Stage.COMPLETE, Stage.FAILED}:
        return "every end is confirmed"
    return ""


def _contradicts(report: Report, submission: Submission) -> bool:
    """Whether it names another task than its submission's."""
    return bool(report.task_id and submission.task_id and report.task_id != submission.task_id)
