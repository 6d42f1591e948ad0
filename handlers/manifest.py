"""`song.json`: what a result is and which of its files are kept, for whoever finds the archive without us. Pure."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from handlers.derived import Derived
from receiver.handler import ArchivedFile, Event, Result
from receiver.shapes import timestamp

ROLE = "song"


def manifest(
    event: Event,
    result: Result,
    files: Iterable[ArchivedFile],
    missing: Sequence[Mapping[str, str]],
    received_at: datetime,
) -> Derived:
    """The same text for the same facts: only then can it be told that nothing has changed."""
    said = {
        "title": result.title,
        "result_id": result.id,
        "submission_id": event.submission_id,
        "task_id": event.task_id,
        "provider": event.provider,
        "operation": event.operation,
        "model": result.model,
        "tags": result.tags,
        "duration": _finite(result.duration),
        "lyrics": result.lyrics,
        "labels": dict(sorted(event.labels.items())),
        "received_at": timestamp(received_at),
        "files": [_file(file) for file in files if file.role != ROLE],
        "missing": list(missing),
    }
    text = json.dumps(said, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    return Derived(ROLE, "json", "application/json", text.encode(errors="replace"))


def _file(file: ArchivedFile) -> dict[str, Any]:
    return {
        "role": file.role,
        "key": file.key,
        "size": file.size,
        "sha256": file.sha256,
        "media_type": file.media_type,
        "link": file.link or None,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
