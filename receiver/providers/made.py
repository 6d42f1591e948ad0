"""Files made of a song: the wav, the video, the cover images and the stems, as callbacks and records show them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from receiver.events import File, Result, Stage
from receiver.providers.body import address, seconds, text
from receiver.providers.reading import (
    WORDS,
    Reading,
    Words,
    first_list,
    is_callback,
    one_file,
    spread,
    stage_of,
    word_of,
)

# One page spells the first https://docs.sunoapi.org/suno-api/convert-to-wav-callbacks, another the second.
WAV_NAMES = ("audioWavUrl", "audio_wav_url")
# https://docs.sunoapi.org/suno-api/create-music-video-callbacks
VIDEO_NAMES = ("video_url", "videoUrl")
# https://docs.sunoapi.org/suno-api/separate-vocals-from-music-callbacks; kie's English page has the second.
STEM_OBJECTS = ("vocal_removal_info", "vocal_separation_info")
# A number here means something else than in the record of a MIDI task.
# https://docs.sunoapi.org/suno-api/get-cover-suno-details
IMAGE_FLAGS: Words = {"0": None, "1": Stage.COMPLETE, "2": None, "3": Stage.FAILED}
# What is left of the song without a stem; the provider has it beside the stem itself.
REMAINDER = "remove_"

_URL = re.compile(r"_url$|Url$")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def read_wav(data: Mapping[str, Any]) -> Reading:
    return _read_file(data, "wav", WAV_NAMES)


def read_video(data: Mapping[str, Any]) -> Reading:
    return _read_file(data, "video", VIDEO_NAMES)


def read_images(data: Mapping[str, Any]) -> Reading:
    """Each image is a result: https://docs.sunoapi.org/suno-api/cover-suno-callbacks"""
    urls = {place: address(item) for place, item in enumerate(_images(data), 1)}
    results = tuple(Result(id=str(place), files=(File("image", url),)) for place, url in urls.items() if url)
    return _reading(data, results, {**WORDS, **IMAGE_FLAGS}, ("images",))


def read_stems(data: Mapping[str, Any]) -> Reading:
    """All stems of a song are one result; `ids` in its data are for a MIDI request, which asks for one of them."""
    shown = _stem_object(data)
    parts = list(_parts(first_list(shown, "origin_data", "originData")))
    plain = (
        File(stem_role(name), url)
        for name, value in shown.items()
        if _URL.search(name) and not is_callback(name, value) and (url := address(value))
    )
    advanced = (File(role, url) for role, part in parts if (url := address(part.get("audio_url"))))
    files = {file.role: file for file in (*plain, *advanced)}
    ids = {role: ident for role, part in parts if (ident := text(part.get("id")))}
    lengths = [length for _, part in parts if (length := seconds(part.get("duration")))]
    found = Result(
        id="1",
        duration=lengths[0] if lengths else None,
        data={"ids": ids} if ids else None,
        files=tuple(files.values()),
    )
    return _reading(data, (found,) if files or ids else (), WORDS, STEM_OBJECTS)


def stem_role(name: str) -> str:
    """`backingVocalsUrl` and `backing_vocals_url` are `backing_vocals`; both APIs have one `vocal_url` for vocals."""
    plain = re.sub(r"\W+", "_", _HUMP.sub("_", _URL.sub("", name)).strip()).strip("_").lower()
    return "vocals" if plain == "vocal" else plain or "stem"


def _parts(items: list[Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The stems of `split_stem_advanced` by role: each as a pair of the stem and what is left, or by itself."""
    for item in items:
        if not isinstance(item, dict):
            continue
        pair = {"": item.get("extract"), REMAINDER: item.get("remove")}
        if not any(isinstance(part, dict) for part in pair.values()):
            pair = {"": item}
        for prefix, part in pair.items():
            if isinstance(part, dict):
                yield prefix + stem_role(text(part.get("stem_type_group_name")) or ""), part


def _stem_object(data: Mapping[str, Any]) -> Mapping[str, Any]:
    named = next((value for name in STEM_OBJECTS if isinstance(value := data.get(name), dict)), None)
    if named is not None:
        return named
    response = data.get("response")
    return response if isinstance(response, dict) else data


def _images(data: Mapping[str, Any]) -> list[Any]:
    return first_list(spread(data), "images")


def _read_file(data: Mapping[str, Any], role: str, names: tuple[str, ...]) -> Reading:
    shown = spread(data)
    files = one_file(role, [url for name in names if (url := address(shown.get(name)))])
    return _reading(data, (Result(id="1", files=files),) if files else (), WORDS, names)


def _reading(data: Mapping[str, Any], results: tuple[Result, ...], words: Words, marks: tuple[str, ...]) -> Reading:
    """Callbacks of these kinds have no word for the stage: there is one, and what it is named after stands in it."""
    word = word_of(data)
    if word is None:
        done = bool(results) or any(mark in data for mark in marks)
        return Reading(stage=Stage.COMPLETE if done else None, results=results)
    stage = stage_of(word, words, results, whole=True)
    # A number says nothing to a person.
    return Reading(stage=stage, word="failed" if stage is Stage.FAILED and word.isdigit() else word, results=results)
