"""What the APIs of the sunoapi family share: one envelope, one place for the callback URL, one shape per kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from urllib.parse import quote

from receiver.errors import Unrecognised
from receiver.events import Failure, Kind, Stage, Submission
from receiver.providers.base import Address, Operation, Provider, Reply, Request, Verdict
from receiver.providers.body import load, text, whole
from receiver.providers.failures import UNDOCUMENTED, UNSETTLED, Meanings, explain
from receiver.providers.music import Reading, read_music
from receiver.providers.other import read_other
from receiver.providers.splice import get_member, set_member
from receiver.stages import Report

_OK = 200
_TIMED_OUT = 408
_LONGEST_TITLE = 80
_READERS: Mapping[Kind, Callable[[Mapping[str, Any]], Reading]] = {Kind.MUSIC: read_music}


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What every answer and every callback of the family comes in. `code` is None where it is absent or no number."""

    code: int | None
    message: str | None
    data: Any
    task_id: str | None

    @property
    def fields(self) -> Mapping[str, Any]:
        if isinstance(self.data, dict):
            return self.data
        return {"data": self.data} if isinstance(self.data, list) and self.data else {}


def open_envelope(body: bytes) -> Envelope:
    """Raises Unrecognised where the body is no JSON object."""
    value = load(body)
    if not isinstance(value, dict):
        raise Unrecognised("the body must be a JSON object")
    data = value.get("data")
    holders = (data, value) if isinstance(data, dict) else (value,)
    ids = (text(holder.get(name)) for holder in holders for name in ("task_id", "taskId"))
    return Envelope(
        code=whole(value.get("code")),
        message=text(value.get("msg")),
        data=data,
        task_id=next(filter(None, ids), None),
    )


class Family(Provider):
    """`submit_meanings` explain the answer to a submission, `task_meanings` what came of it later."""

    submit_meanings: ClassVar[Meanings] = {}
    task_meanings: ClassVar[Meanings] = {}

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

    def describe(self, request: Request) -> str | None:
        try:
            wanted = load(request.body)
        except Unrecognised:
            return None
        if not isinstance(wanted, dict):
            return None
        said = text(wanted.get("title")) or text(wanted.get("prompt"))
        return " ".join(said.split())[:_LONGEST_TITLE] if said else None

    def read_reply(self, operation: Operation, reply: Reply) -> Verdict:
        try:
            envelope = open_envelope(reply.body)
        except Unrecognised:
            return self._no_envelope(reply)
        if envelope.code is None:
            return self._no_envelope(reply)
        if envelope.code == _OK:
            return Verdict(stage=Stage.ACCEPTED, task_id=envelope.task_id)
        known = self.submit_meanings.get(str(envelope.code))
        if envelope.code == _TIMED_OUT or envelope.code >= 500:
            error = explain(known or UNSETTLED, str(envelope.code), envelope.message)
            return Verdict(stage=Stage.UNKNOWN, task_id=envelope.task_id, error=error)
        error = explain(known or UNDOCUMENTED, str(envelope.code), envelope.message)
        return Verdict(stage=Stage.REJECTED, error=error)

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
        record = self.operation(submission.operation).record
        if record is None or submission.task_id is None:
            return None
        return Request(method="GET", path=f"{record}?taskId={quote(submission.task_id, safe='', errors='replace')}")

    def parse_status(self, operation: Operation, reply: Reply) -> Report:
        envelope = open_envelope(reply.body)
        if envelope.code is None:
            raise Unrecognised(f"the answer to the status call (HTTP {reply.status}) has no code")
        if envelope.code != _OK:
            raise Unrecognised(f"the status call was answered with code {envelope.code}")
        return self._report(operation, envelope)

    def _report(self, operation: Operation, envelope: Envelope) -> Report:
        reading = _READERS.get(operation.kind, read_other)(envelope.fields)
        # The code comes first: a failure may well say `complete`.
        if envelope.code in (None, _OK) and reading.stage is not Stage.FAILED:
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
        detail = text(fields.get("error")) or text(fields.get("errorMessage"))
        if envelope.code not in (None, _OK):
            code = str(envelope.code)
            return explain(self.task_meanings.get(code, UNDOCUMENTED), code, envelope.message or detail)
        # The envelope is fine and says "success" for itself: why the song failed stands inside.
        word = reading.word or ""
        code = text(fields.get("errorCode")) or "0"
        known = self.task_meanings.get(code) or self.task_meanings.get(word.upper(), UNDOCUMENTED)
        message = detail or (envelope.message if envelope.message != "success" else None)
        return explain(known, word if code == "0" else code, message)
