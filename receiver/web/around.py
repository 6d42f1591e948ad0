"""What goes around the whole application: security headers, and an answer to what nobody caught."""

import logging
import traceback
from collections.abc import Callable

from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from receiver.errors import Rejection
from receiver.web.answers import problem

logger = logging.getLogger(__name__)


class SecurityHeaders:
    """Adds headers that are safe for JSON; an endpoint's own of the same name stay."""

    _headers = (
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    )

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                names = {name.lower() for name, _ in own}
                message["headers"] = own + [header for header in self._headers if header[0] not in names]
            await send(message)

        await self.app(scope, receive, send_with_headers)


class LastResort:
    """Answers 500 to what nobody caught, and logs it through `redact`; the server itself would log secrets."""

    def __init__(self, app: ASGIApp, redact: Callable[[str], str]) -> None:
        self.app = app
        self.redact = redact

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def note_start(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, note_start)
        except ClientDisconnect:
            return
        except Exception as error:
            if scope["type"] != "http":
                raise
            self._log(scope, error)
            if started:
                # Only an exception makes the server cut the connection, so that half an answer shows as one.
                raise RuntimeError("the answer broke off; its traceback is in the line before") from None
        else:
            return
        answer = problem(
            Rejection(500, "Internal Server Error", "The request failed by a defect of ours; the log says where.")
        )
        await answer(scope, receive, send)

    def _log(self, scope: Scope, error: Exception) -> None:
        # Only the first part of the path: the rest may be a capability.
        place = "/" + scope["path"].lstrip("/").partition("/")[0]
        text = self.redact("".join(traceback.format_exception(error)))
        logger.error("%s %s failed\n%s", scope["method"], ascii(place), text)


def middleware(redact: Callable[[str], str]) -> list[Middleware]:
    """What goes around the whole application, outermost first."""
    return [Middleware(SecurityHeaders), Middleware(LastResort, redact=redact)]
