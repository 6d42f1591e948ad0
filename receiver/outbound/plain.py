"""Requests to addresses that the operator wrote: one pool, one try, failures told apart by what was sent."""

import asyncio
import json as json_text
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2 as httpx

from receiver.errors import NotSent, TooLarge, Unreachable
from receiver.outbound.answers import Answer
from receiver.outbound.faults import read_fault
from receiver.outbound.network import Plain, Transport

_KEPT_OPEN = 100
# Far above any sensible concurrency: a target that hangs must not use up the connections of the others.
_MOST_OPEN = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """An answer that is on its way: header names in lower case, the body in chunks as they come."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class _Body(httpx.AsyncByteStream):
    """A request's body that remembers whether a byte of it may have left."""

    def __init__(self, content: bytes | AsyncIterator[bytes]) -> None:
        self._content = content
        self.started = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if isinstance(self._content, bytes):
            self.started = True
            yield self._content
            return
        async for chunk in self._content:
            self.started = True
            yield chunk
        self.started = True


class Http:
    """For addresses written in the configuration: not vetted, redirects off, keep-alive.

    `limit` is the most bytes that an answer's body may have. No cookies, no proxies from the environment.
    """

    # The transport below a client: a client would add cookies, redirects and its defaults to every request.
    #
    # httpcore2 sends a request once. Before it takes an idle connection it looks whether the socket is readable, which
    # it is as soon as the peer has closed, and opens another one then. A peer that closes after that look is reported
    # as a failure, and never tried again, because nobody can know what it read.

    def __init__(
        self,
        user_agent: str = "suno-receiver",
        *,
        limit: int = 8 * 2**20,
        connect_timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        self._user_agent = user_agent
        self._limit = limit
        self._timeouts = {"connect": connect_timeout.total_seconds(), "read": None, "write": None, "pool": None}
        self._transport = Transport(Plain(), most=_MOST_OPEN, kept=_KEPT_OPEN)

    async def request(  # noqa: PLR0913 - what a request consists of
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterator[bytes] | None = None,
        json: Any = None,
        timeout: timedelta = timedelta(seconds=30),
    ) -> Answer:
        """One request, never repeated. Raises NotSent, Unreachable or TooLarge, whose text names only the host.

        `timeout` holds for the whole exchange, body included. What a `content` iterator raises comes through.
        """
        fields = self._fields(headers, "gzip, deflate")
        if json is not None:
            content = json_text.dumps(json).encode()
            fields.setdefault("content-type", "application/json")
        body = _Body(b"" if content is None else content)
        if isinstance(content, bytes):
            fields["content-length"] = str(len(content))
        elif content is not None and "content-length" not in fields:
            fields["transfer-encoding"] = "chunked"
        elif content is None and method.upper() in {"POST", "PUT", "PATCH"}:
            fields["content-length"] = "0"
        return await self._exchange(self._build(method, url, fields, body), body, timeout)

    @asynccontextmanager
    async def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, silence: timedelta = timedelta(seconds=30)
    ) -> AsyncIterator[Flow]:
        """A GET whose body has no end in sight, read within the context. Raises NotSent or Unreachable, reading too.

        `silence` is how long the other side may say nothing, before its answer and within it. No limit holds.
        """
        body = _Body(b"")
        request = self._build("GET", url, self._fields(headers, "identity"), body)
        request.extensions["timeout"] = {**self._timeouts, "read": silence.total_seconds()}
        host = request.url.host
        try:
            response = await self._transport.handle_async_request(request)
        except httpx.HTTPError as error:
            raise read_fault(host, error, sent=body.started) from None
        async with aclosing(response), aclosing(_chunks(host, response)) as chunks:
            yield Flow(status=response.status_code, headers=dict(response.headers.items()), chunks=chunks)

    def _fields(self, headers: Mapping[str, str] | None, encoding: str) -> dict[str, str]:
        fields = {"user-agent": self._user_agent, "accept": "*/*", "accept-encoding": encoding}
        fields.update((name.lower(), value) for name, value in (headers or {}).items())
        return fields

    def _build(self, method: str, url: str, fields: dict[str, str], body: _Body) -> httpx.Request:
        try:
            parsed = httpx.URL(url)
            if parsed.userinfo and "authorization" not in fields:
                fields["authorization"] = "Basic " + b64encode(f"{parsed.username}:{parsed.password}".encode()).decode()
            request = httpx.Request(
                method,
                parsed,
                headers={"host": parsed.netloc.decode(), **fields},
                stream=body,
                extensions={"timeout": self._timeouts},
            )
        except httpx.InvalidURL:
            raise NotSent("the address is not a valid URL") from None
        except UnicodeEncodeError:
            raise NotSent(f"a header for {parsed.host} has characters that HTTP can't carry") from None
        return request

    async def _exchange(self, request: httpx.Request, body: _Body, timeout: timedelta) -> Answer:
        host = request.url.host
        # Nothing is chained to the errors: the library's texts and requests hold addresses and headers.
        try:
            async with asyncio.timeout(timeout.total_seconds()) as limit:
                response = await self._transport.handle_async_request(request)
                return await self._read(host, response)
        except httpx.HTTPError as error:
            raise read_fault(host, error, sent=body.started) from None
        except TimeoutError:
            if not limit.expired():
                raise
            waited = f"within {timeout.total_seconds():g} s"
            if body.started:
                raise Unreachable(f"{host} did not answer {waited}") from None
            raise NotSent(f"{host} could not be connected to {waited}") from None

    async def _read(self, host: str, response: httpx.Response) -> Answer:
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._limit:
                    raise TooLarge(f"{host} answered with more than {self._limit} bytes")
            return Answer(status=response.status_code, headers=dict(response.headers.items()), body=bytes(body))
        finally:
            await response.aclose()

    async def close(self) -> None:
        await self._transport.aclose()


async def _chunks(host: str, response: httpx.Response) -> AsyncGenerator[bytes]:
    try:
        async for chunk in response.aiter_bytes():
            yield chunk
    except httpx.HTTPError as error:
        raise read_fault(host, error, sent=True) from None
