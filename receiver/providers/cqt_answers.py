"""CQTAI's answers, both ways: the one envelope that it has, and what it would have said to a client of ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from receiver.errors import Unrecognised
from receiver.events import Failure, Kind, Result, Stage
from receiver.providers.base import Reply
from receiver.providers.body import load, text, whole
from receiver.providers.cqt_operations import TASKS
from receiver.shapes import json_bytes

OK = 200
_JSON = {"content-type": "application/json"}
_LONGEST_ID = 200
_TASK_OF = {row.name: task for task, row in TASKS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What every answer comes in: `{code, msg, data}`. `code` is None where it is absent or no number."""

    code: int | None
    message: str | None
    data: Any

    @property
    def task_id(self) -> str | None:
        """The bare text in `data`; the first API had a number in an object there."""
        held = self.data
        if isinstance(held, dict):
            held = next((held[name] for name in ("taskId", "id") if text(held.get(name))), None)
        ident = (text(held) or "").strip()
        # A client was seen that reads lyrics from there: what has spaces is no id.
        return ident if ident and len(ident) <= _LONGEST_ID and not any(map(str.isspace, ident)) else None


def open_envelope(body: bytes) -> Envelope:
    """Raises Unrecognised where the body is no JSON object."""
    value = load(body)
    if not isinstance(value, dict):
        raise Unrecognised("the body must be a JSON object")
    message = text(value.get("msg")) or text(value.get("message"))
    return Envelope(code=whole(value.get("code")), message=message, data=value.get("data"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a task, of a submission or an event alike."""

    task_id: str | None
    operation: str
    kind: str
    stage: str
    results: tuple[Result, ...] = ()
    error: Failure | None = None


def status_body(outcome: Outcome) -> bytes:
    """https://www.cqtai.com/docs/suno/gen-stem-all; what the store doesn't know (param, times) is left out."""
    failed = outcome.stage == Stage.FAILED
    status = "failed" if failed else "succeeded" if outcome.stage == Stage.COMPLETE else "running"
    data = {
        "id": outcome.task_id,
        "taskType": _TASK_OF.get(outcome.operation),
        "status": status,
        "errorMsg": outcome.error.message if failed and outcome.error else "",
        "result": _result(outcome),
    }
    return json_bytes({"code": OK, "msg": "success", "data": data})


def _result(outcome: Outcome) -> Any:
    shown = [_shown(outcome.kind, result) for result in outcome.results]
    is_list = outcome.kind in (Kind.MUSIC, Kind.STEMS) or len(shown) > 1
    return (shown or None) if is_list else next(iter(shown), None)


def _shown(kind: str, result: Result) -> dict[str, Any]:
    data = result.data
    if isinstance(data, dict) and isinstance(data.get("words"), list):
        return {"aligned_words": [_aligned(word) for word in data["words"]]}
    if kind not in (Kind.MUSIC, Kind.STEMS) and not (result.title or result.duration or result.tags):
        held = data if isinstance(data, dict) else {"result": data} if data else {}
        return held | {f"{file.role}_url": file.url for file in result.files}
    return _clip(kind, result)


def _aligned(word: Mapping[str, Any]) -> dict[str, Any]:
    return {"word": word["word"], "success": True, "start_s": word["start"], "end_s": word["end"]}


def _clip(kind: str, result: Result) -> dict[str, Any]:
    urls = {file.role: file.url for file in result.files}
    images = result.file("image")
    sound = next((file for file in result.files if file.role not in ("image", "video")), None)
    # A clip of a stem task is one stem, whose name is its file's role.
    stem = {"stem_type_group_name": sound.role} if kind == Kind.STEMS and sound else {}
    audio = sound.url if kind == Kind.STEMS and sound else urls.pop("audio", urls.pop("stream", None))
    known = {"audio", "stream", "image", "video", *(stem.values())}
    return {
        "id": result.id,
        "title": result.title,
        "status": "complete",
        "audio_url": audio,
        "image_url": images.urls[-1] if images else None,
        "image_large_url": images.url if images else None,
        "video_url": urls.get("video"),
        "model_name": result.model,
        "metadata": {"tags": result.tags, "prompt": result.lyrics, "duration": result.duration, **stem},
        **{f"{role}_url": url for role, url in urls.items() if role not in known},
    }


def submitted(task_id: str | None) -> Reply:
    return _answer(OK, "success", task_id)


def refused(error: Failure | None) -> Reply:
    """With the code in the body, under HTTP 200, as the one error that was captured."""
    code = whole(error.code) if error else None
    return _answer(code or 500, error.message if error else "failed", None)


def no_task() -> Reply:
    """What the provider says of an unknown task is not documented: an error in its own envelope."""
    return _answer(404, "task not found", None)


def _answer(code: int, message: str, data: Any) -> Reply:
    return Reply(status=200, headers=_JSON, body=json_bytes({"code": code, "msg": message, "data": data}))
