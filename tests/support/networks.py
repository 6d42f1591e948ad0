"""A pretend internet for addresses from outside: names resolve as told, and whatever is dialled is written down.

Nothing leaves the machine, also where the guard is broken: a dial ends at the loopback peer, or nowhere.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpcore2

from receiver.outbound import Network
from receiver.outbound.network import dial_address

PUBLIC = "93.184.216.34"


@dataclass
class Internet:
    """`names` holds the answers for each name, one after the other, the last again and again."""

    port: int | None = None
    names: dict[str, list[Sequence[str]]] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    lookups: list[str] = field(default_factory=list)
    dialled: list[tuple[str, int]] = field(default_factory=list)
    secured: list[tuple[ssl.SSLContext, str | None]] = field(default_factory=list)

    @property
    def network(self) -> Network:
        return Network(resolve=self._resolve, dial=self._dial)

    async def _resolve(self, host: str) -> Sequence[str]:
        self.lookups.append(host)
        answers = self.names.get(host, [[PUBLIC]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def _dial(self, address: str, port: int, timeout: float) -> httpcore2.AsyncNetworkStream:
        self.dialled.append((address, port))
        if self.port is None or address in self.down:
            raise httpcore2.ConnectError("nobody there")
        return _Stream(await dial_address("127.0.0.1", self.port, timeout), self)


class _Stream(httpcore2.AsyncNetworkStream):
    """A connection that notes what TLS would have been asked for, and goes on without it."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream, internet: Internet) -> None:
        self.read = stream.read  # type: ignore[method-assign] # handed through
        self.write = stream.write  # type: ignore[method-assign] # handed through
        self.aclose = stream.aclose  # type: ignore[method-assign] # handed through
        self.get_extra_info = stream.get_extra_info  # type: ignore[method-assign] # handed through
        self._internet = internet

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        self._internet.secured.append((ssl_context, server_hostname))
        return self
