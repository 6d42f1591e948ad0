"""What the simulated provider makes besides songs: for each shape its callback, its record, its failures' words.

https://docs.sunoapi.org/llms.txt lists the pages; they give one callback for each of these, without a stage.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from receiver.simulator.songs import Song, text_of
from receiver.simulator.tasks import Task

_CREDITS_LEFT = 9_988
_PHRASE = "Lanterns on the water keep the ferry in the night"
_STEMS = ("vocal", "instrumental")
_NOTE_S = 0.5

_Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """`callback` and `thing` take the task, what is finished of it, and the address of its files.

    `thing` is what a record holds under `under`, beside the rest where that is None. `words` are for what is pending,
    done and failed, and stand under `flag`.
    """

    record: str
    callback: Callable[[Task, list[Song], str], _Data]
    thing: Callable[[Task, list[Song], str], Any]
    under: str | None = "response"
    flag: str = "successFlag"
    words: tuple[Any, Any, Any] = ("PENDING", "SUCCESS", "GENERATE_AUDIO_FAILED")


def callback(task: Task, place: str) -> _Data:
    """The whole body of the one callback; a failure has its fields empty."""
    failed = task.stage == "failed"
    code, msg = (task.script.fail or 500, task.script.fail_message) if failed else (200, "success")
    data = SHAPES[task.operation.shape].callback(task, _finished(task), place)
    if task.operation.shape == "recovery":
        return {"code": code, "msg": msg, "task_id": task.id, "data": data["data"] or None}
    return {"code": code, "msg": msg, "data": data}


def record(task: Task, place: str) -> _Data:
    """The whole answer to the status call."""
    shape = SHAPES[task.operation.shape]
    if task.operation.shape == "recovery":
        return (
            callback(task, place) if task.stage else {"code": 201, "msg": "running", "task_id": task.id, "data": None}
        )
    pending, done, failed = shape.words
    word = {None: pending, "failed": failed}.get(task.stage, done)
    thing = shape.thing(task, _finished(task), place) if task.stage else None
    inner = {shape.under: thing} if shape.under else thing or {}
    is_failed = task.stage == "failed"
    data = {
        "taskId": task.id,
        "callbackUrl": task.request[task.operation.field],
        **inner,
        shape.flag: word,
        "createTime": int(task.created_at.timestamp() * 1000),
        "errorCode": task.script.fail if is_failed else None,
        "errorMessage": task.script.fail_message if is_failed else None,
    }
    return {"code": 200, "msg": "success", "data": data}


def instant(kind: str, request: Mapping[str, Any], songs: list[Song]) -> _Data:
    """What an operation that answers at once makes of its request, and of the songs of the task that it names."""
    match kind:
        case "persona":
            named = {name: text_of(request, name) for name in ("name", "description")}
            return {"personaId": f"persona-{text_of(request, 'audioId') or 1}", **named}
        case "style":
            style = f"{text_of(request, 'content') or 'pop'}, warm, wide, brushed drums"
            return {"result": style, "successFlag": "1", "creditsConsumed": 0.4, "creditsRemaining": _CREDITS_LEFT}
        case _:
            return _aligned(songs[0].lyrics if songs else _PHRASE)


def _aligned(lyrics: str) -> _Data:
    words = [
        {"word": word, "success": True, "startS": place * _NOTE_S, "endS": (place + 1) * _NOTE_S, "palign": 0}
        for place, word in enumerate(lyrics.split())
    ]
    return {"alignedWords": words, "waveformData": [0.0, 0.5, 1.0, 0.5], "hootCer": 0.0, "isStreamed": False}


def _finished(task: Task) -> list[Song]:
    if task.stage != "complete":
        return []
    return list(task.songs if task.whole else task.songs[:-1])


def _lyric_items(task: Task, songs: list[Song], _: str) -> list[_Data]:
    return [
        {"text": song.lyrics, "title": f"{song.title} {song.number + 1}", "status": "complete", "errorMessage": ""}
        for song in songs
    ]


def _lyrics(task: Task, songs: list[Song], place: str) -> _Data:
    word = "error" if task.stage == "failed" else "complete"
    return {"callbackType": word, "taskId": task.id, "data": _lyric_items(task, songs, place) or None}


def _one(songs: list[Song], place: str, extension: str) -> str | None:
    return f"{place}{songs[0].number}.{extension}" if songs else None


def _stems(task: Task, songs: list[Song], place: str) -> _Data | None:
    if not songs:
        return None
    return {f"{name}_url": f"{place}0.{name}.mp3" for name in _STEMS} | {"origin_url": ""}


def _stem_record(task: Task, songs: list[Song], place: str) -> _Data | None:
    return {f"{name}Url": f"{place}0.{name}.mp3" for name in _STEMS} | {"drumsUrl": None} if songs else None


def _images(task: Task, songs: list[Song], place: str) -> list[str] | None:
    return [f"{place}{song.number}.jpeg" for song in songs] or None


def _notes(task: Task, songs: list[Song], _: str) -> _Data:
    """The times are text and numbers, as the page's example has them."""
    if not songs:
        return {}
    notes = [
        {"pitch": 48 + value % 24, "start": str(place * _NOTE_S), "end": (place + 1) * _NOTE_S, "velocity": 0.8}
        for place, value in enumerate(songs[0].seed[:16])
    ]
    return {"state": "complete", "instruments": [{"name": "Vocals", "notes": notes}, {"name": "Drums", "notes": []}]}


def _said(name: str, value: str, done: str) -> Callable[[Task, list[Song], str], _Data]:
    def say(task: Task, songs: list[Song], _: str) -> _Data:
        failed = task.stage == "failed"
        return {
            "taskId": task.id,
            name: value if songs else "",
            "status": "fail" if failed else done,
            "errorCode": task.script.fail if failed else 0,
            "errorMessage": task.script.fail_message if failed else "",
        }

    return say


def _recovered(task: Task, songs: list[Song], place: str) -> _Data:
    items = [
        {
            "id": song.id,
            "audio_url": f"{place}{song.number}.mp3",
            "title": song.title,
            "status": "success",
            "error": None,
        }
        for song in songs
    ]
    return {"data": items}


def _phrase_or_voice(record_path: str, name: str, value: str, done: str) -> Shape:
    say = _said(name, value, done)
    return Shape(record_path, say, say, None, "status", ("wait_processing", done, "fail"))


SHAPES: Mapping[str, Shape] = {
    "lyrics": Shape(
        "/api/v1/lyrics/record-info",
        _lyrics,
        lambda task, songs, place: {"taskId": task.id, "data": _lyric_items(task, songs, place)},
        flag="status",
        words=("PENDING", "SUCCESS", "GENERATE_LYRICS_FAILED"),
    ),
    "wav": Shape(
        "/api/v1/wav/record-info",
        lambda task, songs, place: {"audioWavUrl": _one(songs, place, "wav"), "task_id": task.id},
        lambda _, songs, place: {"audioWavUrl": _one(songs, place, "wav")},
        words=("PENDING", "SUCCESS", "GENERATE_WAV_FAILED"),
    ),
    "stems": Shape(
        "/api/v1/vocal-removal/record-info",
        lambda task, songs, place: {"task_id": task.id, "vocal_removal_info": _stems(task, songs, place)},
        _stem_record,
    ),
    "midi": Shape(
        "/api/v1/midi/record-info",
        lambda task, songs, place: {"taskId": task.id, **_notes(task, songs, place)},
        _notes,
        under="midiData",
        words=(0, 1, 3),
    ),
    "mp4": Shape(
        "/api/v1/mp4/record-info",
        lambda task, songs, place: {"task_id": task.id, "video_url": _one(songs, place, "mp4")},
        lambda _, songs, place: {"videoUrl": _one(songs, place, "mp4")},
        words=("PENDING", "SUCCESS", "GENERATE_MP4_FAILED"),
    ),
    "cover_image": Shape(
        "/api/v1/suno/cover/record-info",
        lambda task, songs, place: {"taskId": task.id, "images": _images(task, songs, place)},
        lambda task, songs, place: {"images": _images(task, songs, place)},
        words=(0, 1, 3),
    ),
    "voice_phrase": _phrase_or_voice("/api/v1/voice/validate-info", "validateInfo", _PHRASE, "wait_validating"),
    "voice": _phrase_or_voice("/api/v1/voice/record-info", "voiceId", "voice-of-the-simulator", "success"),
    "recovery": Shape("/api/v1/suno/recovery/record-info", _recovered, _recovered),
}
