"""Files in answers of unknown shape: whatever looks like a URL is one, and its name says which."""

import re
from collections.abc import Iterator
from typing import Any

from receiver.events import File, Result
from receiver.providers.body import address
from receiver.tokens import redact_tokens

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_WORD = re.compile(r"[^a-z0-9]+")
# This host serves a song while it is made: endless, without a length, gone soon after. Never an archive's copy.
_STREAMING = re.compile(r"https?://audiopipe\.", re.IGNORECASE)
_SUFFIXES = frozenset({"url", "urls", "link", "links"})
# Part of a name, and the role that it tells.
_TELLING = {
    "stream": "stream",
    "wav": "wav",
    "mp4": "video",
    "video": "video",
    "midi": "midi",
    "image": "image",
    "cover": "image",
    "mp3": "audio",
    "song": "audio",
    "music": "audio",
}
_SILENT = frozenset({"", "result", "results", "data", "file", "files", "output", "outputs", "download", "resource"})
_EXTENSIONS = {
    "mp3": "audio",
    "m4a": "audio",
    "wav": "wav",
    "mp4": "video",
    "webm": "video",
    "mid": "midi",
    "midi": "midi",
    "jpg": "image",
    "jpeg": "image",
    "png": "image",
    "webp": "image",
}
# Addresses that are no results: where the provider called, what the client had sent, a person's picture.
_FOREIGN = re.compile(r"call?back|webhook|hook_?url|notify|avatar", re.IGNORECASE)


def is_streaming(url: str) -> bool:
    """Whether the address plays the song while it is still being made."""
    return _STREAMING.match(url) is not None


def snake(name: str) -> str:
    """`Backing Vocals` and `backingVocals` as `backing_vocals`."""
    return _NO_WORD.sub("_", _HUMP.sub("_", name).lower()).strip("_")


def role_of(name: str, url: str, otherwise: str = "file") -> str:
    """What a file is, told by the name of its address, else by the address itself."""
    if is_streaming(url):
        return "stream"
    parts = [part for part in snake(name).split("_") if part not in _SUFFIXES]
    told = next((role for part, role in _TELLING.items() if part in parts), None)
    plain = "_".join(parts)
    if told or plain not in _SILENT:
        return told or plain
    extension = url.partition("#")[0].partition("?")[0].rpartition(".")[2]
    return _EXTENSIONS.get(extension.lower(), otherwise)


def find_files(value: Any, otherwise: str = "file") -> tuple[File, ...]:
    """Every URL in a value of any shape, each once, with a role of its own: `vocals`, and `vocals_2` where repeated."""
    found: dict[str, str] = {}
    for name, url in _urls(value, ""):
        if url in found.values():
            continue
        role = wanted = role_of(name, url, otherwise)
        number = 2
        while role in found:
            role, number = f"{wanted}_{number}", number + 1
        found[role] = url
    return tuple(File(role, url) for role, url in found.items())


def lump(value: Any, ident: str, otherwise: str = "file") -> Result:
    """A value that nobody understands as one result: its URLs as files, everything else as it came."""
    data = clean(value)
    if isinstance(value, dict):
        data = {name: inner for name, inner in data.items() if not address(value[name])}
    elif address(value):
        data = None
    return Result(id=ident, data=data or None, files=find_files(value, otherwise))


def clean(value: Any) -> Any:
    """The value with every callback URL of ours made useless."""
    if isinstance(value, str):
        return redact_tokens(value)
    if isinstance(value, dict):
        return {name: clean(inner) for name, inner in value.items()}
    return [clean(inner) for inner in value] if isinstance(value, list) else value


def _urls(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for inner, item in value.items():
            if not _FOREIGN.search(inner):
                yield from _urls(item, inner)
    elif isinstance(value, list):
        for item in value:
            yield from _urls(item, name)
    elif (url := address(value)) and redact_tokens(url) == url:
        yield name, url
