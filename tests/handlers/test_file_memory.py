import tracemalloc
from pathlib import Path

from handlers.file import FileArchive
from receiver.outbound import Media
from tests.support.deliveries import World, make_delivery, make_file, make_track
from tests.support.peers import Exchange, serve

MIB = 2**20
SIZE = 48 * MIB


async def large_song(exchange: Exchange) -> bool:
    exchange.writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\nID3".encode())
    left = SIZE - 3
    while left:
        part = min(left, MIB // 4)
        exchange.writer.write(bytes(part))
        await exchange.writer.drain()
        left -= part
    return False


async def test_a_large_file_is_archived_in_little_memory(tmp_path: Path) -> None:
    async with serve(large_song) as host:
        media = Media(["127.0.0.1"])
        track = make_track("a", "Night Ferry", make_file("audio", f"{host.url}/a.mp3"))
        archive = FileArchive(type="file", directory=tmp_path, roles=("audio",))
        tracemalloc.start()
        try:
            receipt = await archive.handle(make_delivery(World(media=media), results=[track]))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            await media.close()
    assert receipt is not None
    assert [file.size for file in receipt.files] == [SIZE]
    assert peak < 8 * MIB
