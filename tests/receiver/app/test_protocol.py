"""What strangers may send, over real connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain, repeat

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from receiver.app.protocol import BoundedProtocol
from receiver.app.server import bind, server_for

HEAD = b"POST /size HTTP/1.1\r\nhost: a\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
PART = b"a" * 4096
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def size(request: Request) -> Response:
    return Response(str(len(await request.body())))


async def refuse(request: Request) -> Response:
    """Answers without a look at the body."""
    return Response(status_code=404)


@asynccontextmanager
async def connected() -> AsyncIterator[Streams]:
    app = Starlette(routes=[Route("/size", size, methods=["POST"]), Route("/no", refuse, methods=["POST"])])
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = server_for(app)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(10):
            yield reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await task


async def push(streams: Streams, start: bytes, most: int) -> int:
    """Sends `start` and then parts until the other side has had enough; how many bytes it took in, `most` at most."""
    reader, writer = streams
    sent = 0
    try:
        for part in chain([start], repeat(PART)):
            writer.write(part)
            await writer.drain()
            sent += len(part)
            # A part at a time, as a patient stranger would.
            await asyncio.sleep(0)
            if sent >= most or reader.at_eof():
                break
    except ConnectionError:
        pass
    return sent


async def status_of(reader: asyncio.StreamReader) -> int:
    return int((await reader.readline()).split()[1])


@pytest.mark.parametrize(
    "start",
    [HEAD + b"x-a: ", b"GET /", b"\r\n" * 2048, HEAD.replace(b"host", b"h" * 9000)],
    ids=["value", "address", "empty lines", "name"],
)
async def test_an_endless_head_is_refused(start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.PART", b"\r\n" * 2048 if start.startswith(b"\r") else PART)
    async with connected() as streams:
        writer = streams[1]
        writer.write(start)
        writer.write(PART * 16)
        assert await status_of(streams[0]) == 431
        assert await push(streams, b"", 64 << 20) < 64 << 20


@pytest.mark.parametrize(("length", "status"), [(60_000, 200), (70_000, 431)], ids=["below", "above"])
async def test_a_head_that_comes_at_once_may_have_64_kib(length: int, status: int) -> None:
    async with connected() as (reader, writer):
        writer.write(HEAD + b"content-length: 0\r\nx-a: " + b"a" * length + b"\r\n\r\n")
        assert await status_of(reader) == status


@pytest.mark.parametrize("start", [CHUNKED, CHUNKED.replace(b"/size", b"/no")], ids=["read", "answered"])
async def test_endless_trailers_are_cut_off(start: bytes) -> None:
    async with connected() as streams:
        assert await push(streams, start + b"3\r\nabc\r\n0\r\nx-a: ", 64 << 20) < 64 << 20


async def test_a_large_body_in_small_chunks_comes_through() -> None:
    async with connected() as (reader, writer):
        writer.write(CHUNKED)
        for _ in range(100):
            # More framing than a head may have bytes, also in what is not read together with the head.
            writer.write(b"1\r\na\r\n" * 1000)
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        assert await status_of(reader) == 200
        assert b"100000" in await reader.readuntil(b"100000")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedProtocol, "patience_s", 0.1)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("said", [b"", HEAD, b"\r\n"], ids=["nothing", "half a head", "an empty line"])
async def test_a_connection_without_a_request_is_closed(said: bytes) -> None:
    async with connected() as (reader, writer):
        writer.write(said)
        assert await reader.read() == b""


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("said", [HEAD, b"\r\n"], ids=["half a head", "an empty line"])
async def test_a_second_request_has_to_come_whole_too(said: bytes) -> None:
    async with connected() as (reader, writer):
        writer.write(HEAD + b"content-length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n0")
        writer.write(said)
        assert await reader.read() == b""


@pytest.mark.usefixtures("impatient")
async def test_the_rest_of_a_refused_body_is_not_waited_for() -> None:
    async with connected() as (reader, writer):
        writer.write(HEAD.replace(b"/size", b"/no") + b"content-length: 1000\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"a")
        assert await reader.read() == b""


@pytest.mark.usefixtures("impatient")
async def test_a_body_may_take_its_time() -> None:
    async with connected() as (reader, writer):
        writer.write(HEAD + b"content-length: 6\r\n\r\nabc")
        # Twice as long as a head may take.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.read(1)
        writer.write(b"def")
        assert await status_of(reader) == 200


def test_what_is_overridden_is_there() -> None:
    """A new version of uvicorn may rename it, and then nothing would call ours."""
    names = {"connection_made", "connection_lost", "data_received", "on_headers_complete", "on_body"}
    assert names | {"send_400_response"} <= vars(HttpToolsProtocol).keys() & vars(BoundedProtocol).keys()
