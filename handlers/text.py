"""Text for each target: on one line, short enough, escaped; and names that every file system takes."""

import math
import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

UNTITLED = "Untitled"

# Joiners hold emoji and some scripts together; every other invisible character can only deceive.
_JOINERS = "\u200c\u200d"
_INVISIBLE = frozenset({"Cc", "Cf", "Cs"})

_MRKDWN = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_BREAKS_LINK = re.compile(r"[\s<>|\"\\^`{}\x00-\x1f\x7f]")
_LINK_MOST = 3000

_FORBIDDEN = str.maketrans(dict.fromkeys('<>:"/\\|?*', "-"))
_EDGES = " .-~" + _JOINERS
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(\.|$)", re.IGNORECASE)


def one_line(text: str) -> str:
    """The text on one line, without control characters, direction overrides and broken halves of characters."""
    kept = (
        " " if char.isspace() else char
        for char in text
        if char.isspace() or char in _JOINERS or unicodedata.category(char) not in _INVISIBLE
    )
    return " ".join("".join(kept).split()).strip(" " + _JOINERS)


def shorten(text: str, limit: int) -> str:
    """At most `limit` UTF-16 units (as most services count), ending in … where something was cut."""
    return _cut(text, limit)


def mrkdwn(text: str, limit: int) -> str:
    """Slack's markup with nothing in it that Slack would act upon, cut between characters, never inside an escape.

    https://docs.slack.dev/messaging/formatting-message-text#escaping
    """
    return _cut([_MRKDWN.get(char, char) for char in text], limit)


def slack_link(url: str, label: str) -> str:
    """`<url|label>`, or the label alone where the address is not for the web or too long for Slack."""
    shown = mrkdwn(one_line(label).replace("|", "¦"), 200)
    if not is_web(url) or len(url) > _LINK_MOST:
        return shown
    return f"<{web_address(url).replace('&', '&amp;')}|{shown}>"


def web_address(url: str) -> str:
    """The address with what is illegal or invisible in it encoded, and nothing else: a signed query must stay as it is.

    Its characters can all be sent, as `is_web` tells.
    """
    return "".join(quote(char) if _BREAKS_LINK.match(char) or _is_invisible(char) else char for char in url)


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) in _INVISIBLE


def is_web(url: str) -> bool:
    """Whether this is an http or https address with a host."""
    try:
        url.encode()  # half a character can't be sent
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def clock(seconds: float | None) -> str:
    """A length in seconds as people write it, 3:18 or 1:02:03; empty where it is unknown or nonsense."""
    if not seconds or not math.isfinite(seconds) or seconds < 0:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def safe_name(text: str, limit: int = 120) -> str:
    """A file name that every file system takes, NFC and at most `limit` bytes; empty where nothing is left."""
    flat = unicodedata.normalize("NFC", one_line(text)).translate(_FORBIDDEN).strip(_EDGES)
    name = _cut_bytes(flat, limit)
    return _cut_bytes(f"_{name}", limit) if _RESERVED.match(name) else name


def _cut(pieces: Sequence[str], limit: int) -> str:
    if sum(map(_units, pieces)) <= limit:
        return "".join(pieces)
    kept, room = [], limit - 1
    for piece in pieces:
        room -= _units(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept).rstrip() + "…"


def _units(text: str) -> int:
    return len(text) + sum(char > "\uffff" for char in text)


def _cut_bytes(text: str, limit: int) -> str:
    return text.encode()[:limit].decode(errors="ignore").rstrip(_EDGES)
