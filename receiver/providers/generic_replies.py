"""What a `generic` provider's answer to a submission means, and what it would have answered again."""

from collections.abc import Mapping
from typing import Any

from receiver.errors import Unrecognised
from receiver.events import Failure, Stage
from receiver.providers.base import Reply, Verdict
from receiver.providers.body import load, whole
from receiver.providers.failures import UNDOCUMENTED, UNSETTLED, Meaning, explain
from receiver.providers.generic_paths import all_texts, first, first_text, put
from receiver.providers.generic_rendering import write_error, write_first
from receiver.providers.generic_settings import ReplyShape
from receiver.shapes import json_bytes

_TIMED_OUT = 408
_JSON = {"content-type": "application/json"}


def load_or_none(body: bytes) -> Any:
    """The body's object or list; None where it is neither."""
    try:
        value = load(body)
    except Unrecognised:
        return None
    return value if isinstance(value, dict | list) else None


def read_reply(shape: ReplyShape, value: Any, status: int, meanings: Mapping[str, Meaning]) -> Verdict:
    """Accepted needs a success by HTTP status and, where one is configured, by the body; else a task's id.

    408, 500 and what is neither a success nor a refusal leave it unknown: it may have been accepted.
    """
    if value is None:
        error = explain(UNSETTLED, str(status), "an answer that is not the provider's own")
        return Verdict(stage=Stage.UNKNOWN, error=error, enveloped=False)
    is_fine = status in shape.http if shape.http else 200 <= status < 300
    passed = shape.ok.look(first(value, (shape.ok.path,))) if shape.ok else None
    task_id = ",".join(all_texts(value, shape.task_id)) or None
    if is_fine and (passed or (shape.ok is None and task_id)):
        return Verdict(stage=Stage.ACCEPTED, task_id=task_id)
    code, message = first_text(value, shape.code), first_text(value, shape.message)
    refused = passed is False if is_fine else 400 <= status < 500 and status != _TIMED_OUT
    known = meanings.get((code or "").lower()) or meanings.get(str(status))
    named = code or str(status)
    if refused and not _is_trouble(whole(code)):
        return Verdict(stage=Stage.REJECTED, error=explain(known or UNDOCUMENTED, named, message))
    return Verdict(stage=Stage.UNKNOWN, task_id=task_id, error=explain(known or UNSETTLED, named, message))


def _is_trouble(code: int | None) -> bool:
    return code is not None and (code == _TIMED_OUT or 500 <= code < 600)


def submitted(shape: ReplyShape, task_id: str | None) -> Reply:
    written: Any = put({}, shape.ok.path, shape.ok.values[0]) if shape.ok else {}
    if task_id:
        written = write_first(written, shape.task_id, task_id)
    return Reply(status=shape.http[0] if shape.http else 200, headers=_JSON, body=json_bytes(written))


def refused(shape: ReplyShape, error: Failure | None) -> Reply:
    """With the code as the HTTP status where it is one."""
    said = error or Failure(code="400", message="refused")
    code = whole(said.code)
    status = code if code is not None and 400 <= code < 500 else 400
    return Reply(status=status, headers=_JSON, body=json_bytes(write_error({}, shape.code, shape.message, said)))
