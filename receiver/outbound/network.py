"""Where addresses from outside become connections: resolved once, vetted all, and the vetted address itself dialled."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpcore2
import httpx2 as httpx

from receiver.errors import AddressRefused
from receiver.outbound.addresses import Allowed, read_literal, refusal

Resolve = Callable[[str], Awaitable[Sequence[str]]]
Dial = Callable[[str, int, float], Awaitable[httpcore2.AsyncNetworkStream]]

_CONNECT_S = 10.0
# Node and uvicorn close an idle connection after five seconds. Reusing one at that moment would send a request into
# the void, with no way to tell whether it was read.
_IDLE_S = 4.0


async def resolve_name(host: str) -> list[str]:
    """The IP addresses of a name, best first; raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class _Stream(httpcore2.AsyncNetworkStream):
    """A connection that is closed where its TLS handshake is cancelled: the library's own would be left open."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        try:
            return await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class Plain(httpcore2.AnyIOBackend):
    """Opens connections to wherever it is told."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        return _Stream(await super().connect_tcp(host, port, timeout, local_address, socket_options))


async def dial_address(address: str, port: int, timeout: float) -> httpcore2.AsyncNetworkStream:
    """A TCP connection to an IP address; `timeout` is in seconds."""
    return await Plain().connect_tcp(address, port, timeout)


@dataclass(frozen=True, slots=True)
class Network:
    """How names become addresses and addresses connections; tests bring their own."""

    resolve: Resolve = resolve_name
    dial: Dial = dial_address


INTERNET = Network()


class Guard(httpcore2.AsyncNetworkBackend):
    """Opens connections for the pool: it sees every host that is about to be dialled, whoever named it."""

    def __init__(self, network: Network, allow: Allowed) -> None:
        self._network = network
        self._allow = allow

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._find(host)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(error) from error
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(error) from error
        # One private address among public ones is enough: an attacker would have us try until it is reached.
        for address in addresses:
            if reason := refusal(host, address, self._allow, port):
                raise AddressRefused(reason)
        return await self._dial_first(addresses, port, _CONNECT_S if timeout is None else timeout)

    async def _find(self, host: str) -> Sequence[str]:
        literal = read_literal(host)
        return [str(literal)] if literal else await self._network.resolve(host)

    async def _dial_first(self, addresses: Sequence[str], port: int, timeout: float) -> httpcore2.AsyncNetworkStream:
        failure: Exception = httpcore2.ConnectError(socket.gaierror(socket.EAI_NONAME, "no address"))
        for address in addresses:
            try:
                return await self._network.dial(address, port, timeout / len(addresses))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Transport(httpx.AsyncHTTPTransport):
    """httpx2's transport on a pool of ours. SNI, certificate check and Host keep the name that was asked for."""

    def __init__(self, backend: httpcore2.AsyncNetworkBackend, *, most: int, kept: int) -> None:
        context = httpx.create_ssl_context(trust_env=False)
        super().__init__(verify=context, trust_env=False)
        # There is no public way to pass a network backend. Without this attribute the pool would be another one, and
        # nothing would be vetted: better no transport at all.
        if not isinstance(getattr(self, "_pool", None), httpcore2.AsyncConnectionPool):
            raise TypeError("this httpx2 keeps its pool elsewhere: addresses from outside can't be vetted")
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=most,
            max_keepalive_connections=kept,
            keepalive_expiry=_IDLE_S,
            network_backend=backend,
        )
