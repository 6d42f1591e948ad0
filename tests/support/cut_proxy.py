"""The network between two processes, on loopback: it forwards, and stalls, cuts and heals as told."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

_CHUNK = 65536
# A linger time of nothing makes the close a reset.
_RESET = struct.pack("ii", 1, 0)


@dataclass
class CutProxy:
    """Forwards what comes to `port` on to a port of this machine."""

    target: int
    port: int = 0
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _ends: set[asyncio.StreamWriter] = field(default_factory=set)
    _carrying: set[asyncio.Task[None]] = field(default_factory=set)
    _listening: asyncio.Server | None = None

    def stall(self) -> None:
        """Connections stay, and new ones are taken, but not a byte goes on, as where packets are dropped."""
        self._flowing.clear()

    def cut(self) -> None:
        """Every connection is reset, and new ones are refused."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        for end in self._ends:
            line: socket.socket = end.get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            end.transport.abort()

    async def heal(self) -> None:
        """What was held back goes on, and new connections are taken."""
        self._flowing.set()
        if self._listening is None:
            self._listening = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._listening.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self.cut()
        for task in list(self._carrying):
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        task = asyncio.create_task(self._forward(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        try:
            inner, outer = await asyncio.open_connection("127.0.0.1", self.target)
            ends.add(outer)
            self._ends.add(outer)
            await asyncio.gather(carry(reader, outer, self._flowing), carry(inner, writer, self._flowing))
        except OSError:
            writer.transport.abort()
        finally:
            self._ends -= ends
            for end in ends:
                end.close()


async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter, flowing: asyncio.Event) -> None:
    """Until the source ends; then the target is closed, behind what it got."""
    while chunk := await source.read(_CHUNK):
        await flowing.wait()
        target.write(chunk)
        await target.drain()
    await flowing.wait()
    target.close()


@contextlib.asynccontextmanager
async def cut_proxy(target: int) -> AsyncIterator[CutProxy]:
    proxy = CutProxy(target)
    await proxy.heal()
    try:
        yield proxy
    finally:
        await proxy.close()
