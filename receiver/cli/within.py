"""A request to an app in this very process: no socket, no server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message

from receiver.outbound import Answer


@dataclass
class _Exchange:
    """One request and what comes back."""

    body: bytes
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    answered: bytearray = field(default_factory=bytearray)

    async def receive(self) -> Message:
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            pairs = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"])
            self.headers = {name.lower(): value for name, value in pairs}
        else:
            self.answered += message.get("body", b"")


async def ask(app: ASGIApp, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
    """The answer of the app; `target` is a path with its query. Raises what the app raises."""
    path, _, query = target.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        "client": None,
        "server": None,
    }
    exchange = _Exchange(body or b"")
    await app(scope, exchange.receive, exchange.send)
    return Answer(status=exchange.status, headers=exchange.headers, body=bytes(exchange.answered))
