"""CQTAI (www.cqtai.com/docs/suno): one address, many tasks, and no callback, so that every result is asked for."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import parse_qs, quote

from pydantic import AfterValidator

from receiver.errors import Unrecognised
from receiver.events import Event, Stage, Submission
from receiver.providers.base import Address, Operation, Provider, Reply, Request, Verdict
from receiver.providers.body import load, text
from receiver.providers.cqt_answers import (
    OK,
    Envelope,
    Outcome,
    no_task,
    open_envelope,
    refused,
    status_body,
    submitted,
)
from receiver.providers.cqt_drift import unknown_fields
from receiver.providers.cqt_meanings import REFUSED_TEXT, SUBMIT_MEANINGS, TASK_MEANINGS, explain_code, explain_task
from receiver.providers.cqt_operations import OTHER, SUBMIT_PATH, TASKS
from receiver.providers.cqt_results import STAGES, read_task
from receiver.providers.failures import UNDOCUMENTED, UNSETTLED, explain
from receiver.providers.splice import set_member
from receiver.stages import Report

_PLACE = "{id}"
_LONGEST_TITLE = 80
_TIMED_OUT = 408
# The path of the status call has changed twice. The first two: https://www.cqtai.com/docs/suno and its earlier
# export; the last is that of the first API.
_STATUS_PATHS = ("/api/cqt/info/suno?id={id}", "/api/cqt/v2/sunoinfo?id={id}", "/api/cqt/suno/v1/sunoInfo?taskId={id}")
_FORM = re.compile(r"/[^?#\s{}]*\?(?:[^#\s{}]*&)?[\w.-]+=\{id\}(?:&[^#\s{}]*)?")


def _status_path(path: str) -> str:
    if not _FORM.fullmatch(path):
        raise ValueError(f"must be a path that ends with a parameter for the task's id: /…?id={_PLACE}")
    return path


class Cqt(Provider):
    operations: ClassVar[tuple[Operation, ...]] = tuple(TASKS.values())

    type: Literal["cqt"]
    base_url: Address = "https://api.cqtai.com"
    """Where the provider's API lives."""
    status_path: Annotated[str, AfterValidator(_status_path)] = _STATUS_PATHS[0]
    """The path of the status call, with {id} for the task's id; it has changed twice."""
    callback_field: str | None = None
    """The name under which a callback URL goes into the body, should there be one: none is documented."""

    @cached_property
    def _tasks(self) -> Mapping[str, Operation]:
        return {task: self._row(row) for task, row in TASKS.items()}

    @cached_property
    def _other(self) -> Operation:
        return self._row(OTHER)

    def _row(self, row: Operation) -> Operation:
        return replace(row, callback_field=self.callback_field, record=self.status_path.partition("?")[0])

    def rows(self) -> tuple[Operation, ...]:
        return tuple(self._tasks.values())

    def find(self, request: Request) -> Operation | None:
        """The task that the body names; whatever else is sent to this address is a submission too."""
        if (request.method, request.path.partition("?")[0].rstrip("/")) != ("POST", SUBMIT_PATH):
            return None
        task = text(_member(request.body, "task"))
        return self._tasks.get(task or "", self._other)

    def operation(self, name: str) -> Operation:
        return next((row for row in self.rows() if row.name == name), replace(self._other, name=name))

    def prepare(self, request: Request, operation: Operation, callback_url: str) -> Request:
        if operation.callback_field is None:
            return request
        return replace(request, body=set_member(request.body, operation.callback_field, callback_url))

    def client_callback(self, request: Request, operation: Operation) -> str | None:
        own = _member(request.body, operation.callback_field) if operation.callback_field else None
        return own if isinstance(own, str) else None

    def parent(self, request: Request, operation: Operation) -> str | None:
        return text(_member(request.body, "taskId"))

    def describe(self, request: Request) -> str | None:
        said = text(_member(request.body, "title")) or text(_member(request.body, "prompt"))
        return " ".join(said.split())[:_LONGEST_TITLE] if said else None

    def read_reply(self, operation: Operation, reply: Reply) -> Verdict:
        """Accepted is HTTP 2xx and code 200 alike; an error may show as either of them."""
        envelope = _open(reply.body)
        if envelope and envelope.code == OK and 200 <= reply.status < 300:
            return Verdict(stage=Stage.ACCEPTED, task_id=envelope.task_id)
        code = _error_code(envelope, reply.status)
        if code is None:
            error = explain(UNSETTLED, str(reply.status), "an answer that is not the provider's own")
            return Verdict(stage=Stage.UNKNOWN, error=error, enveloped=False)
        unsettled = code == _TIMED_OUT or code >= 500
        message = envelope.message if envelope else None
        error = explain_code(SUBMIT_MEANINGS, str(code), message, UNSETTLED if unsettled else UNDOCUMENTED)
        return Verdict(stage=Stage.UNKNOWN if unsettled else Stage.REJECTED, error=error)

    def parse_callback(self, operation: Operation, headers: Mapping[str, str], body: bytes) -> Report:
        """No callback is documented: one that looks like a status answer is read as one."""
        envelope = open_envelope(body)
        if envelope.code is None and not isinstance(envelope.data, dict):
            raise Unrecognised("the body has neither a code nor data")
        return self._report(operation, envelope, OK)

    def status_request(self, submission: Submission) -> Request | None:
        if submission.task_id is None:
            return None
        named = quote(submission.task_id, safe="", errors="replace")
        return Request(method="GET", path=self.status_path.replace(_PLACE, named))

    def asked_task(self, request: Request) -> str | None:
        """Of a call about several tasks nobody knows what the answer looks like: it passes."""
        path, _, query = request.path.partition("?")
        asked = parse_qs(query)
        for known in (self.status_path, *_STATUS_PATHS) if request.method == "GET" else ():
            place, _, rest = known.partition("?")
            name = next(part.removesuffix(f"={_PLACE}") for part in rest.split("&") if part.endswith(_PLACE))
            if path.rstrip("/") == place.rstrip("/") and len(asked.get(name, ())) == 1:
                return asked[name][0]
        return None

    def parse_status(self, operation: Operation, reply: Reply) -> Report:
        return self._report(operation, open_envelope(reply.body), reply.status)

    def _report(self, operation: Operation, envelope: Envelope, status: int) -> Report:
        data = envelope.data if isinstance(envelope.data, dict) else {}
        is_fine = 200 <= status < 300 and envelope.code in (None, OK)
        word = (text(data.get("status")) or "").strip().lower()
        if not is_fine and STAGES.get(word) is not Stage.FAILED:
            return self._refused(envelope, status)
        task = read_task(operation.kind, data)
        # What the call was answered under names the failure better than "failed" does.
        code = None if is_fine else str(envelope.code if envelope.code not in (None, OK) else status)
        task_id = text(data.get("id")) or text(data.get("taskId"))
        if task.stage is not Stage.FAILED:
            return Report(stage=task.stage, task_id=task_id, results=task.results)
        message = text(data.get("errorMsg")) or (envelope.message if envelope.message != "success" else None)
        error = explain_code(TASK_MEANINGS, code, message, UNDOCUMENTED) if code else explain_task(word, message)
        kept = tuple(result for result in task.results if result.files)
        return Report(stage=Stage.FAILED, task_id=task_id, results=kept, error=error)

    @staticmethod
    def _refused(envelope: Envelope, status: int) -> Report:
        """An error in answer to a status call: of the task only where it can't be about the call.

        That the key, the credits or the number of running tasks are amiss says nothing about the song, nor does a
        time-out. Raises Unrecognised for those, so that it is asked again.
        """
        code = envelope.code if envelope.code not in (None, OK) else status
        task_failed = code == 500 and status < 300 and "fail" in (envelope.message or "").lower()
        if code != REFUSED_TEXT and not task_failed:
            raise Unrecognised(f"the status call was answered with HTTP {status} and code {envelope.code}")
        error = explain_code(TASK_MEANINGS, str(code), envelope.message, UNDOCUMENTED)
        return Report(stage=Stage.FAILED, error=error)

    def render_status(self, submission: Submission) -> Reply:
        outcome = Outcome(
            task_id=submission.task_id,
            operation=submission.operation,
            kind=submission.kind,
            stage=submission.stage,
            results=submission.results,
            error=submission.error,
        )
        return Reply(status=200, headers={"content-type": "application/json"}, body=status_body(outcome))

    def render_no_task(self, request: Request) -> Reply:
        return no_task()

    def render_reply(self, submission: Submission) -> Reply:
        if submission.stage is Stage.REJECTED:
            return refused(submission.error)
        return submitted(submission.task_id)

    def render_callback(self, event: Event) -> bytes:
        """In the shape of a status answer: there is no other."""
        outcome = Outcome(
            task_id=event.task_id,
            operation=event.operation or "other",
            kind=event.kind,
            stage=event.stage or "",
            results=event.results,
            error=event.error,
        )
        return status_body(outcome)

    def unknown(self, operation: Operation, body: bytes, *, status: bool) -> tuple[str, ...]:
        return unknown_fields(body)


def _open(body: bytes) -> Envelope | None:
    try:
        return open_envelope(body)
    except Unrecognised:
        return None


def _error_code(envelope: Envelope | None, status: int) -> int | None:
    """The number of a refusal, in the body or else the HTTP status; None: the answer is not the provider's own.

    Without a body of the provider's, only the refusals that its page names are believed.
    """
    if envelope and envelope.code not in (None, OK):
        return envelope.code
    if 200 <= status < 300 or not (envelope or (str(status) in SUBMIT_MEANINGS and status < 500)):
        return None
    return status


def _member(body: bytes, name: str) -> Any:
    """A member of the request's body, None where it is no object; numbers as the client wrote them."""
    try:
        value = load(body)
    except Unrecognised:
        return None
    return value.get(name) if isinstance(value, dict) else None
