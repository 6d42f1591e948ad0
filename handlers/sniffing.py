"""What a download really is, told by its first bytes: the provider's names and types are not to be trusted. Pure."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

HEAD = 512


@dataclass(frozen=True, slots=True)
class Sort:
    """A sort of file. `family` is audio, image, video, midi, or other for what we don't know."""

    family: str
    media_type: str
    extension: str


_SIGNATURES = tuple(
    (re.compile(pattern, re.DOTALL), Sort(*sort))
    for pattern, *sort in (
        (rb"ID3", "audio", "audio/mpeg", "mp3"),
        # Frame syncs: MPEG 1, 2 or 2.5 of layer III; then ADTS.
        (rb"\xff[\xfa\xfb\xf2\xf3\xe2\xe3][^\xf0-\xff]", "audio", "audio/mpeg", "mp3"),
        (rb"\xff[\xf0\xf1\xf8\xf9]", "audio", "audio/aac", "aac"),
        (rb"(RIFF|RF64)....WAVE", "audio", "audio/wav", "wav"),
        (rb"fLaC", "audio", "audio/flac", "flac"),
        (rb"OggS", "audio", "audio/ogg", "ogg"),
        (rb"....ftypM4[AB]", "audio", "audio/mp4", "m4a"),
        (rb"....ftyp(avif|heic|mif1)", "other", "application/octet-stream", "bin"),
        (rb"....ftyp", "video", "video/mp4", "mp4"),
        (rb"\x1a\x45\xdf\xa3", "video", "video/webm", "webm"),
        (rb"\xff\xd8\xff", "image", "image/jpeg", "jpeg"),
        (rb"\x89PNG\r\n\x1a\n", "image", "image/png", "png"),
        (rb"RIFF....WEBP", "image", "image/webp", "webp"),
        (rb"GIF8[79]a", "image", "image/gif", "gif"),
        (rb"MThd", "midi", "audio/midi", "mid"),
    )
)
# Containers that hold pictures or only sound: the role says which.
_AS_AUDIO = {"mp4": Sort("audio", "audio/mp4", "m4a"), "webm": Sort("audio", "audio/webm", "webm")}
_FAMILIES = {"audio": "audio", "stream": "audio", "wav": "audio", "image": "image", "video": "video", "midi": "midi"}
_PAGE = re.compile(rb"[\xef\xbb\xbf\s\x00]*[<{\[]")
_TEXT = re.compile(rb"[\t\n\r\x20-\x7e]+")
_EXTENSION = re.compile(r"\.[a-z0-9]{1,5}")


def sort_of(head: bytes, role: str, url: str) -> Sort | str:
    """The sort of a file from its first HEAD bytes; a sentence where it is not what its role promises."""
    if not head:
        return "the file is empty"
    found = next((sort for pattern, sort in _SIGNATURES if pattern.match(head)), None)
    wanted = _FAMILIES.get(role)
    if found is None:
        return _unknown(head, wanted, url)
    if wanted in ("audio", None) and found.extension in _AS_AUDIO:
        # Stems have names of the provider's choice, and all of them are sound.
        found = _AS_AUDIO[found.extension]
    if wanted not in (None, found.family):
        return f"it is no {wanted} but {found.media_type}"
    return found


def _unknown(head: bytes, wanted: str | None, url: str) -> Sort | str:
    if _PAGE.match(head):
        return "it is an HTML, XML or JSON page in place of the file"
    if _TEXT.fullmatch(head):
        return "it is plain text in place of the file"
    if wanted is not None:
        return f"it is no {wanted}"
    return Sort("other", "application/octet-stream", _extension(url))


def _extension(url: str) -> str:
    suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
    return suffix[1:] if _EXTENSION.fullmatch(suffix) else "bin"
