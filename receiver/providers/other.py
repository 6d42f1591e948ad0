"""What an operation that we don't know made: nothing is understood, nothing is dropped."""

from collections.abc import Mapping
from typing import Any

from receiver.events import File, Result, Stage
from receiver.providers.body import address, text
from receiver.providers.music import read_music
from receiver.providers.reading import Reading, is_callback
from receiver.tokens import redact_tokens


def read_other(data: Mapping[str, Any]) -> Reading:
    """Song-like data is read as songs. Anything else is one result, complete with the one callback it gets."""
    songs = read_music(data)
    stage = songs.stage if text(data.get("callbackType")) else _only_stage(data, songs)
    results = songs.results or ((_lump(data),) if stage is Stage.COMPLETE else ())
    return Reading(stage=stage, word=songs.word, results=results)


def _only_stage(data: Mapping[str, Any], songs: Reading) -> Stage | None:
    if songs.stage is Stage.FAILED:
        return Stage.FAILED
    return Stage.COMPLETE if data else None


def _lump(data: Mapping[str, Any]) -> Result:
    found = {name: address(value) for name, value in data.items() if not is_callback(name, value)}
    files = tuple(File(_role(name), url) for name, url in found.items() if url)
    return Result(id="1", data={name: _redact(data[name]) for name, url in found.items() if not url}, files=files)


def _redact(value: Any) -> Any:
    if isinstance(value, str):
        return redact_tokens(value)
    if isinstance(value, dict):
        return {name: _redact(inner) for name, inner in value.items()}
    return [_redact(inner) for inner in value] if isinstance(value, list) else value


def _role(name: str) -> str:
    return name.removesuffix("_url").removesuffix("Url") or name
