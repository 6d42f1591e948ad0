"""How our records look as JSON, at every door: the API, webhooks, streams and the command line. Pure."""

import json
import math
from datetime import UTC, datetime
from typing import Any

from receiver.events import Event, Failure, File, Result, Submission


def timestamp(value: datetime) -> str:
    """RFC 3339 in UTC with `Z`, to the millisecond."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event_json(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "type": event.type,
        "level": event.level.value,
        "operation": event.operation,
        "stage": event.stage,
        "partial": event.partial,
        "provider": event.provider,
        "task_id": event.task_id,
        "submission_id": event.submission_id,
        "client": event.client,
        "labels": dict(event.labels),
        "occurred_at": timestamp(event.occurred_at),
        "received_at": timestamp(event.received_at),
        "via": event.via.value,
        "trust": event.trust.value,
        "results": [result_json(result) for result in event.results],
        "error": failure_json(event.error),
        "raw": event.raw,
    }


def submission_json(submission: Submission) -> dict[str, Any]:
    """A submission as lists show it: without its events and deliveries, which the single view adds."""
    deadline_at = submission.deadline_at
    standing = {"standing": True} if submission.standing else {}
    return {
        "id": submission.id,
        "task_id": submission.task_id,
        "parent": submission.parent,
        "provider": submission.provider,
        "operation": submission.operation,
        "kind": submission.kind.value,
        "client": submission.client,
        "labels": dict(submission.labels),
        "title": submission.title,
        "stage": submission.stage.value,
        "created_at": timestamp(submission.created_at),
        "deadline_at": timestamp(deadline_at) if deadline_at else None,
        "results": [result_json(result) for result in submission.results],
        "error": failure_json(submission.error),
        **standing,
    }


def result_json(result: Result) -> dict[str, Any]:
    return {
        "id": result.id,
        "title": result.title,
        "duration": result.duration,
        "tags": result.tags,
        "lyrics": result.lyrics,
        "model": result.model,
        "data": result.data,
        "files": [_file_json(file) for file in result.files],
    }


def failure_json(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {
        "code": failure.code,
        "message": failure.message,
        "meaning": failure.meaning,
        "advice": failure.advice,
        "retryable": failure.retryable,
        "refunded": failure.refunded,
    }


def _file_json(file: File) -> dict[str, Any]:
    shape: dict[str, Any] = {"role": file.role, "url": file.url}
    if file.alternates:
        shape["alternates"] = list(file.alternates)
    if file.media_type:
        shape["media_type"] = file.media_type
    return shape


def json_bytes(value: Any) -> bytes:
    """Compact JSON that every parser reads, also where a provider's body held NaN, Infinity or half an emoji."""
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), separators=(",", ":"), allow_nan=False)
    return text.encode()


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case _:
            return value
