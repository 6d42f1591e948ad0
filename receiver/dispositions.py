"""How an archived file meets a browser, wherever it is served from: its media type, and if it is shown or saved."""

import re
import unicodedata
from pathlib import PurePosixPath
from urllib.parse import quote

_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+")
_SHOWN = ("audio/", "image/", "video/")
_LONGEST_NAME = 150


def clean_media_type(recorded: str) -> str:
    """The media type as recorded, unless it is none."""
    plain = recorded.partition(";")[0].strip().lower()
    return plain if _MEDIA_TYPE.fullmatch(plain) else "application/octet-stream"


def content_disposition(key: str, media_type: str) -> str:
    """Audio, images and video are shown, all else is saved: https://www.rfc-editor.org/rfc/rfc6266."""
    # An SVG is a document with scripts.
    kind = "inline" if media_type.startswith(_SHOWN) and media_type != "image/svg+xml" else "attachment"
    name = _safe_name(key)
    plain = re.sub(r'[^ -~]|["\\%]', "_", name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _safe_name(key: str) -> str:
    """The last part of a key without anything that is invisible or turns the writing direction."""
    last = re.split(r"[/\\]", key)[-1]
    path = PurePosixPath("".join(char for char in last if not unicodedata.category(char).startswith("C")))
    return path.stem[:_LONGEST_NAME] + path.suffix[:10] or "file"
