"""Who is asking: the admin, or a client by its token."""

import asyncio
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from receiver.errors import Rejection

_LONGEST = 1024  # bytes of a bearer token: ours are far shorter
_MOST_WAITING = 16


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking: the admin, or a client by its name."""

    admin: bool = False
    client: str | None = None

    def sees(self, client: str | None) -> bool:
        """Whether what belongs to this client is theirs to see."""
        return self.admin or (client is not None and client == self.client)


def _unauthenticated() -> Rejection:
    detail = "Send the header `Authorization: Bearer …` with the admin password or a client's token."
    return Rejection(401, "Unauthorized", detail, headers={"www-authenticate": "Bearer"})


def _admin_only() -> Rejection:
    return Rejection(403, "Forbidden", "Send the admin password: a client's token opens only its own submissions.")


def _busy() -> Rejection:
    detail = "Too many passwords wait to be checked, one at a time. Send the request again."
    return Rejection(429, "Too Many Requests", detail, headers={"retry-after": "2"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminDoor:
    """The ways to be admin: passwords as they are, a slow check of a stored hash, a dashboard session."""

    passwords: Sequence[str] = ()
    verify: Callable[[str], bool] | None = None
    session: Callable[[HTTPConnection], bool] | None = None


class Access:
    """Tells who is asking, from `Authorization: Bearer …` or, without a bearer token, from a dashboard session.

    Raises ValueError where a token is empty or stands for two. `key` is random and for this process alone.
    """

    def __init__(self, admin: AdminDoor, clients: Mapping[str, Sequence[str]], key: bytes) -> None:
        self._admin = admin
        self._key = key
        self._known: dict[bytes, Identity] = {}
        self._checking = asyncio.Lock()
        self._waiting = 0
        for password in admin.passwords:
            self._learn(password, Identity(admin=True), "the admin")
        for name, tokens in clients.items():
            for token in tokens:
                self._learn(token, Identity(client=name), f"client {name!r}")

    async def identify(self, connection: HTTPConnection) -> Identity:
        """Raises Rejection: 401, or 429 where too many wrong passwords are being checked."""
        presented = bearer(connection.headers)
        if presented is None:
            if self._admin.session and self._admin.session(connection):
                return Identity(admin=True)
            raise _unauthenticated()
        identity = self._find(self._digest(presented)) or await self._verify(presented)
        if identity is None:
            raise _unauthenticated()
        return identity

    async def require_admin(self, connection: HTTPConnection) -> Identity:
        """Raises Rejection: as `identify`, and 403 for a client."""
        identity = await self.identify(connection)
        if not identity.admin:
            raise _admin_only()
        return identity

    def _learn(self, token: str, identity: Identity, owner: str) -> None:
        digest = self._digest(token.encode())
        if not token:
            raise ValueError(f"the token of {owner} is empty")
        if self._known.setdefault(digest, identity) != identity:
            raise ValueError(f"the token of {owner} is another's too")

    def _digest(self, token: bytes) -> bytes:
        return hmac.digest(self._key, token, "sha256")

    def _find(self, digest: bytes) -> Identity | None:
        # Every candidate is compared, whichever matches, so that the time tells nothing.
        matches = [identity for known, identity in self._known.items() if hmac.compare_digest(known, digest)]
        return matches[0] if matches else None

    async def _verify(self, presented: bytes) -> Identity | None:
        """The slow hash, in a thread and one at a time, so that a flood of guesses can't take every core."""
        if self._admin.verify is None:
            return None
        if self._waiting >= _MOST_WAITING:
            raise _busy()
        self._waiting += 1
        try:
            async with self._checking:
                right = await asyncio.to_thread(self._admin.verify, presented.decode("utf-8", "replace"))
        finally:
            self._waiting -= 1
        if not right:
            return None
        # Remembered by its digest: the slow check runs once per process, not once per request.
        return self._known.setdefault(self._digest(presented), Identity(admin=True))


def bearer(headers: Headers) -> bytes | None:
    """The bearer token as its bytes; None where there is none, more than one, or one too long to be ours."""
    values = headers.getlist("authorization")
    if len(values) != 1:
        return None
    scheme, _, token = values[0].partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not 0 < len(token) <= _LONGEST:
        return None
    return token.encode("latin-1")
