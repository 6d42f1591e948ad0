"""Our results in the provider's own spelling: what a track, a lyric, a stem set looks like on the wire."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from receiver.events import File, Result
from receiver.providers.made import REMAINDER


def track(result: Result, at: datetime) -> dict[str, Any]:
    """A song as callbacks have it. An unfinished one has an empty `audio_url` and no duration, as was seen."""
    audio, stream, image = (_urls(result, role) for role in ("audio", "stream", "image"))
    return {
        "id": result.id,
        "audio_url": audio[0] or "",
        "source_audio_url": audio[1],
        "stream_audio_url": stream[0],
        "source_stream_audio_url": stream[1],
        "image_url": image[0],
        "source_image_url": image[1],
        "prompt": result.lyrics,
        "model_name": result.model,
        "title": result.title,
        "tags": result.tags,
        # Documented as a text, always seen as milliseconds.
        "createTime": milliseconds(at),
        "duration": result.duration,
    }


def lyric(result: Result, error_name: str) -> dict[str, Any]:
    error = held(result, "error")
    failed = result.lyrics is None and error is not None
    return {
        "text": result.lyrics or "",
        "title": result.title or "",
        "status": "failed" if failed else "complete",
        error_name: error or "",
    }


def stems(results: Sequence[Result]) -> dict[str, Any] | None:
    """The stems by name in snake_case; those that have ids of their own as `split_stem_advanced` shows them."""
    if not results:
        return None
    result = results[0]
    ids = held(result, "ids") or {}
    shown: dict[str, Any] = {_stem_name(file.role): file.url for file in result.files if file.role not in ids}
    parts = [_part(role, ids[role], result) for role in ids]
    return {**shown, "origin_data": parts} if parts else shown


def notes(results: Sequence[Result]) -> dict[str, Any]:
    played = held(results[0], "instruments") if results else None
    return {"state": "complete"} if played is None else {"state": "complete", "instruments": played}


def aligned(result: Result) -> dict[str, Any]:
    words = held(result, "words") or ()
    return {
        "alignedWords": [
            {"word": one["word"], "success": True, "startS": one["start"], "endS": one["end"], "palign": 0}
            for one in words
        ],
        "waveformData": held(result, "waveform") or [],
        "hootCer": held(result, "hoot_cer"),
        "isStreamed": bool(held(result, "streamed")),
    }


def persona(result: Result) -> dict[str, Any]:
    names = {"personaId": "persona_id", "name": "name", "description": "description"}
    return {theirs: held(result, ours) for theirs, ours in names.items()}


def lump(results: Sequence[Result]) -> dict[str, Any]:
    """What an operation that we don't know made, as it came."""
    if not results:
        return {}
    own = results[0].data if isinstance(results[0].data, Mapping) else {}
    return {**own, **{f"{file.role}_url": file.url for file in results[0].files}}


def urls(results: Sequence[Result], role: str) -> list[str]:
    return [file.url for result in results if (file := result.file(role))]


def held(result: Result, name: str) -> Any:
    """What the data of a result holds under this name."""
    return result.data.get(name) if isinstance(result.data, Mapping) else None


def camel(value: Mapping[str, Any]) -> dict[str, Any]:
    """The same names as records spell them: audioUrl."""
    return {re.sub(r"_([a-z])", lambda match: match[1].upper(), name): inner for name, inner in value.items()}


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _urls(result: Result, role: str) -> tuple[str | None, str | None]:
    file: File | None = result.file(role)
    return (None, None) if file is None else (file.url, next(iter(file.alternates), None))


def _stem_name(role: str) -> str:
    return "vocal_url" if role == "vocals" else f"{role}_url"


def _part(role: str, ident: str, result: Result) -> dict[str, Any]:
    file = result.file(role)
    shown = {
        "id": ident,
        "stem_type_group_name": role.removeprefix(REMAINDER),
        "audio_url": file.url if file else None,
        "duration": result.duration,
    }
    return {"remove" if role.startswith(REMAINDER) else "extract": shown}
