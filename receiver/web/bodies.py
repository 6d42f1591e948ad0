"""Request bodies, read with a cap and a time limit."""

import asyncio
import json
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope

from receiver.errors import Rejection
from receiver.web.answers import too_slow


class BodyTooLarge(Exception):
    """`size` is in bytes: as announced, or what had come when reading stopped."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the body has at least {size} bytes")
        self.size = size


async def read_body(scope: Scope, receive: Receive, limit: int, patience: float) -> bytes:
    """The body, of which never more than `limit` bytes are kept, within `patience` seconds.

    Raises BodyTooLarge, TimeoutError, and ClientDisconnect where the body was cut off.
    """
    announced = _announced(scope)
    if announced > limit:
        raise BodyTooLarge(announced)
    kept = bytearray()
    async with asyncio.timeout(patience):
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientDisconnect
            part: bytes = message.get("body", b"")
            if len(kept) + len(part) > limit:
                raise BodyTooLarge(len(kept) + len(part))
            if not message.get("more_body"):
                return bytes(kept + part) if kept else part
            kept += part


def _announced(scope: Scope) -> int:
    """The `Content-Length` in bytes; 0 where there is none to rely on."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and len(value) < 20:
            return int(value)
    return 0


async def read_object(request: Request, limit: int, patience: float) -> dict[str, Any]:
    """The JSON object in a request's body, `{}` for an empty one. Raises Rejection: 400, 408 or 413."""
    try:
        body = await read_body(request.scope, request.receive, limit, patience)
    except BodyTooLarge:
        raise Rejection(413, "Content Too Large", f"Send at most {limit} bytes.") from None
    except TimeoutError:
        raise too_slow() from None
    try:
        content = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise Rejection(400, "Bad Request", "Send a JSON object, or no body at all.") from None
    if not isinstance(content, dict):
        raise Rejection(400, "Bad Request", "Send a JSON object: {…}.")
    return content
