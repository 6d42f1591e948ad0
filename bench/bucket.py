"""A pretend object store and song host in one process: it takes parts and forgets them, so that it is never the brake.

python -m bench.bucket
"""

import asyncio
import re
from typing import cast

SONG_BYTES = 50_000_000
_HEAD = re.compile(rb"(\w+) (\S+) HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_BLOCK = bytes(256 * 1024)
_BEGUN = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
_DONE = b'<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>'


class _Store(asyncio.Protocol):
    """One connection; bodies are counted and thrown away as they come."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 0
        self._answer = b""
        self._song_left = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        while data:
            if self._left:
                taken = min(self._left, len(data))
                self._left -= taken
                data = data[taken:]
            else:
                self._head += data
                head, found, data = self._head.partition(b"\r\n\r\n")
                if not found:
                    return
                self._head = b""
                self._begin(head + b"\r\n")
            if not self._left:
                self._reply()

    def resume_writing(self) -> None:
        self._send()

    def _begin(self, head: bytes) -> None:
        request = _HEAD.match(head)
        assert request is not None
        length = _LENGTH.search(head)
        self._left = int(length[1]) if length else 0
        method, target = request[1], request[2]
        if method == b"GET":
            self._song_left = SONG_BYTES - 3
            self._answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\nID3" % SONG_BYTES
        elif method == b"HEAD":
            self._answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
        else:
            body = (_BEGUN if b"?uploads" in target else _DONE) if method == b"POST" else b""
            self._answer = b'HTTP/1.1 200 OK\r\netag: "e"\r\ncontent-length: %d\r\n\r\n' % len(body) + body

    def _reply(self) -> None:
        if self._transport is not None:
            self._transport.write(self._answer)
            self._answer = b""
            self._send()

    def _send(self) -> None:
        while self._song_left and self._transport is not None and not self._transport.is_closing():
            part = min(self._song_left, len(_BLOCK))
            self._song_left -= part
            self._transport.write(_BLOCK[:part])
            if self._transport.get_write_buffer_size() > 2 * len(_BLOCK):
                return  # until there is room again


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Store, "127.0.0.1", 0)
    print(f"Ready on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
