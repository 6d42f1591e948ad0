"""The bodies of the simulated provider, as sunoapi.org documents them and as they were seen in the wild.

https://docs.sunoapi.org/suno-api/generate-music-callbacks
"""

import json
import re
from typing import Any

from receiver.simulator import made
from receiver.simulator.script import StageWord
from receiver.simulator.songs import Song, text_of
from receiver.simulator.tasks import Task

_MESSAGES = {
    "text": "Text generation completed.",
    "first": "First track generated successfully.",
    "complete": "All generated successfully.",
}
_STATUSES = {
    None: "PENDING",
    "text": "TEXT_SUCCESS",
    "first": "FIRST_SUCCESS",
    "complete": "SUCCESS",
    "failed": "GENERATE_AUDIO_FAILED",
}


def envelope(code: int, msg: str, data: Any = None) -> dict[str, Any]:
    return {"code": code, "msg": msg, "data": data}


def callback_body(task: Task, stage: StageWord, base_url: str) -> dict[str, Any]:
    """What a callback of this stage carries now: links are of the newest kind, `complete` may be half."""
    if task.operation.shape != "music":
        return made.callback(task, _place(task, base_url))
    if stage == "failed":
        return _failure(task)
    clips = [] if stage == "text" and not task.script.text_clips else _clips(task, stage, base_url)
    return envelope(200, _MESSAGES[stage], {"callbackType": stage, "task_id": task.id, "data": clips})


def malformed_body(body: dict[str, Any], shape: str) -> str:
    """Half the JSON, or a proxy's error page in its place."""
    if shape == "html":
        return bad_gateway()
    text = json.dumps(body)
    return text[: len(text) // 2]


def status_body(task: Task, base_url: str) -> dict[str, Any]:
    """What the status call tells of a task of any kind."""
    if task.operation.shape != "music":
        return made.record(task, _place(task, base_url))
    return envelope(200, "success", _record(task, base_url))


def _record(task: Task, base_url: str) -> dict[str, Any]:
    """The record of a music task, in camel case; `param` is JSON text of the request and names its callback URL."""
    failed = task.stage == "failed"
    clips = [] if failed else [_camel_case(clip) for clip in _clips(task, task.stage, base_url)]
    created_ms = int(task.created_at.timestamp() * 1000)
    return {
        "taskId": task.id,
        "parentMusicId": text_of(task.request, "audioId"),
        "param": json.dumps(task.request),
        "response": None if task.stage is None else {"taskId": task.id, "sunoData": clips},
        "status": _STATUSES[task.stage],
        "type": task.songs[0].model,
        "operationType": task.operation.name,
        "errorCode": task.script.fail if failed else None,
        "errorMessage": task.script.fail_message if failed else None,
        "createTime": created_ms,
    }


def bad_gateway() -> str:
    return "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"


def _failure(task: Task) -> dict[str, Any]:
    script = task.script
    data: dict[str, Any] = {"callbackType": "error", "task_id": task.id}
    match script.fail_shape or task.operation.fail_shape:
        case "error":
            data["error"] = script.fail_message
        case "empty":
            data["data"] = []
        case "complete":
            data |= {"callbackType": "complete", "data": None}
        case _:
            data["data"] = None
    return envelope(script.fail or 500, script.fail_message, data)


def _clips(task: Task, stage: StageWord | None, base_url: str) -> list[dict[str, Any]]:
    count = len(task.songs)
    finished = {"first": 1, "complete": count if task.whole else count - 1}.get(stage or "text", 0)
    return [_clip(task, song, base_url, finished=song.number < finished) for song in task.songs]


def _clip(task: Task, song: Song, base_url: str, *, finished: bool) -> dict[str, Any]:
    """One track. An unfinished one streams, has an empty `audio_url` and no duration, as captures show."""
    place = f"{_place(task, base_url)}{song.number}"
    clip: dict[str, Any] = {
        "id": song.id,
        "audio_url": f"{place}.mp3" if finished else "",
        "source_audio_url": f"{place}.source.mp3",
        "stream_audio_url": f"{place}.stream.mp3",
        "source_stream_audio_url": f"{place}.source.stream.mp3",
        "image_url": f"{place}.jpeg",
        "source_image_url": f"{place}.source.jpeg",
        "prompt": song.lyrics,
        "model_name": song.model,
        "title": song.title,
        "tags": song.tags,
        "createTime": int(task.created_at.timestamp() * 1000),
        "duration": song.duration,
    }
    return {key: value for key, value in clip.items() if _is_shown(key, task, finished=finished)}


def _place(task: Task, base_url: str) -> str:
    """Where the task's files of the newest kind are."""
    return f"{base_url.rstrip('/')}/media/{task.id}/" + (f"r{task.fresh}/" if task.fresh else "")


def _is_shown(key: str, task: Task, *, finished: bool) -> bool:
    if key in ("source_audio_url", "duration") and not finished:
        return False
    return task.operation.sources or not key.startswith("source_")


def _camel_case(clip: dict[str, Any]) -> dict[str, Any]:
    return {re.sub(r"_([a-z])", lambda match: match[1].upper(), key): value for key, value in clip.items()}
