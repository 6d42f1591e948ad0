"""How a `generic` provider proves that a callback is its own: a header that holds a key, or a MAC of the body.

Nothing here trusts what is absent: a missing header, a stale time or a wrong value all mean "not proven".
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field, SecretStr, model_validator

from receiver.units import Duration, Secrets, Section

KeyForm = Literal["text", "base64", "hex", "sha256_hex", "sha256_raw"]

_PLACE = re.compile(r"\{([^{}]*)\}")
_PLACES = ("body", "ts", "id", "task_id")
_DIGITS = re.compile(r"[0-9]{1,12}")
_SECRET_PREFIX = "whsec_"  # noqa: S105 - the mark of Standard Webhooks' secrets, not one of them
# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
_STANDARD = {
    "header": "webhook-signature",
    "timestamp_header": "webhook-timestamp",
    "id_header": "webhook-id",
    "message": "{id}.{ts}.{body}",
    "encoding": "base64",
    "prefix": "v1,",
    "key_form": "base64",
}


class Signature(Section):
    """What proves that a callback is the provider's."""

    type: Literal["header", "hmac", "standard_webhooks"]
    """header (it holds the key itself), hmac (a MAC of the body) or standard_webhooks (all of the rest is known)."""
    key: Secrets = ()
    """What both sides know; a list while it is being changed. Left out: the API key, for key_form sha256_… only."""
    key_form: KeyForm = "text"
    """How the key becomes bytes: text, base64, hex, or its SHA-256 as sha256_hex or sha256_raw."""
    header: str = Field(min_length=1)
    """The header that holds the key, or the MAC."""
    algorithm: Literal["sha256", "sha512", "sha1"] = "sha256"
    """What the MAC is made with."""
    message: str = "{body}"
    """What the MAC covers: text with {body}, {ts}, {id} or {task_id}."""
    encoding: Literal["hex", "base64"] = "hex"
    """How the MAC is written."""
    prefix: str = ""
    """What stands before it, as sha256="""
    timestamp_header: str | None = None
    """The header that holds the time of sending, in seconds since 1970."""
    id_header: str | None = None
    """The header that holds the message's id."""
    tolerance: Duration = timedelta(minutes=5)
    """How far that time may be off, to either side."""

    @model_validator(mode="before")
    @classmethod
    def _standard(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("type") == "standard_webhooks":
            return {**_STANDARD, **value}
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> "Signature":
        for place in _PLACE.findall(self.message):
            if place not in _PLACES:
                raise ValueError(f"has a message with {{{place}}}; known are {{body}}, {{ts}}, {{id}} and {{task_id}}")
        for place, header in (("ts", self.timestamp_header), ("id", self.id_header)):
            if self.type != "header" and f"{{{place}}}" in self.message and header is None:
                name = "timestamp_header" if place == "ts" else "id_header"
                raise ValueError(f"has a message with {{{place}}}; add {name}, which says where it comes from")
        if not self.key and not self.key_form.startswith("sha256"):
            raise ValueError("has no key; add it, or nothing could ever be proven")
        for key in self.key:
            self._bytes(key)
        return self

    @property
    def headers(self) -> frozenset[str]:
        """The headers that must be kept with a callback, in lower case."""
        named = (self.header, self.timestamp_header, self.id_header)
        return frozenset(name.lower() for name in named if name)

    def holds(
        self,
        headers: Mapping[str, str],
        body: bytes,
        now: datetime,
        *,
        api_key: SecretStr,
        task_id: Callable[[], str | None],
    ) -> bool:
        """Whether the callback proves itself. `headers` are in lower case; `task_id` reads it from the body."""
        sent = headers.get(self.header.lower(), "")
        # Two headers of this name are joined with a comma and a blank: one of them is somebody else's.
        if not sent or ", " in sent or not self._is_timely(headers, now):
            return False
        keys = [self._bytes(key) for key in self.key or (api_key,)]
        if self.type == "header":
            wanted = [self.prefix.encode() + key for key in keys]
            offered = [sent.encode("latin-1", "replace")]
        else:
            message = self._message(headers, body, task_id)
            if message is None:
                return False
            wanted = [self._mac(key, message) for key in keys]
            offered = [self._plain(part) for part in sent.split()]
        # All are compared, whichever matches, so that the time tells nothing.
        return sum(hmac.compare_digest(one, other) for one in wanted for other in offered) > 0

    def _is_timely(self, headers: Mapping[str, str], now: datetime) -> bool:
        if self.timestamp_header is None:
            return True
        said = headers.get(self.timestamp_header.lower(), "").strip()
        if not _DIGITS.fullmatch(said):
            return False
        return abs(now.timestamp() - int(said)) <= self.tolerance.total_seconds()

    def _message(self, headers: Mapping[str, str], body: bytes, task_id: Callable[[], str | None]) -> bytes | None:
        """What the MAC covers, over the very bytes that came; None where a part of it is missing."""
        pieces: list[bytes] = []
        for number, piece in enumerate(_PLACE.split(self.message)):
            if number % 2 == 0:
                pieces.append(piece.encode())
            elif piece == "body":
                pieces.append(body)
            else:
                said = task_id() if piece == "task_id" else headers.get(self._header_of(piece), "").strip()
                if not said:
                    return None
                pieces.append(said.encode("utf-8", "surrogatepass"))
        return b"".join(pieces)

    def _header_of(self, place: str) -> str:
        return ((self.timestamp_header if place == "ts" else self.id_header) or "").lower()

    def _mac(self, key: bytes, message: bytes) -> bytes:
        digest = hmac.digest(key, message, self.algorithm)
        written = digest.hex().encode() if self.encoding == "hex" else base64.b64encode(digest)
        return self.prefix.encode() + written

    def _plain(self, sent: str) -> bytes:
        """One signature of the header; hexadecimal ones may come in capitals."""
        if self.encoding == "hex" and sent.startswith(self.prefix):
            sent = self.prefix + sent.removeprefix(self.prefix).lower()
        return sent.encode("latin-1", "replace")

    def _bytes(self, key: SecretStr) -> bytes:
        """Raises ValueError where the key has another form."""
        said = key.get_secret_value()
        match self.key_form:
            case "base64":
                try:
                    return base64.b64decode(said.removeprefix(_SECRET_PREFIX), validate=True)
                except binascii.Error:
                    raise ValueError("has a key that is not base64; copy it whole, or correct key_form") from None
            case "hex":
                try:
                    return bytes.fromhex(said)
                except ValueError:
                    raise ValueError("has a key that is not hexadecimal; copy it whole, or correct key_form") from None
            case "sha256_hex":
                return hashlib.sha256(said.encode()).hexdigest().encode()
            case "sha256_raw":
                return hashlib.sha256(said.encode()).digest()
            case _:
                return said.encode()
