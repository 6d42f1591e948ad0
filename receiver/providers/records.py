"""The record-info answer of a submission that is settled here, so that a client which polls works unchanged.

https://docs.sunoapi.org/suno-api/get-music-generation-details and its neighbours
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from receiver.events import Failure, Kind, Result, Stage
from receiver.providers import spelling
from receiver.providers.base import Operation
from receiver.providers.body import whole
from receiver.providers.reading import UNDELIVERED, WORDS

_PROGRESS = {
    Stage.TEXT: "TEXT_SUCCESS",
    Stage.FIRST: "FIRST_SUCCESS",
    Stage.COMPLETE: "SUCCESS",
}
_FAILED = {
    Kind.LYRICS: "GENERATE_LYRICS_FAILED",
    Kind.WAV: "GENERATE_WAV_FAILED",
    Kind.VIDEO: "GENERATE_MP4_FAILED",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What there is to tell. `at` is when it was asked for, as near as it is known."""

    kind: Kind
    operation: Operation
    stage: Stage
    task_id: str | None
    results: tuple[Result, ...] = ()
    error: Failure | None = None
    at: datetime


def record_data(made: Made) -> dict[str, Any]:
    return {"taskId": made.task_id, **_RECORDS.get(made.kind, _other)(made)}


def _music(made: Made) -> dict[str, Any]:
    tracks = [spelling.camel(spelling.track(result, made.at)) for result in made.results]
    return {
        "parentMusicId": "",
        "param": None,
        "response": {"taskId": made.task_id, "sunoData": tracks},
        "status": _word(made),
        "type": made.results[0].model if made.results else None,
        "operationType": made.operation.name,
        **_error(made),
    }


def _lyrics(made: Made) -> dict[str, Any]:
    items = [spelling.lyric(result, "errorMessage") for result in made.results]
    response = {"taskId": made.task_id, "data": items}
    return {"param": None, "response": response, "status": _word(made), "type": "LYRICS", **_error(made)}


def _wav(made: Made) -> dict[str, Any]:
    return _file(made, {"audioWavUrl": next(iter(spelling.urls(made.results, "wav")), None)})


def _video(made: Made) -> dict[str, Any]:
    return _file(made, {"videoUrl": next(iter(spelling.urls(made.results, "video")), None)})


def _stems(made: Made) -> dict[str, Any]:
    return _file(made, spelling.camel(spelling.stems(made.results) or {}))


def _file(made: Made, response: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "musicId": None,
        "callbackUrl": None,
        "completeTime": None,
        "response": response,
        "successFlag": _word(made),
        **_error(made),
    }


def _midi(made: Made) -> dict[str, Any]:
    notes = None if made.error else spelling.notes(made.results)
    return {
        "recordTaskId": None,
        "audioId": None,
        "callbackUrl": None,
        "completeTime": None,
        "midiData": notes,
        "successFlag": _flag(made, failed=2 if _own_word(made) == "CREATE_TASK_FAILED" else 3),
        **_error(made),
    }


def _images(made: Made) -> dict[str, Any]:
    return {
        "parentTaskId": None,
        "callbackUrl": None,
        "completeTime": None,
        "response": {"images": spelling.urls(made.results, "image") or None},
        "successFlag": _flag(made, failed=3),
        **_error(made),
    }


def _phrase(made: Made) -> dict[str, Any]:
    return _said(made, "validateInfo", "phrase", "wait_validating")


def _voice(made: Made) -> dict[str, Any]:
    return _said(made, "voiceId", "voice_id", "success")


def _said(made: Made, theirs: str, ours: str, done: str) -> dict[str, Any]:
    """A voice's error code is a number, 0 where there is none."""
    words = {Stage.COMPLETE: done, Stage.FAILED: "fail"}
    return {
        theirs: (spelling.held(made.results[0], ours) if made.results else None) or "",
        "status": words.get(made.stage, "wait_processing"),
        "errorCode": _code(made) or 0,
        "errorMessage": made.error.message if made.error else "",
    }


def _other(made: Made) -> dict[str, Any]:
    return {**spelling.lump(made.results), "status": _word(made), **_error(made)}


def _word(made: Made) -> str:
    if made.error is None:
        return _PROGRESS.get(made.stage, "PENDING")
    return _own_word(made) or _FAILED.get(made.kind, "GENERATE_AUDIO_FAILED")


def _own_word(made: Made) -> str | None:
    """The word that the provider itself gave for the failure, where it is one of its records."""
    code = made.error.code if made.error else ""
    known = code.isupper() and WORDS.get(code.lower()) is Stage.FAILED and code.lower() != UNDELIVERED
    return code if known else None


def _flag(made: Made, *, failed: int) -> int:
    return {Stage.COMPLETE: 1, Stage.FAILED: failed}.get(made.stage, 0)


def _error(made: Made) -> dict[str, Any]:
    return {
        "errorCode": _code(made),
        "errorMessage": made.error.message if made.error else None,
        "createTime": spelling.milliseconds(made.at),
    }


def _code(made: Made) -> int | None:
    return whole(made.error.code) if made.error else None


_RECORDS: Mapping[Kind, Callable[[Made], dict[str, Any]]] = {
    Kind.MUSIC: _music,
    Kind.LYRICS: _lyrics,
    Kind.WAV: _wav,
    Kind.STEMS: _stems,
    Kind.MIDI: _midi,
    Kind.VIDEO: _video,
    Kind.COVER_IMAGE: _images,
    Kind.VOICE_PHRASE: _phrase,
    Kind.VOICE: _voice,
}
