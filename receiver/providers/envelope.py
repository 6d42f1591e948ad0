"""The envelope of the family: code, message, data, and a task id in one of four places."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from receiver.errors import Unrecognised
from receiver.providers.body import load, text, whole

OK = 200
# One schema of a callback shows 0 for success, against its own prose.
FINE = (None, 0, OK)


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
    return Envelope(
        code=whole(value.get("code")),
        message=text(value.get("msg")),
        data=value.get("data"),
        task_id=next(task_ids(value), None),
    )


def task_ids(value: Mapping[str, Any]) -> Iterator[str]:
    """Every id that a body may mean as its task's, likeliest first."""
    data = value.get("data")
    holders = (data, value) if isinstance(data, dict) else (value,)
    for holder in holders:
        yield from filter(None, (text(holder.get(name)) for name in ("task_id", "taskId")))
