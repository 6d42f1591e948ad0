"""Downloads from addresses that came from outside: vetted at connect and at each redirect, size and time capped."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx2 as httpx

from receiver.errors import AddressRefused, LinkDead, TemporaryFailure, TooLarge, Unreachable
from receiver.outbound.addresses import Address, Allowed, join_address, read_address
from receiver.outbound.answers import Download, describe_status, read_retry_after
from receiver.outbound.faults import read_fault
from receiver.outbound.network import INTERNET, Guard, Network, Transport

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
# 441 is how one provider's file host says that a link ran out.
_DEAD = frozenset({403, 404, 410, 441})
_TIMEOUTS = {"connect": 10.0, "read": 30.0, "write": 30.0, "pool": None}


@dataclass(frozen=True, slots=True)
class _Found:
    """The answer at the end of the redirects. `deadline` is in seconds of the loop's clock."""

    url: str
    host: str
    response: httpx.Response
    deadline: float


class Media:
    """For addresses that came from outside: vetted at connect, each redirect again, size and time capped.

    `allow` are hosts and CIDRs that are permitted although not public (ValueError for anything else), `limit` is the
    most bytes of a file, `timeout` the most time that waiting for its bytes may take.
    """

    def __init__(
        self,
        allow: Sequence[str] = (),
        *,
        limit: int = 512 * 2**20,
        timeout: timedelta = timedelta(minutes=10),
        user_agent: str = "Mozilla/5.0 (compatible; suno-receiver)",
        network: Network = INTERNET,
    ) -> None:
        self._limit = limit
        self._timeout = timeout
        # Some file hosts answer 403 to names that look like no browser. Encoded bytes would not be the file's own.
        self._headers = {"user-agent": user_agent, "accept": "*/*", "accept-encoding": "identity"}
        self._transport = Transport(Guard(network, Allowed.parse(allow)), most=100, kept=10)

    @asynccontextmanager
    async def stream(self, url: str) -> AsyncIterator[Download]:
        """Raises AddressRefused, Unreachable, LinkDead or TooLarge, on opening or between chunks.

        TemporaryFailure for every other status: file hosts answer 400 or 416 in a bad moment, and the tries of a
        delivery end anyway.
        """
        deadline = asyncio.get_running_loop().time() + self._timeout.total_seconds()
        found = await self._find(url, deadline)
        async with aclosing(found.response), aclosing(self._read(found)) as chunks:
            length = self._check(found)
            media_type = found.response.headers.get("content-type", "").partition(";")[0].strip().lower()
            yield Download(url=found.url, media_type=media_type or None, length=length, chunks=chunks)

    async def close(self) -> None:
        await self._transport.aclose()

    async def _find(self, url: str, deadline: float) -> _Found:
        address = read_address(url)
        for _ in range(_MOST_REDIRECTS + 1):
            response = await self._get(address, deadline)
            if response.status_code not in _REDIRECTS:
                return _Found(url, address.host, response, deadline)
            await response.aclose()
            url = join_address(url, response.headers.get("location", ""))
            before, address = address, read_address(url)
            if (before.scheme, address.scheme) == ("https", "http"):
                raise AddressRefused(f"{before.host} redirects from https to http")
        raise TemporaryFailure(f"{address.host} redirects more than {_MOST_REDIRECTS} times")

    async def _get(self, address: Address, deadline: float) -> httpx.Response:
        try:
            url = httpx.URL(scheme=address.scheme, host=address.host, port=address.port)
        except httpx.InvalidURL:
            raise AddressRefused("an address from outside has no valid host") from None
        request = httpx.Request(
            "GET",
            url,
            headers={"host": url.netloc.decode(), **self._headers},
            # The library would quote and shorten the path once more.
            extensions={"timeout": _TIMEOUTS, "target": address.target.encode()},
            stream=httpx.ByteStream(b""),
        )
        try:
            async with asyncio.timeout_at(deadline):
                return await self._transport.handle_async_request(request)
        except httpx.HTTPError as error:
            sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            raise read_fault(address.host, error, sent=sent) from None
        except TimeoutError:
            raise self._late(address.host) from None

    def _check(self, found: _Found) -> int | None:
        """The announced length in bytes, where there is one that can be relied on."""
        status, headers = found.response.status_code, found.response.headers
        if status in _DEAD:
            raise LinkDead(f"{found.host} answered {describe_status(status)}: the link is dead")
        if status not in {200, 206}:
            reason = f"{found.host} answered {describe_status(status)} in place of a file"
            raise TemporaryFailure(reason, retry_after=read_retry_after(headers))
        if status == 206 and not _is_whole(headers.get("content-range", "")):
            raise Unreachable(f"{found.host} sent only a part of the file")
        announced = headers.get("content-length", "")
        if not announced.isdecimal() or "content-encoding" in headers:
            return None
        if int(announced) > self._limit:
            raise TooLarge(f"{found.host} announces {announced} bytes, above the limit of {self._limit}")
        return int(announced)

    async def _read(self, found: _Found) -> AsyncGenerator[bytes]:
        received = 0
        async with aclosing(found.response.aiter_bytes()) as source:
            while chunk := await self._next(found, source):
                received += len(chunk)
                if received > self._limit:
                    raise TooLarge(f"{found.host} sends more than the limit of {self._limit} bytes")
                yield chunk

    async def _next(self, found: _Found, source: AsyncIterator[bytes]) -> bytes:
        """The next chunk, empty at the end. The deadline holds here, so that it can't cancel the reader's own work."""
        try:
            async with asyncio.timeout_at(found.deadline):
                return await anext(source, b"")
        except httpx.RemoteProtocolError:
            announced = found.response.headers.get("content-length")
            so_far = found.response.num_bytes_downloaded
            of = f" of {announced}" if announced else ""
            raise Unreachable(f"the file from {found.host} was cut off after {so_far}{of} bytes") from None
        except httpx.HTTPError as error:
            raise read_fault(found.host, error, sent=True) from None
        except TimeoutError:
            raise self._late(found.host) from None

    def _late(self, host: str) -> Unreachable:
        return Unreachable(f"{host} took longer than {self._timeout.total_seconds():g} s for a file")


def _is_whole(content_range: str) -> bool:
    """Whether a partial answer covers all of the file: `bytes 0-99/100`."""
    match = re.fullmatch(r"bytes 0-(\d+)/(\d+)", content_range.strip())
    return match is not None and int(match[1]) + 1 == int(match[2])
