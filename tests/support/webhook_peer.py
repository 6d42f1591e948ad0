"""Somebody's own HTTP endpoint on loopback, for the handler type `webhook`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.peers import Exchange, Peer, Reply, answer, serve

SECRET = "s3cr3t-v4lue"
# Base64 has no hyphen, so a signing secret can't hold the text above.
SIGNING = "whsec_czNjcjN0LXY0bHVlczNjcjN0LXY0bHVl"


@dataclass
class WebhookPeer:
    """`seen` has the request line, the headers and the body of every request, as text."""

    peer: Peer
    fields: dict[str, Any]
    reply: Reply = field(default_factory=answer)

    @property
    def seen(self) -> list[str]:
        return [
            "\n".join(
                [
                    f"{request.method} {request.target}",
                    *(f"{name}: {value}" for name, value in request.headers.items()),
                    "",
                    request.body.decode(),
                ]
            )
            for request in self.peer.seen
        ]

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.reply = answer(body, status, named)


@asynccontextmanager
async def open_peer(tmp_path: Path) -> AsyncIterator[WebhookPeer]:
    async def reply(exchange: Exchange) -> bool:
        return await target.reply(exchange)

    async with serve(reply) as peer:
        target = WebhookPeer(
            peer,
            {
                "url": f"{peer.url}/hooks/{SECRET}",
                "secret": [SIGNING],
                "headers": {"Authorization": f"Bearer {SECRET}"},
            },
        )
        yield target
