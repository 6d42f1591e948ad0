"""Capability tokens: who holds the URL may call it. An id and a MAC over it, scoped, with rotating secrets."""

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from enum import StrEnum

_ID_BYTES = 16
_MAC_BYTES = 16
_LENGTH = 43  # 32 bytes in base64 without padding
# The slash may be escaped, once for every JSON text that the URL was put into, or quoted as part of another URL.
_IN_TEXT = re.compile(r"(callbacks(?:\\*/|\\+u002[fF]|%(?:25)*2[fF]))[A-Za-z0-9_-]{43}")


class Scope(StrEnum):
    """What a token opens; a token of one scope is worth nothing in another."""

    CALLBACK = "callback"
    STANDING = "standing"
    FILE = "file"


class Signer:
    """Mints and opens tokens. The first secret signs, all verify."""

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets or not all(secrets):
            raise ValueError("a signer needs at least one secret, and none of them empty")
        self._keys = [hashlib.sha256(secret.encode()).digest() for secret in secrets]

    def mint(self, scope: Scope, ident: str) -> str:
        """A token of 43 URL-safe characters for an id of 32 hex digits, whatever prefix the id has."""
        raw = bytes.fromhex(ident.rpartition("_")[2])
        if len(raw) != _ID_BYTES:
            raise ValueError(f"an id has {_ID_BYTES * 2} hex digits")
        return urlsafe_b64encode(raw + self._mac(self._keys[0], scope, raw)).rstrip(b"=").decode()

    def open(self, scope: Scope, token: str) -> str | None:
        """The 32 hex digits of the id that this token was minted for; None for anything else.

        Every key is tried, whichever matches, so that the time tells nothing.
        """
        if len(token) != _LENGTH or not token.isascii():
            return None
        try:
            packed = urlsafe_b64decode(token + "=")
        except ValueError:
            return None
        # Base64 tolerates foreign characters and spare bits: only the very text that we minted counts.
        if urlsafe_b64encode(packed).rstrip(b"=").decode() != token:
            return None
        raw, mac = packed[:_ID_BYTES], packed[_ID_BYTES:]
        matches = [hmac.compare_digest(mac, self._mac(key, scope, raw)) for key in self._keys]
        return raw.hex() if any(matches) else None

    @staticmethod
    def _mac(key: bytes, scope: Scope, raw: bytes) -> bytes:
        return hmac.digest(key, scope.encode() + b"\0" + raw, "sha256")[:_MAC_BYTES]


def file_id(handler: str, submission_id: str, result_id: str, role: str) -> str:
    """The id of an archived file: the same file of the same handler has the same id, so its link lasts."""
    name = f"{handler}\0{submission_id}\0{result_id}\0{role}"
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[: _ID_BYTES * 2]


def redact_tokens(text: str) -> str:
    """The text with every callback URL of ours made useless."""
    # The look for the plain word is many times faster, and nearly every text is without.
    return _IN_TEXT.sub(r"\1[redacted]", text) if "callbacks" in text else text


def hash_password(password: str, salt: bytes) -> str:
    """A slow hash to keep in place of the password: `scrypt$salt$hash` in hex. `salt` has 16 random bytes."""
    return f"scrypt${salt.hex()}${_scrypt(password, salt).hex()}"


def matches_password(password: str, kept: str) -> bool:
    """Whether this password was hashed to `kept`; takes some 50 ms on purpose."""
    _, salt, digest = kept.split("$")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)).hex(), digest)


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32)
