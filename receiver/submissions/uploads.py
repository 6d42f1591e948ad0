"""Files that a client uploads to the provider: they stream through, however large, and nothing of them is kept."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from receiver.errors import Outcome, Rejection
from receiver.outbound import Http
from receiver.providers.base import Provider, Reply, Request
from receiver.submissions.answers import not_passed, returned
from receiver.submissions.asked import listed
from receiver.web.answers import too_slow

_FORWARDED = ("accept", "content-type", "content-length", "user-agent")
# How long the next piece may take, and the whole.
_PATIENCE = 60.0
_TIMEOUT = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Uploads:
    """`limit` is the most bytes of a body."""

    http: Http
    providers: Mapping[str, Provider]
    limit: int

    async def forward(self, name: str, path: str, http: HttpRequest) -> Response:
        """Raises Rejection."""
        provider = self.providers[name]
        announced = http.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self.limit:
            raise self._too_large()
        target = path + (f"?{http.url.query}" if http.url.query else "")
        try:
            answer = await self.http.request(
                "POST",
                provider.upload_base.rstrip("/") + target,
                headers={**listed(http.headers, _FORWARDED), **provider.credentials()},
                content=self._pieces(http),
                timeout=_TIMEOUT,
            )
        except Outcome as failure:
            raise not_passed(failure, Request(method="POST", path=path)) from None
        reply = Reply(status=answer.status, headers=answer.headers, body=answer.body)
        return returned(reply, provider, {"x-receiver-callback": "none"})

    async def _pieces(self, http: HttpRequest) -> AsyncIterator[bytes]:
        size = 0
        pieces = http.stream()
        while True:
            try:
                async with asyncio.timeout(_PATIENCE):
                    piece = await anext(pieces, None)
            except TimeoutError:
                raise too_slow() from None
            if piece is None:
                return
            size += len(piece)
            if size > self.limit:
                raise self._too_large()
            if piece:
                yield piece

    def _too_large(self) -> Rejection:
        return Rejection(413, "Content Too Large", f"A file may have {self.limit} bytes here: see limits.upload.")
