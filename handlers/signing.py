"""How a webhook is signed, as Standard Webhooks asks: its keys and its headers. Pure.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import SecretStr
from standardwebhooks import Webhook as Signer

_KEY_LEAST, _KEY_MOST = 24, 64
_KEY_PREFIX = "whsec_"
_HOW_TO_MAKE_ONE = 'must be 24 to 64 bytes in base64, as `echo "whsec_$(openssl rand -base64 32)"` makes them'


def signing_key(secret: SecretStr) -> SecretStr:
    """The same secret. Raises ValueError, with what to do, where it is no key."""
    unpadded = secret.get_secret_value().removeprefix(_KEY_PREFIX).rstrip("=")
    try:
        key = b64decode(unpadded + "=" * (-len(unpadded) % 4), validate=True)
    except (NotBase64, ValueError):
        raise ValueError(_HOW_TO_MAKE_ONE) from None
    if not _KEY_LEAST <= len(key) <= _KEY_MOST:
        raise ValueError(_HOW_TO_MAKE_ONE)
    return secret


def webhook_headers(ident: str, now: datetime, content: bytes, secrets: Sequence[SecretStr]) -> dict[str, str]:
    """The headers of a message with this id; every secret signs, without one nothing does."""
    # The library takes any time for one in UTC.
    now = now.astimezone(UTC)
    text = content.decode()
    signatures = [Signer(secret.get_secret_value()).sign(ident, now, text) for secret in secrets]
    signed = {"webhook-signature": " ".join(signatures)} if signatures else {}
    return {
        "content-type": "application/json",
        "webhook-id": ident,
        "webhook-timestamp": str(int(now.timestamp())),
        **signed,
    }
