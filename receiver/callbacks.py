"""HTTP in: the provider's callbacks. Token, then body, then intake; 200 once it is committed."""

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Protocol

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from receiver.errors import Rejection, StoreUnavailable
from receiver.tokens import Scope as TokenScope
from receiver.tokens import Signer
from receiver.web.answers import not_found, problem, too_slow, unavailable
from receiver.web.bodies import BodyTooLarge, read_body
from receiver.web.seldom import Seldom

# What tells a parser, or proves a provider. Nothing else is kept: a proxy may add credentials of its own.
_KEPT = frozenset({b"content-type", b"user-agent"})
_KEPT_PREFIX = b"x-webhook-"

_RECEIVED = Response(b'{"status":"received"}', headers={"cache-control": "no-store"}, media_type="application/json")
_NOT_FOUND = problem(not_found())
_UNAVAILABLE = problem(unavailable())
_TOO_SLOW = problem(too_slow())
_ONLY_POST = problem(Rejection(405, "Method Not Allowed", "Callbacks are sent with POST.", headers={"allow": "POST"}))


Take = Callable[[str, Mapping[str, str], bytes], Awaitable[None]]


class Intake(Protocol):
    """Where callbacks go. Each method raises StoreUnavailable."""

    async def receive(self, submission_id: str, headers: Mapping[str, str], body: bytes) -> None: ...

    async def receive_standing(self, submission_id: str, headers: Mapping[str, str], body: bytes) -> None: ...

    async def too_large(self, submission_id: str, size: int) -> None: ...


class Callbacks:
    """The ASGI endpoint of `/callbacks/{token}`, without Request objects: it is the busiest of the service.

    A body may have `limit` bytes and take `patience` seconds to arrive. `keep` are further headers that prove a
    provider, in lower case.
    """

    def __init__(
        self, signer: Signer, intake: Intake, limit: int, *, keep: Collection[str] = (), patience: float = 30.0
    ) -> None:
        self._kept = _KEPT | {name.encode("latin-1") for name in keep}
        self._signer = signer
        self._intake = intake
        self._limit = limit
        self._patience = patience
        self._away = Seldom(logging.getLogger(__name__))
        self._too_large = problem(
            Rejection(413, "Content Too Large", f"A callback may have {limit} bytes: see limits.callback_body.")
        )

    def route(self) -> Route:
        """Every method and everything below the path: a wrong token gets the same answer however it is spelt."""
        return Route("/callbacks/{token:path}", self, name="callbacks")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = scope["path_params"]["token"].rstrip("/")
        ident, receive_it = self._signer.open(TokenScope.CALLBACK, token), self._intake.receive
        if ident is None:
            ident, receive_it = self._signer.open(TokenScope.STANDING, token), self._intake.receive_standing
        if ident is None:
            answer = _NOT_FOUND
        elif scope["method"] != "POST":
            answer = _ONLY_POST
        else:
            try:
                answer = await self._take(f"sub_{ident}", receive_it, scope, receive)
            except ClientDisconnect:
                return
            except StoreUnavailable:
                self._away.warn("a callback for sub_%s was answered 503: the database can't take it", ident)
                answer = _UNAVAILABLE
        await answer(scope, receive, send)

    async def _take(self, submission_id: str, receive_it: Take, scope: Scope, receive: Receive) -> Response:
        try:
            body = await read_body(scope, receive, self._limit, self._patience)
        except BodyTooLarge as error:
            await self._intake.too_large(submission_id, error.size)
            return self._too_large
        except TimeoutError:
            return _TOO_SLOW
        await receive_it(submission_id, kept_headers(scope["headers"], self._kept), body)
        return _RECEIVED


def kept_headers(headers: Iterable[tuple[bytes, bytes]], names: Collection[bytes] = _KEPT) -> dict[str, str]:
    """The headers that are kept with a callback. A repeated one is joined, so that no signature among two counts."""
    kept: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in names or lower.startswith(_KEPT_PREFIX):
            key = lower.decode("latin-1")
            text = value.decode("latin-1")
            kept[key] = f"{kept[key]}, {text}" if key in kept else text
    return kept
