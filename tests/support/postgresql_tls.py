"""TLS before a PostgreSQL that was built without it: grants the client's wish for TLS, and forwards what is inside."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.support.cut_proxy import carry

# What a client sends first when it wants TLS (https://www.postgresql.org/docs/current/protocol-message-formats.html).
_SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


@dataclass
class TlsFront:
    """On a free port. `encrypted` counts the connections that came through TLS, `refused` those that did without."""

    server: tuple[str, int]
    context: ssl.SSLContext
    port: int = 0
    encrypted: int = 0
    refused: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await reader.readexactly(8) != _SSL_REQUEST:
                self.refused += 1
                return
            writer.write(b"S")
            await writer.drain()
            await writer.start_tls(self.context)
            self.encrypted += 1
            inner, outer = await asyncio.open_connection(*self.server)
            flowing = asyncio.Event()
            flowing.set()
            await asyncio.gather(carry(reader, outer, flowing), carry(inner, writer, flowing))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def tls_front(server_port: int, context: ssl.SSLContext) -> AsyncIterator[TlsFront]:
    front = TlsFront(("127.0.0.1", server_port), context)
    listening = await asyncio.start_server(front.serve, "127.0.0.1", 0)
    front.port = listening.sockets[0].getsockname()[1]
    try:
        yield front
    finally:
        listening.close()
