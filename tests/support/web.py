"""Speaks ASGI to an application in this process, also what no HTTP client would say."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message

from receiver.web.answers import EXCEPTION_HANDLERS
from receiver.web.around import middleware

Headers = Sequence[tuple[str, str]]
DISCONNECT: Message = {"type": "http.disconnect"}


def application(routes: Sequence[BaseRoute], redact: Callable[[str], str] = str) -> Starlette:
    return Starlette(routes=routes, middleware=middleware(redact), exception_handlers=dict(EXCEPTION_HANDLERS))


def part(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


@dataclass
class Answered:
    """What the application sent; `status` 0 where it sent nothing. `received` counts the messages it asked for."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    received: int = 0

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1, f"{name} is sent {len(values)} times"
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Ask:
    """A request. `path` is as a server hands it on: percent-decoded. `messages` replace the body."""

    path: str
    method: str = "GET"
    query: str = ""
    headers: Headers = ()
    body: bytes = b""
    messages: Sequence[Message] | None = None


async def ask(app: ASGIApp, wanted: Ask) -> Answered:
    answered = Answered()
    messages = list(wanted.messages) if wanted.messages is not None else [part(wanted.body)]

    async def receive() -> Message:
        answered.received += 1
        return messages.pop(0) if messages else DISCONNECT

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answered.status = message["status"]
            answered.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
        else:
            answered.body += message.get("body", b"")

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": wanted.method,
        "scheme": "http",
        "path": wanted.path,
        "raw_path": wanted.path.encode("utf-8", "replace"),
        "query_string": wanted.query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in wanted.headers],
    }
    await app(scope, receive, send)
    return answered
