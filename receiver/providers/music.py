"""Songs as the sunoapi family reports them: one reader for callbacks (snake_case) and status records (camelCase)."""

import re
from collections.abc import Mapping
from typing import Any

from receiver.events import File, Result, Stage
from receiver.providers.body import address, seconds, text
from receiver.providers.reading import WORDS, Reading, first_list, one_file, stage_of, word_of

# Role of a file, and the names its addresses go by, best first.
_ADDRESSES = {
    "audio": ("audio_url", "audioUrl", "source_audio_url", "sourceAudioUrl"),
    "stream": ("stream_audio_url", "streamAudioUrl", "source_stream_audio_url", "sourceStreamAudioUrl"),
    "image": ("image_url", "imageUrl", "source_image_url", "sourceImageUrl"),
}
# This host serves the song while it is made: endless, without a length, gone soon after. Never an archive's copy.
_STREAMING_HOST = re.compile(r"https?://audiopipe\.", re.IGNORECASE)


def read_music(data: Mapping[str, Any]) -> Reading:
    """Unknown words leave the stage open; whatever can't be read is left out."""
    results = tuple(_track(item, place) for place, item in enumerate(song_items(data), 1) if isinstance(item, dict))
    word = word_of(data)
    whole = all(result.file("audio") for result in results)
    return Reading(stage=stage_of(word, WORDS, results, whole=whole), word=word, results=results)


def read_recovery(data: Mapping[str, Any]) -> Reading:
    """A list without a word for the whole: https://docs.sunoapi.org/suno-api/suno-recovery-callbacks

    Tracks that failed for good are left out beside others that did not: nothing more will come of them.
    """
    items = {place: item for place, item in enumerate(song_items(data), 1) if isinstance(item, dict)}
    failed = [item for item in items.values() if WORDS.get((word_of(item) or "").lower()) is Stage.FAILED]
    results = tuple(_track(item, place) for place, item in items.items() if item not in failed)
    if failed and not results:
        return Reading(stage=Stage.FAILED, word="failed", detail=text(failed[0].get("error")))
    word = word_of(data)
    stage = stage_of(word, WORDS, results, whole=True) if word else None
    return Reading(stage=stage or (Stage.COMPLETE if results else None), word=word, results=results)


def song_items(data: Mapping[str, Any]) -> list[Any]:
    """The tracks, wherever an answer has them."""
    response = data.get("response")
    held = response if isinstance(response, dict) else {}
    return first_list(data, "data") or first_list(held, "sunoData", "data")


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
    return tuple(file for role, urls in found.items() for file in one_file(role, urls))
