"""What the provider would have said: callbacks, records and replies of submissions that are settled here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from receiver.events import Failure, Kind, Result, Stage
from receiver.providers import spelling
from receiver.providers.base import Reply
from receiver.providers.body import whole
from receiver.providers.envelope import OK
from receiver.providers.made import WAV_NAMES
from receiver.providers.records import Made, record_data
from receiver.shapes import json_bytes

_BROKEN = 500
_MESSAGES = {
    Stage.TEXT: "Text generation completed.",
    Stage.FIRST: "First track generated successfully.",
    Stage.COMPLETE: "All generated successfully.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Where the callbacks of the two APIs differ: see the pages on lyrics and on vocal separation of each."""

    lyrics_id: str = "taskId"
    lyrics_error: str = "errorMessage"
    lyrics_failed: str = "error"
    stem_object: str = "vocal_removal_info"


def json_reply(body: Mapping[str, Any], status: int = 200) -> Reply:
    return Reply(status=status, headers={"content-type": "application/json"}, body=json_bytes(body))


def reply_body(made: Made) -> dict[str, Any]:
    """The answer to the submission: its task, what it made at once, or why it was refused."""
    if made.error is not None and made.task_id is None:
        return {"code": code_of(made.error), "msg": made.error.message or "error", "data": None}
    named = {made.operation.id_parameter: made.task_id}
    instant = _INSTANT.get(made.kind) if made.operation.instant else None
    data = {**named, **instant(made)} if instant and made.stage is Stage.COMPLETE else named
    return {"code": OK, "msg": "success", "data": data}


def callback_body(made: Made, dialect: Dialect) -> dict[str, Any]:
    data = callback_data(made, dialect)
    # Only here does the id stand beside the data: https://docs.sunoapi.org/suno-api/suno-recovery-callbacks
    named = {"task_id": made.task_id} if made.kind is Kind.RECOVERY else {}
    if made.error is not None:
        return {"code": code_of(made.error), "msg": made.error.message or "error", **named, "data": data}
    return {"code": OK, "msg": _MESSAGES.get(made.stage, "success"), **named, "data": data}


def record_body(made: Made) -> dict[str, Any]:
    if made.kind is Kind.RECOVERY:
        code = code_of(made.error) if made.error else OK
        msg = made.error.message if made.error else "success"
        return {"code": code, "task_id": made.task_id, "msg": msg, "data": _recovery(made, Dialect())}
    if made.operation.record is None:
        return callback_body(made, Dialect())
    return {"code": OK, "msg": "success", "data": record_data(made)}


def job_body(made: Made, model: str | None, dialect: Dialect) -> dict[str, Any]:
    """https://docs.kie.ai/market/common/get-task-detail"""
    failed = made.error is not None
    state = {Stage.COMPLETE: "success", Stage.FAILED: "fail"}.get(made.stage, "generating")
    result = None if failed and not made.results else json_bytes(_job_result(made, dialect)).decode()
    data = {
        "taskId": made.task_id,
        "model": model,
        "state": state,
        "param": None,
        "resultJson": result,
        "failCode": made.error.code if made.error else None,
        "failMsg": made.error.message if made.error else None,
        "costTime": None,
        "completeTime": None,
        "createTime": spelling.milliseconds(made.at),
        "updateTime": None,
        "creditsConsumed": None,
    }
    return {"code": OK, "msg": "success", "data": data}


def callback_data(made: Made, dialect: Dialect) -> Any:
    return _CALLBACKS[made.kind](made, dialect)


def code_of(error: Failure) -> int:
    """The provider's number; where it was a word, or there was none, that of an error without a cause."""
    code = whole(error.code)
    return _BROKEN if code in (None, 0, OK) else code or _BROKEN


def _job_result(made: Made, dialect: Dialect) -> Any:
    """Songs, lyrics, and bare addresses as they were seen; the others' pages show none."""
    match made.kind:
        case Kind.MUSIC | Kind.RECOVERY:
            return {"data": [spelling.track(result, made.at) for result in made.results]}
        case Kind.LYRICS:
            return {"resultObject": {"lyricsData": _lyrics(made, dialect)["data"]}}
        case Kind.WAV | Kind.VIDEO:
            return {"resultUrls": spelling.urls(made.results, made.kind)}
        case _:
            return callback_data(made, dialect)


def _music(made: Made, _: Dialect) -> dict[str, Any]:
    tracks = [spelling.track(result, made.at) for result in made.results]
    word = "error" if made.error else made.stage.value
    return {"callbackType": word, "task_id": made.task_id, "data": tracks or (None if made.error else [])}


def _lyrics(made: Made, dialect: Dialect) -> dict[str, Any]:
    word = dialect.lyrics_failed if made.error else "complete"
    items = [spelling.lyric(result, dialect.lyrics_error) for result in made.results]
    return {"callbackType": word, dialect.lyrics_id: made.task_id, "data": items or None}


def _wav(made: Made, _: Dialect) -> dict[str, Any]:
    return {WAV_NAMES[0]: next(iter(spelling.urls(made.results, "wav")), None), "task_id": made.task_id}


def _video(made: Made, _: Dialect) -> dict[str, Any]:
    return {"task_id": made.task_id, "video_url": next(iter(spelling.urls(made.results, "video")), None)}


def _images(made: Made, _: Dialect) -> dict[str, Any]:
    return {"taskId": made.task_id, "images": spelling.urls(made.results, "image") or None}


def _stems(made: Made, dialect: Dialect) -> dict[str, Any]:
    return {"task_id": made.task_id, dialect.stem_object: spelling.stems(made.results)}


def _midi(made: Made, _: Dialect) -> dict[str, Any]:
    if made.error:
        return {"taskId": made.task_id}
    return {"taskId": made.task_id, **spelling.notes(made.results)}


def _recovery(made: Made, _: Dialect) -> list[dict[str, Any]] | None:
    if made.error and not made.results:
        return None
    names = ("id", "audio_url", "title")
    shown = [spelling.track(result, made.at) for result in made.results]
    return [{**{name: one[name] for name in names}, "status": "success", "error": None} for one in shown]


def _record_alike(made: Made, _: Dialect) -> dict[str, Any]:
    return record_data(made)


def _instant_callback(made: Made, _: Dialect) -> dict[str, Any]:
    return {"taskId": made.task_id, **_INSTANT[made.kind](made)}


def _other(made: Made, _: Dialect) -> dict[str, Any]:
    status = {"status": "fail"} if made.error else {}
    return {"task_id": made.task_id, **spelling.lump(made.results), **status}


def _one(render: Callable[[Result], dict[str, Any]]) -> Callable[[Made], dict[str, Any]]:
    return lambda made: render(made.results[0]) if made.results else {}


def _style(result: Result) -> dict[str, Any]:
    return {"result": spelling.held(result, "style"), "successFlag": "1", "errorCode": None, "errorMessage": None}


_INSTANT: Mapping[Kind, Callable[[Made], dict[str, Any]]] = {
    Kind.TIMESTAMPS: _one(spelling.aligned),
    Kind.PERSONA: _one(spelling.persona),
    Kind.STYLE: _one(_style),
}
_CALLBACKS: Mapping[Kind, Callable[[Made, Dialect], Any]] = {
    Kind.MUSIC: _music,
    Kind.LYRICS: _lyrics,
    Kind.WAV: _wav,
    Kind.STEMS: _stems,
    Kind.MIDI: _midi,
    Kind.VIDEO: _video,
    Kind.COVER_IMAGE: _images,
    Kind.VOICE_PHRASE: _record_alike,
    Kind.VOICE: _record_alike,
    Kind.RECOVERY: _recovery,
    Kind.TIMESTAMPS: _instant_callback,
    Kind.PERSONA: _instant_callback,
    Kind.STYLE: _instant_callback,
    Kind.OTHER: _other,
}
