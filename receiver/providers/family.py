"""What the APIs of the sunoapi family share: one envelope, one place for the callback URL, one shape per kind."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote

from receiver.errors import Unrecognised
from receiver.events import Event, Failure, Kind, Stage, Submission
from receiver.providers.base import Address, Operation, Provider, Reply, Request, Verdict
from receiver.providers.body import text
from receiver.providers.drift import strangers
from receiver.providers.envelope import FINE, OK, Envelope, open_envelope
from receiver.providers.failures import UNDOCUMENTED, UNSETTLED, Meanings, explain
from receiver.providers.jobs import is_job, read_job, read_object
from receiver.providers.kinds import READERS, kind_of
from receiver.providers.operations import UPLOADS
from receiver.providers.reading import Reading
from receiver.providers.records import Made
from receiver.providers.rendering import Dialect, callback_body, json_reply, record_body, reply_body
from receiver.providers.splice import get_member, set_member
from receiver.stages import Report

_TIMED_OUT = 408
_RUNNING = 201
_MADE_BEFORE = frozenset({400, 409})
_LONGEST_TITLE = 80


class Family(Provider):
    """`submit_meanings` explain the answer to a submission, `task_meanings` what came of it later."""

    submit_meanings: ClassVar[Meanings] = {}
    task_meanings: ClassVar[Meanings] = {}
    dialect: ClassVar[Dialect] = Dialect()

    upload_base_url: Address
    """Where files are uploaded to."""

    def prepare(self, request: Request, operation: Operation, callback_url: str) -> Request:
        if operation.callback_field is None:
            return request
        return replace(request, body=set_member(request.body, operation.callback_field, callback_url))

    def client_callback(self, request: Request, operation: Operation) -> str | None:
        if operation.callback_field is None:
            return None
        try:
            own = get_member(request.body, operation.callback_field)
        except Unrecognised:
            return None
        return own if isinstance(own, str) else None

    @property
    def upload_base(self) -> str:
        return self.upload_base_url

    def takes_uploads(self, path: str) -> bool:
        return path.partition("?")[0].rstrip("/") in UPLOADS

    def parent(self, request: Request, operation: Operation) -> str | None:
        return text(self.wanted(request).get("taskId"))

    def describe(self, request: Request) -> str | None:
        wanted = self.wanted(request)
        said = text(wanted.get("title")) or text(wanted.get("prompt"))
        return " ".join(said.split())[:_LONGEST_TITLE] if said else None

    def wanted(self, request: Request) -> Mapping[str, Any]:
        """What the client asks for, field by field; empty where the body is no JSON object."""
        return read_object(request.body)

    def read_reply(self, operation: Operation, reply: Reply) -> Verdict:
        try:
            envelope = open_envelope(reply.body)
        except Unrecognised:
            return self._no_envelope(reply)
        if envelope.code is None:
            return self._no_envelope(reply)
        if envelope.code == OK:
            return self._accepted(operation, envelope)
        known = self.submit_meanings.get(str(envelope.code))
        if envelope.code == _TIMED_OUT or envelope.code >= 500:
            error = explain(known or UNSETTLED, str(envelope.code), envelope.message)
            return Verdict(stage=Stage.UNKNOWN, task_id=envelope.task_id, error=error)
        if operation.kind is Kind.COVER_IMAGE and envelope.code in _MADE_BEFORE and envelope.task_id:
            # The error names the task of the first request: https://docs.sunoapi.org/suno-api/cover-suno
            return Verdict(stage=Stage.ACCEPTED, task_id=envelope.task_id, earlier=True)
        error = explain(known or UNDOCUMENTED, str(envelope.code), envelope.message)
        return Verdict(stage=Stage.REJECTED, error=error)

    def _accepted(self, operation: Operation, envelope: Envelope) -> Verdict:
        reading = self._read_instant(operation, envelope)
        if reading is None:
            return Verdict(stage=Stage.ACCEPTED, task_id=envelope.task_id)
        if reading.stage is Stage.FAILED:
            return Verdict(stage=Stage.REJECTED, task_id=envelope.task_id, error=self._failure(envelope, reading))
        return Verdict(stage=Stage.COMPLETE, task_id=envelope.task_id, results=reading.results)

    @staticmethod
    def _read_instant(operation: Operation, envelope: Envelope) -> Reading | None:
        """What an operation that answers at once says; as a job it may do so, or give a task id."""
        if operation.kind not in (Kind.TIMESTAMPS, Kind.PERSONA, Kind.STYLE):
            return None
        reading = READERS[operation.kind](envelope.fields)
        return reading if operation.instant or reading.stage is not None else None

    @staticmethod
    def _no_envelope(reply: Reply) -> Verdict:
        error = explain(UNSETTLED, str(reply.status), "an answer that is not the provider's own")
        return Verdict(stage=Stage.UNKNOWN, error=error, enveloped=False)

    def parse_callback(self, operation: Operation, headers: Mapping[str, str], body: bytes) -> Report:
        envelope = open_envelope(body)
        if envelope.code is None and not envelope.fields:
            raise Unrecognised("the body has neither a code nor data")
        return self._report(operation, envelope)

    def status_request(self, submission: Submission) -> Request | None:
        return self._ask(self.operation(submission.operation), submission)

    @staticmethod
    def _ask(operation: Operation, submission: Submission) -> Request | None:
        if operation.record is None or submission.task_id is None:
            return None
        task = quote(submission.task_id, safe="", errors="replace")
        return Request(method="GET", path=f"{operation.record}?{operation.id_parameter}={task}")

    def asked_task(self, request: Request) -> str | None:
        path = request.path.partition("?")[0].rstrip("/")
        parameter = next((row.id_parameter for row in self.operations if row.record == path), None)
        return self._asked(request, parameter) if parameter else None

    @staticmethod
    def _asked(request: Request, parameter: str) -> str | None:
        found = parse_qs(request.path.partition("?")[2], errors="replace").get(parameter)
        return found[-1] if found and request.method == "GET" else None

    def parse_status(self, operation: Operation, reply: Reply) -> Report:
        envelope = open_envelope(reply.body)
        if envelope.code is None:
            raise Unrecognised(f"the answer to the status call (HTTP {reply.status}) has no code")
        if operation.kind is Kind.RECOVERY and envelope.code == _RUNNING:
            return Report(stage=None, task_id=envelope.task_id)
        if envelope.code != OK and not self._is_record(operation, envelope):
            raise Unrecognised(f"the status call was answered with code {envelope.code}")
        return self._report(operation, envelope)

    @staticmethod
    def _is_record(operation: Operation, envelope: Envelope) -> bool:
        """Whether a code that is no success is the task's, not that of the call: a job's record, or a recovery's."""
        if is_job(envelope.fields):
            return True
        return operation.kind is Kind.RECOVERY and envelope.task_id is not None

    def render_status(self, submission: Submission) -> Reply:
        return json_reply(record_body(self._made(submission)))

    def render_no_task(self, request: Request) -> Reply:
        # So it was seen; the pages don't say.
        return json_reply({"code": OK, "msg": "success", "data": None})

    def render_reply(self, submission: Submission) -> Reply:
        return json_reply(reply_body(self._made(submission)))

    def render_callback(self, event: Event) -> bytes:
        operation = self.operation(event.operation or "other")
        made = Made(
            # Of an operation that is unknown, or gone from the table, the event's type tells more.
            kind=Kind(event.kind) if event.kind in set(Kind) else operation.kind,
            operation=operation,
            stage=Stage.COMPLETE if event.stage == "updated" else Stage(event.stage or "complete"),
            task_id=event.task_id,
            results=event.results,
            error=event.error,
            at=event.occurred_at,
        )
        return json_reply(callback_body(made, self.dialect)).body

    def _made(self, submission: Submission) -> Made:
        return Made(
            kind=submission.kind,
            operation=self.operation(submission.operation),
            stage=submission.stage,
            task_id=submission.task_id,
            results=submission.results,
            error=submission.error,
            at=submission.created_at,
        )

    def unknown(self, operation: Operation, body: bytes, *, status: bool) -> tuple[str, ...]:
        return strangers(operation.kind, read_object(body), status=status)

    def _report(self, operation: Operation, envelope: Envelope) -> Report:
        reading = _read(operation, envelope)
        # The code comes first: a failure may well say `complete`.
        if envelope.code in FINE and reading.stage is not Stage.FAILED:
            return Report(stage=reading.stage, task_id=envelope.task_id, results=reading.results)
        return Report(
            stage=Stage.FAILED,
            task_id=envelope.task_id,
            # Songs do exist behind some failures: what can be fetched is kept.
            results=tuple(result for result in reading.results if result.files),
            error=self._failure(envelope, reading),
        )

    def _failure(self, envelope: Envelope, reading: Reading) -> Failure:
        fields = envelope.fields
        detail = next(filter(None, (text(fields.get(name)) for name in ("error", "errorMessage"))), reading.detail)
        own = text(fields.get("failCode"))
        if envelope.code not in FINE and own is None:
            code = str(envelope.code)
            return explain(self.task_meanings.get(code, UNDOCUMENTED), code, envelope.message or detail)
        # The envelope is fine and says "success" for itself, or says that a job failed: why stands inside.
        word = reading.word or ""
        code = own or text(fields.get("errorCode")) or "0"
        known = self.task_meanings.get(code) or self.task_meanings.get(word.upper(), UNDOCUMENTED)
        message = detail or (envelope.message if envelope.message != "success" else None)
        return explain(known, word if code == "0" else code, message)


def _read(operation: Operation, envelope: Envelope) -> Reading:
    fields = envelope.fields
    if is_job(fields):
        return read_job(operation.kind, fields)
    return READERS[kind_of(operation.kind, fields)](fields)
