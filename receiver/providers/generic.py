"""Any other reseller with callbacks, as YAML describes it: where the URL goes, where ids, states and files stand.

docs/providers.md has the language; config/examples/provider-*.yaml describe five providers in it.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from receiver.errors import Unrecognised
from receiver.events import Event, Failure, Kind, Stage, Submission, Trust
from receiver.providers import generic_placing
from receiver.providers.base import Operation, Provider, Reply, Request, Verdict
from receiver.providers.body import load
from receiver.providers.failures import Meaning
from receiver.providers.generic_asking import asked_task, status_request
from receiver.providers.generic_paths import Keys, Path, all_texts, drop, first, first_text, not_empty, put
from receiver.providers.generic_reading import read, read_results, read_task_id, unknown_words
from receiver.providers.generic_rendering import Outcome, write, write_error
from receiver.providers.generic_replies import load_or_none, read_reply, refused, submitted
from receiver.providers.generic_settings import (
    Auth,
    CallbackPlace,
    ErrorText,
    Reading,
    ReplyShape,
    StatusCall,
    Submit,
    spell,
)
from receiver.providers.generic_signature import Signature
from receiver.shapes import json_bytes
from receiver.stages import Report

_TELLABLE = re.compile(r"[a-z0-9_ -]{1,40}")
_LONGEST_TITLE = 80
_JSON = {"content-type": "application/json"}


class Generic(Provider):
    type: Literal["generic"]
    submit: Annotated[tuple[Submit, ...], AfterValidator(not_empty)] = Field(json_schema_extra={"minItems": 1})
    """What can be asked for: paths, with the operation and the kind that each stands for."""
    auth: Auth = Field(default_factory=Auth)
    """How the key is sent; left out: `Authorization: Bearer`."""
    callback: CallbackPlace = Field(default_factory=lambda: CallbackPlace(none=True))
    """Where the callback URL goes; left out: nowhere, and results are asked for."""
    reply: ReplyShape = Field(default_factory=ReplyShape)
    """How the answer to a submission is read."""
    events: Reading = Field(default_factory=Reading)
    """How a callback is read."""
    signature: Signature | None = None
    """How a callback proves itself; left out: by its URL alone."""
    status: StatusCall | None = None
    """The call that tells how far a task is; left out: there is none, and a lost callback is lost."""
    errors: dict[str, ErrorText] = Field(default_factory=dict)
    """What the provider's error codes, HTTP statuses or words mean."""
    redact: tuple[Path, ...] = ()
    """Where answers and callbacks repeat a secret, so that it is never shown."""
    title: tuple[Keys, ...] = ("title", "prompt")
    """Where a request names what it asks for."""
    parents: tuple[Keys, ...] = ()
    """Where a request names the task that it makes something of."""

    @model_validator(mode="after")
    def _fits_together(self) -> "Generic":
        names = [row.operation for row in self.submit]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"has the operation {twice[0]} twice in submit; give each its own name")
        if self.callback.secret and not (self.signature and self.signature.key):
            raise ValueError("sends a secret (callback.secret) that is not there; add signature with its key")
        return self

    @cached_property
    def _rows(self) -> tuple[Operation, ...]:
        return tuple(row.row(self.callback.name, self._record) for row in self.submit)

    @cached_property
    def _meanings(self) -> Mapping[str, Meaning]:
        return {code.lower(): text.known() for code, text in self.errors.items()}

    @property
    def _record(self) -> str | None:
        return self.status.path.partition("?")[0].partition("{")[0] if self.status else None

    @property
    def _status_shape(self) -> Reading:
        return (self.status.reply if self.status else None) or self.events

    def rows(self) -> tuple[Operation, ...]:
        return self._rows

    def find(self, request: Request) -> Operation | None:
        """By path and body; another body on a known path is a submission too, of an operation that we don't know."""
        named = (request.method, request.path.partition("?")[0].rstrip("/"))
        here = [
            (row, told) for row, told in zip(self._rows, self.submit, strict=True) if (row.method, row.path) == named
        ]
        if not here:
            return None
        value = load_or_none(request.body) if any(told.match for _, told in here) else None
        fitting = [(row, told) for row, told in here if all(_holds(value, *pair) for pair in told.match.items())]
        best = max(fitting, key=lambda pair: len(pair[1].match), default=None)
        return best[0] if best else self.operation("other")

    def operation(self, name: str) -> Operation:
        unknown = Operation(name=name, kind=Kind.OTHER, path="", callback_field=self.callback.name, record=self._record)
        return next((row for row in self._rows if row.name == name), unknown)

    def credentials(self) -> Mapping[str, str]:
        return {self.auth.header.lower(): self.auth.prefix + self.api_key.get_secret_value()}

    def prepare(self, request: Request, operation: Operation, callback_url: str) -> Request:
        if operation.callback_field is None:
            return request
        keys = self.signature.key if self.signature else ()
        secret = keys[0].get_secret_value() if keys else None
        return generic_placing.place(request, self.callback, callback_url, secret)

    def client_callback(self, request: Request, operation: Operation) -> str | None:
        return None if operation.callback_field is None else generic_placing.find(request, self.callback)

    def describe(self, request: Request) -> str | None:
        said = first_text(load_or_none(request.body), self.title)
        return " ".join(said.split())[:_LONGEST_TITLE] if said else None

    def parent(self, request: Request, operation: Operation) -> str | None:
        return first_text(load_or_none(request.body), self.parents)

    def read_reply(self, operation: Operation, reply: Reply) -> Verdict:
        value = self._safe(load_or_none(reply.body))
        verdict = read_reply(self.reply, value, reply.status, self._meanings)
        if not operation.instant or verdict.stage is Stage.REJECTED or not 200 <= reply.status < 300:
            return verdict
        made = read_results(self.events, operation, value)
        if not made and verdict.stage is not Stage.ACCEPTED:
            return verdict
        return Verdict(stage=Stage.COMPLETE, task_id=verdict.task_id, results=made)

    def parse_callback(self, operation: Operation, headers: Mapping[str, str], body: bytes) -> Report:
        return read(self.events, operation, self._loaded(body), self._meanings)

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Trust | None:
        if self.signature is None:
            return Trust.TOKEN
        held = self.signature.holds(
            headers, body, now, api_key=self.api_key, task_id=lambda: read_task_id(self.events, load_or_none(body))
        )
        return Trust.SIGNED if held else None

    def kept_headers(self) -> frozenset[str]:
        return self.signature.headers if self.signature else frozenset()

    def secrets(self, body: bytes) -> tuple[str, ...]:
        keys = [key.get_secret_value() for key in self.signature.key] if self.signature else []
        value = load_or_none(body) if self.redact else None
        return (*super().secrets(body), *keys, *(said for path in self.redact for said in all_texts(value, (path,))))

    def status_request(self, submission: Submission) -> Request | None:
        if self.status is None or submission.task_id is None or self.operation(submission.operation).instant:
            return None
        return status_request(self.status, submission.task_id)

    def asked_task(self, request: Request) -> str | None:
        return asked_task(self.status, request) if self.status else None

    def parse_status(self, operation: Operation, reply: Reply) -> Report:
        if not 200 <= reply.status < 300:
            raise Unrecognised(f"the status call was answered with HTTP {reply.status}")
        value = self._loaded(reply.body)
        check = self.status.ok if self.status else None
        if check and not check.look(first(value, (check.path,))):
            raise Unrecognised(f"the answer to the status call has something else at {check.path} than status.ok says")
        return read(self._status_shape, operation, value, self._meanings)

    def render_status(self, submission: Submission) -> Reply:
        outcome = Outcome(
            task_id=submission.task_id,
            stage=submission.stage,
            results=submission.results,
            error=submission.error,
        )
        written = write(self._status_shape, outcome)
        check = self.status.ok if self.status else None
        if check:
            written = put(written, check.path, check.values[0])
        return Reply(status=200, headers=_JSON, body=json_bytes(written))

    def render_no_task(self, request: Request) -> Reply:
        """What the provider says of an unknown task is not configured: an error at the places for one."""
        shape = self._status_shape
        error = Failure(code="404", message="task not found")
        return Reply(status=404, headers=_JSON, body=json_bytes(write_error({}, shape.code, shape.message, error)))

    def render_reply(self, submission: Submission) -> Reply:
        if submission.stage is Stage.REJECTED:
            return refused(self.reply, submission.error)
        return submitted(self.reply, submission.task_id)

    def render_callback(self, event: Event) -> bytes:
        outcome = Outcome(task_id=event.task_id, stage=event.stage or "", results=event.results, error=event.error)
        return json_bytes(write(self.events, outcome))

    def unknown(self, operation: Operation, body: bytes, *, status: bool) -> tuple[str, ...]:
        shape = self._status_shape if status else self.events
        words = unknown_words(shape, load_or_none(body))
        place = shape.stage[0]
        return tuple(f"{place}={word}" if _TELLABLE.fullmatch(word) else place for word in words)

    def _loaded(self, body: bytes) -> Any:
        """Raises Unrecognised."""
        value = load(body)
        if not isinstance(value, dict | list):
            raise Unrecognised("the body must be a JSON object or a list")
        return self._safe(value)

    def _safe(self, value: Any) -> Any:
        for path in self.redact:
            value = drop(value, path)
        return value


def _holds(value: Any, path: str, wanted: Any) -> bool:
    found = first(value, (path,))
    return found is not None and spell(found) == spell(wanted)
