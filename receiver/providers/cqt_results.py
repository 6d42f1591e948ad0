"""What CQTAI's tasks made: Suno's own clips where the pages show them, anything else as it came."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from receiver.events import File, Kind, Result, Stage
from receiver.providers.body import address, seconds, text
from receiver.providers.generic_files import find_files, is_streaming, lump, snake

# "success" in the prose of https://www.cqtai.com/docs/suno, "succeeded" in every sample, the rest in clients only.
STAGES = {
    "succeeded": Stage.COMPLETE,
    "success": Stage.COMPLETE,
    "complete": Stage.COMPLETE,
    "completed": Stage.COMPLETE,
    "failed": Stage.FAILED,
    "error": Stage.FAILED,
}
TASK_FIELDS = frozenset({"id", "taskType", "status", "errorMsg", "param", "result", "createTime", "completeTime"})
# A role, and the names its addresses go by, best first: https://www.cqtai.com/docs/suno/gen-stem-all
_ADDRESSES = {
    "audio": ("audio_url",),
    "image": ("image_large_url", "image_url"),
    "video": ("video_url",),
}
# Creation tasks make these along with the song; where they show up is not documented.
_EXTRAS = frozenset({"wav", "video", "midi"})
_MAIN = {Kind.MUSIC: "audio", Kind.WAV: "wav", Kind.VIDEO: "video"}
_IN_BRACKETS = re.compile(r"\(([^()]+)\)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the `data` of a status answer says. `word` is the provider's for the stage, in lower case."""

    stage: Stage | None
    word: str
    results: tuple[Result, ...] = ()


def read_task(kind: Kind, data: Mapping[str, Any]) -> Task:
    """Unknown words leave the stage open; so does a song that is said to be done and is still streaming."""
    word = (text(data.get("status")) or "").strip().lower()
    stage = STAGES.get(word)
    items = _items(data.get("result"))
    if stage is Stage.COMPLETE and any(_is_unfinished(item) for item in items):
        stage = None
    return Task(stage=stage, word=word, results=_results(kind, items, data))


def _items(result: Any) -> list[Any]:
    if isinstance(result, list):
        return [item for item in result if item]
    return [result] if result else []


def _is_clip(item: Any) -> bool:
    return isinstance(item, dict) and ("audio_url" in item or isinstance(item.get("metadata"), dict))


def _is_unfinished(item: Any) -> bool:
    """A task was seen as done while a clip of it still streamed, from a host that serves no files."""
    if not _is_clip(item):
        return False
    word = (text(item.get("status")) or "complete").strip().lower()
    url = address(item.get("audio_url"))
    return word not in STAGES or (url is not None and is_streaming(url))


def _results(kind: Kind, items: list[Any], data: Mapping[str, Any]) -> tuple[Result, ...]:
    known = [
        _words(item, place) if _is_timeline(item) else _clip(kind, item, place)
        for place, item in enumerate(items, 1)
        if _is_clip(item) or _is_timeline(item)
    ]
    unknown = [item for item in items if not _is_clip(item) and not _is_timeline(item)]
    beside = {name: value for name, value in data.items() if name not in TASK_FIELDS and value not in (None, "")}
    rest = _rest(unknown) | beside
    found = lump(rest, "rest" if known else "1", _MAIN.get(kind, "file")) if rest else None
    return (*known, found) if found and (found.files or found.data) else tuple(known)


def _rest(unknown: list[Any]) -> dict[str, Any]:
    """What the result holds beside clips, under names that tell something."""
    if not unknown:
        return {}
    if len(unknown) == 1:
        return unknown[0] if isinstance(unknown[0], dict) else {"result": unknown[0]}
    return {"result": unknown}


def _is_timeline(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("aligned_words"), list)


def _words(item: Mapping[str, Any], place: int) -> Result:
    """https://www.cqtai.com/docs/suno/export"""
    words = [_word(word) for word in item["aligned_words"] if isinstance(word, dict)]
    return Result(id=text(item.get("id")) or str(place), data={"words": [word for word in words if word]})


def _word(item: Mapping[str, Any]) -> dict[str, Any] | None:
    word, start, end = item.get("word"), _time(item.get("start_s")), _time(item.get("end_s"))
    return {"word": word, "start": start, "end": end} if isinstance(word, str) and None not in (start, end) else None


def _time(value: Any) -> float | None:
    """Seconds from the beginning, which may be none."""
    is_zero = isinstance(value, int | float) and not isinstance(value, bool) and value == 0
    return 0.0 if is_zero else seconds(value)


def _clip(kind: Kind, item: Mapping[str, Any], place: int) -> Result:
    metadata = item.get("metadata")
    held = metadata if isinstance(metadata, dict) else {}
    return Result(
        # Without an id the position keeps two tracks apart.
        id=text(item.get("id")) or str(place),
        title=text(item.get("title")),
        duration=seconds(held.get("duration")) or seconds(item.get("duration")),
        tags=text(held.get("tags")),
        lyrics=text(held.get("prompt")),
        model=text(item.get("model_name")),
        files=_files(item, _stem(item, held) if kind is Kind.STEMS else "audio"),
    )


def _stem(item: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """Which stem a clip is: its group names it, and the title does in brackets."""
    bracketed = _IN_BRACKETS.search(text(item.get("title")) or "")
    named = text(metadata.get("stem_type_group_name")) or (bracketed[1] if bracketed else "")
    return snake(named) or "audio"


def _files(item: Mapping[str, Any], sound: str) -> tuple[File, ...]:
    files = {}
    for role, names in _ADDRESSES.items():
        urls = list(dict.fromkeys(url for name in names if (url := address(item.get(name)))))
        if urls:
            named = sound if role == "audio" else role
            named = "stream" if role == "audio" and is_streaming(urls[0]) else named
            files[named] = File(named, urls[0], tuple(urls[1:]))
    for file in find_files(item):
        if file.role in _EXTRAS:
            files.setdefault(file.role, file)
    return tuple(files.values())
