"""Songs as the sunoapi family reports them: one reader for callbacks (snake_case) and status records (camelCase)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from receiver.events import File, Result, Stage
from receiver.providers.body import address, seconds, text

# Role of a file, and the names its addresses go by, best first.
_ADDRESSES = {
    "audio": ("audio_url", "audioUrl", "source_audio_url", "sourceAudioUrl"),
    "stream": ("stream_audio_url", "streamAudioUrl", "source_stream_audio_url", "sourceStreamAudioUrl"),
    "image": ("image_url", "imageUrl", "source_image_url", "sourceImageUrl"),
}
# This host serves the song while it is made: endless, without a length, gone soon after. Never an archive's copy.
_STREAMING_HOST = re.compile(r"https?://audiopipe\.", re.IGNORECASE)
_UNDELIVERED = "callback_exception"
_STAGES = {
    "text": Stage.TEXT,
    "text_success": Stage.TEXT,
    "first": Stage.FIRST,
    "first_success": Stage.FIRST,
    "complete": Stage.COMPLETE,
    "success": Stage.COMPLETE,
    "error": Stage.FAILED,
    "fail": Stage.FAILED,
    "failed": Stage.FAILED,
    "create_task_failed": Stage.FAILED,
    "generate_audio_failed": Stage.FAILED,
    "sensitive_word_error": Stage.FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the `data` of an answer says. `word` is the provider's own for the stage."""

    stage: Stage | None
    word: str | None = None
    results: tuple[Result, ...] = ()


def read_music(data: Mapping[str, Any]) -> Reading:
    """Unknown words leave the stage open; whatever can't be read is left out."""
    results = tuple(_track(item, position) for position, item in enumerate(_items(data), 1) if isinstance(item, dict))
    word = text(data.get("callbackType")) or text(data.get("status"))
    return Reading(stage=_stage(word, results), word=word, results=results)


def _stage(word: str | None, results: tuple[Result, ...]) -> Stage | None:
    known = word.lower() if word else ""
    if known != _UNDELIVERED:
        return _STAGES.get(known)
    # The provider could not deliver a callback, of any stage: the song may be there, or still in the making.
    if not results:
        return Stage.FAILED
    return Stage.COMPLETE if all(result.file("audio") for result in results) else None


def _items(data: Mapping[str, Any]) -> list[Any]:
    response = data.get("response")
    held = response if isinstance(response, dict) else {}
    listed = (data.get("data"), held.get("sunoData"), held.get("data"))
    return next((value for value in listed if isinstance(value, list)), [])


def _track(item: dict[str, Any], position: int) -> Result:
    return Result(
        # Without an id the position keeps two tracks apart.
        id=text(item.get("id")) or str(position),
        title=text(item.get("title")),
        duration=seconds(item.get("duration")),
        tags=text(item.get("tags")),
        lyrics=text(item.get("prompt")),
        model=text(item.get("model_name")) or text(item.get("modelName")),
        files=_files(item),
    )


def _files(item: dict[str, Any]) -> tuple[File, ...]:
    found = {
        role: [url for name in names if name in item and (url := address(item[name]))]
        for role, names in _ADDRESSES.items()
    }
    streams = [url for url in found["audio"] if _STREAMING_HOST.match(url)]
    if streams:
        found["audio"] = [url for url in found["audio"] if url not in streams]
        found["stream"] += streams
    return tuple(_file(role, urls) for role, urls in found.items() if urls)


def _file(role: str, urls: list[str]) -> File:
    url, *others = dict.fromkeys(urls)
    return File(role, url, tuple(others))
