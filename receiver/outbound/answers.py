"""What comes back from a target, what its status means to a delivery, and what no text may show. Values, no I/O."""

import json
import re
import unicodedata
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from receiver.errors import PermanentFailure, TargetFailure, TemporaryFailure
from receiver.events import utc_now

_SECONDS = re.compile(r"-?[0-9]{1,10}(\.[0-9]{1,9})?")
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_ESCAPE = re.compile("%[0-9A-F]{2}")
_EXCERPT = 200
_SHORTEST_SECRET = 4
# Not refusals: the same request may well succeed later.
_AGAIN = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer: header names in lower case, the body whole and decoded (gzip is undone)."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; raises ValueError."""
        return json.loads(self.body)

    @property
    def retry_after(self) -> timedelta | None:
        """What `Retry-After` asks for, in seconds or as a date; None where absent or nonsense."""
        return read_retry_after(self.headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A body on its way. `url` is where it was found, redirects followed; `length` is what the other side announced,
    in bytes. The chunks check it, and they are to be read before the context ends.
    """

    url: str
    media_type: str | None
    length: int | None
    chunks: AsyncIterator[bytes]


def read_retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """`Retry-After` as a duration, never negative. https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3"""
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return max(timedelta(), timedelta(seconds=float(value)))
    then = _read_date(value)
    if then is None:
        return None
    # The answer's own clock cancels out how far the two machines disagree.
    now = _read_date(headers.get("date", "")) or utc_now()
    return max(timedelta(), then - now)


def _read_date(value: str) -> datetime | None:
    try:
        read = parsedate_to_datetime(value)
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def settle(
    answer: Answer, target: str, broken: Sequence[int] = (401, 403, 404, 410), *, patient: bool = False
) -> Answer:
    """The answer of a target where it is a success; otherwise the outcome that its status stands for.

    `broken` are the statuses that say that the target as a whole is unusable. Raises TargetFailure for those,
    TemporaryFailure or PermanentFailure for the rest; a `patient` caller has no permanent ones, as somebody may mend
    what stands behind the target.
    """
    status = answer.status
    if 200 <= status < 300:
        return answer
    reason = f"{target} answered {_describe(answer)}"
    if status in broken:
        raise TargetFailure(reason)
    if 300 <= status < 400:
        reason = f"{target} answered {status}: it redirects; write the final address in the config"
    if 300 <= status < 500 and status not in _AGAIN and not patient:
        raise PermanentFailure(reason)
    raise TemporaryFailure(reason, retry_after=answer.retry_after)


def _describe(answer: Answer) -> str:
    excerpt = _excerpt(answer)
    return f"{describe_status(answer.status)}: {excerpt}" if excerpt else describe_status(answer.status)


def describe_status(status: int) -> str:
    """`404 Not Found`; the bare number where nobody has named it."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _excerpt(answer: Answer) -> str:
    """The first line of a body that a person can read, without addresses: they may hold the target's secret."""
    kind = answer.headers.get("content-type", "text/plain").lower()
    # Slack sends its bare error words as text/html, so a page is told by its first character.
    text = answer.body[:4096].decode(errors="replace").strip()
    if not ("json" in kind or kind.startswith("text/")) or text.startswith("<"):
        return ""
    return first_line(text)


def first_line(text: str) -> str:
    """The first line of what somebody else wrote, short, without addresses and control characters."""
    line = _ADDRESS.sub("[address]", text.strip().splitlines()[0]) if text.strip() else ""
    clean = "".join(" " if unicodedata.category(char).startswith(("C", "Z")) else char for char in line)
    return " ".join(clean.split())[:_EXCERPT]


def redact(text: str, secrets: Sequence[str]) -> str:
    """The text with every secret replaced, longest first, also where it is quoted for a URL.

    Secrets below 4 characters stay: they would hide half of every text, and they are no secrets.
    """
    forms = {form for secret in secrets if len(secret) >= _SHORTEST_SECRET for form in _spellings(secret)}
    if not forms:
        return text
    # One pass, so that no secret is looked for inside a replacement.
    return re.sub("|".join(map(re.escape, sorted(forms, key=len, reverse=True))), "[redacted]", text)


def url_parts(url: str) -> tuple[str, ...]:
    """What a URL is made of after its scheme, as it is written and as it is meant; any of it may be a secret."""
    parts = re.split(r"[/?&=@:#]+", url.partition("://")[2])
    return tuple({spelt for part in parts for spelt in (part, unquote(part)) if spelt})


def _spellings(secret: str) -> set[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    quoted = {quote(raw), quote(raw, safe=""), quote_plus(raw)}
    return {secret, *quoted, *(_ESCAPE.sub(lambda match: match[0].lower(), form) for form in quoted)}
