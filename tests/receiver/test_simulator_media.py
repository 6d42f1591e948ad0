import asyncio
import hashlib
import random
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import uvicorn

from receiver.outbound import Answer, Http
from receiver.simulator import Script, Simulator, jpeg, mp3

SEEDS = [hashlib.sha256(name).digest() for name in (b"one", b"two", b"2")] + [bytes(32), b"\xff" * 32]
# ISO/IEC 11172-3, layer III: kbit/s by index, and kHz.
BITRATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
RATES = (44100, 48000, 32000)
KEY = {"authorization": "Bearer any"}


class Deaf(Http):
    async def request(self, method: str, url: str, **_: Any) -> Answer:
        await asyncio.sleep(0)
        return Answer(status=200, headers={}, body=b"")


async def no_time(seconds: float) -> None:
    await asyncio.sleep(0)


def make_simulator(**script: Any) -> Simulator:
    return Simulator(
        script=Script(**script), http=Deaf(), base_url="http://suno.test", entropy=random.Random(1), sleep=no_time
    )


@asynccontextmanager
async def client_of(simulator: Simulator) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(simulator.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://suno.test") as client:
        yield client
    await simulator.close()


@asynccontextmanager
async def real_server(simulator: Simulator) -> AsyncIterator[httpx2.AsyncClient]:
    # A socket that listens already: who connects before the server is up waits in its queue.
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(simulator.app, log_config=None))
    running = asyncio.create_task(server.serve([listening]))
    port = listening.getsockname()[1]
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        yield client
    server.should_exit = True
    await running


async def make_task(client: httpx2.AsyncClient, simulator: Simulator, **fields: Any) -> str:
    body = {"prompt": "rain", "callBackUrl": "http://receiver.test/", **fields}
    reply = await client.post("/api/v1/generate", json=body, headers=KEY)
    await simulator.drain()
    return str(reply.json()["data"]["taskId"])


async def record_of(client: httpx2.AsyncClient, task_id: str) -> list[dict[str, Any]]:
    reply = await client.get("/api/v1/generate/record-info", params={"taskId": task_id}, headers=KEY)
    songs: list[dict[str, Any]] = reply.json()["data"]["response"]["sunoData"]
    return songs


def split_tag(data: bytes) -> tuple[str, bytes]:
    """The title of the ID3 tag, and what follows the tag."""
    assert data[:6] == b"ID3\x04\x00\x00"
    size = unsyncsafe(data[6:10])
    frame = data[10 : 10 + size]
    assert frame[:4] == b"TIT2"
    assert unsyncsafe(frame[4:8]) == size - 10
    assert frame[10] == 3
    return frame[11:].decode(), data[10 + size :]


def unsyncsafe(data: bytes) -> int:
    assert max(data) < 0x80
    return data[0] << 21 | data[1] << 14 | data[2] << 7 | data[3]


def frames_of(data: bytes) -> Iterator[tuple[bytes, float]]:
    """Each frame after its header, and its seconds. Fails where a header isn't where the one before says."""
    while data:
        sync, rest = struct.unpack(">HH", data[:4])
        assert sync == 0xFFFB, "MPEG-1, layer III, no checksum"
        rate = RATES[rest >> 10 & 3]
        size = 144_000 * BITRATES[rest >> 12] // rate + (rest >> 9 & 1)
        assert rest >> 6 & 3 == 3, "mono"
        assert len(data) >= size
        yield data[4:size], 1152 / rate
        data = data[size:]


def granules_of(frame: bytes) -> Iterator[tuple[int, int, str]]:
    """Each granule's length of Huffman code in bits, its pairs of lines, and the main data from there on."""
    side = f"{int.from_bytes(frame[:17], 'big'):0136b}"
    main = f"{int.from_bytes(frame[17:], 'big'):0{8 * len(frame[17:])}b}"
    assert int(side[:18], 2) == 0, "no data from the frame before"
    for granule in (side[18:77], side[77:]):
        length, pairs = int(granule[:12], 2), int(granule[12:21], 2)
        assert granule[33] == "0", "long blocks"
        assert granule[34:49] == "00001" * 3, "table 1 in all regions"
        assert length <= len(main)
        yield length, pairs, main
        main = main[length:]


def sounding_lines(pairs: int, bits: str) -> tuple[set[int], int]:
    """The lines that Huffman table 1 makes of these pairs, and the bits that they take up."""
    codes: dict[str, tuple[int, ...]] = {"1": (), "001": (1,), "01": (0,), "000": (0, 1)}
    position, lines = 0, set()
    for pair in range(pairs):
        code = next(code for code in codes if bits.startswith(code, position))
        position += len(code) + len(codes[code])
        lines |= {2 * pair + place for place in codes[code]}
    return lines, position


@pytest.mark.parametrize("seed", SEEDS)
def test_audio_is_whole_frames_of_the_announced_duration(seed: bytes) -> None:
    data = mp3.encode(seed, "Night Ferry")
    _, audio = split_tag(data)
    seconds = sum(seconds for _, seconds in frames_of(audio))
    assert seconds == pytest.approx(mp3.duration_of(seed))
    assert 5 <= seconds <= 20
    assert len(data) < 200_000


@pytest.mark.parametrize("seed", SEEDS)
def test_audio_frames_hold_exactly_the_tones_of_the_melody(seed: bytes) -> None:
    _, audio = split_tag(mp3.encode(seed, ""))
    granules = [granule for frame, _ in frames_of(audio) for granule in granules_of(frame)]
    decoded = [(*sounding_lines(pairs, bits), length) for length, pairs, bits in granules]
    assert [lines for lines, _, _ in decoded] == [set(lines) for lines, _ in mp3._melody(seed)]
    assert [used for _, used, _ in decoded] == [length for _, _, length in decoded]
    assert all(lines for lines, _, _ in decoded), "no granule is silent"


@pytest.mark.parametrize(
    ("title", "kept"),
    [("Night Ferry", "Night Ferry"), ("Ünï ♥ 🎵", "Ünï ♥ 🎵"), ("", ""), ("Ж" * 500, "Ж" * 100), ("a\ud800b", "a?b")],
)
def test_audio_carries_its_title(title: str, kept: str) -> None:
    assert split_tag(mp3.encode(SEEDS[0], title))[0] == kept


def test_media_follow_from_the_seed() -> None:
    assert mp3.encode(SEEDS[0], "t") == mp3.encode(SEEDS[0], "t") != mp3.encode(SEEDS[1], "t")
    assert jpeg.encode(SEEDS[0]) == jpeg.encode(SEEDS[0]) != jpeg.encode(SEEDS[1])


def segments_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The markers of a JPEG up to its scan, each with what it holds; last the scan itself."""
    position = 2
    while True:
        start, marker, size = struct.unpack(">BBH", data[position : position + 4])
        assert start == 0xFF
        yield marker, data[position + 4 : position + 2 + size]
        position += 2 + size
        if marker == 0xDA:
            yield 0, data[position:-2]
            return


@pytest.mark.parametrize("seed", SEEDS)
def test_image_is_a_jpeg_whose_scan_holds_every_block(seed: bytes) -> None:
    data = jpeg.encode(seed)
    assert data[:2] == b"\xff\xd8"
    assert data[-2:] == b"\xff\xd9"
    segments = list(segments_of(data))
    assert [marker for marker, _ in segments] == [0xE0, 0xDB, 0xC0, 0xC4, 0xC4, 0xDA, 0]
    height, width = struct.unpack(">HH", segments[2][1][1:5])
    scan = segments[-1][1]
    assert scan.count(b"\xff") == scan.count(b"\xff\x00"), "no marker within the scan"
    plain = scan.replace(b"\xff\x00", b"\xff")
    bits = f"{int.from_bytes(plain, 'big'):0{8 * len(plain)}b}"
    levels, used = decode_blocks(bits, width * height // 64)
    assert len(bits) - used < 8
    assert all(-128 <= level <= 127 for level in levels)
    assert len(set(levels)) > 50, "a picture, not one colour"


def test_some_image_here_needs_its_scan_escaped() -> None:
    scans = [list(segments_of(jpeg.encode(seed)))[-1][1] for seed in SEEDS]
    assert any(b"\xff\x00" in scan for scan in scans)


def decode_blocks(bits: str, blocks: int) -> tuple[list[int], int]:
    levels: list[int] = []
    before = [0, 0, 0]
    position = 0
    for index in range(3 * blocks):
        size = int(bits[position : position + 4], 2)
        position += 4
        value = int(bits[position : position + size] or "0", 2)
        negative = size and bits[position] == "0"
        position += size
        before[index % 3] += value - (1 << size) + 1 if negative else value
        levels.append(before[index % 3])
        assert bits[position] == "0", "no other coefficients"
        position += 1
    return levels, position


async def test_links_of_a_song_answer_with_its_files() -> None:
    simulator = make_simulator()
    async with client_of(simulator) as client:
        songs = await record_of(client, await make_task(client, simulator, title="Salt Mile"))
        answers = {key: await client.get(url) for song in songs[:1] for key, url in song.items() if key.endswith("Url")}
    audio = {key for key, answer in answers.items() if answer.headers["content-type"] == "audio/mpeg"}
    image = {key for key, answer in answers.items() if answer.headers["content-type"] == "image/jpeg"}
    assert audio == {"audioUrl", "sourceAudioUrl", "streamAudioUrl", "sourceStreamAudioUrl"}
    assert image == {"imageUrl", "sourceImageUrl"}
    title, frames = split_tag(answers["audioUrl"].content)
    assert title == "Salt Mile"
    assert sum(seconds for _, seconds in frames_of(frames)) == pytest.approx(songs[0]["duration"])


async def test_tracks_of_a_task_sound_different() -> None:
    simulator = make_simulator()
    async with client_of(simulator) as client:
        songs = await record_of(client, await make_task(client, simulator))
        bodies = {(await client.get(song["audioUrl"])).content for song in songs}
    assert len(bodies) == 2


async def test_head_tells_the_size_without_the_body() -> None:
    simulator = make_simulator(links_die_after=1)
    async with client_of(simulator) as client:
        task_id = await make_task(client, simulator)
        head = await client.head(f"/media/{task_id}/0.mp3")
        whole = await client.get(f"/media/{task_id}/0.mp3")
    assert head.content == b""
    assert head.headers["content-length"] == str(len(whole.content))
    assert whole.status_code == 200, "looking is no download"


@pytest.mark.parametrize(
    ("wanted", "status", "expected"),
    [
        ("bytes=0-3", 206, slice(0, 4)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-10", 206, slice(-10, None)),
        ("bytes=50-99999999", 206, slice(50, None)),
        ("bytes=99999999-", 416, slice(0)),
        ("bytes=5-2", 416, slice(0)),
        ("bytes=-0", 416, slice(0)),
        ("bytes=-", 416, slice(0)),
        ("pages=1-2", 416, slice(0)),
    ],
)
async def test_range_answers_that_part(wanted: str, status: int, expected: slice) -> None:
    simulator = make_simulator()
    async with client_of(simulator) as client:
        link = f"/media/{await make_task(client, simulator)}/0.mp3"
        whole = (await client.get(link)).content
        part = await client.get(link, headers={"range": wanted})
    assert part.status_code == status
    assert part.content == whole[expected]
    start, stop, _ = expected.indices(len(whole))
    span = f"{start}-{stop - 1}" if stop else "*"
    assert part.headers["content-range"] == f"bytes {span}/{len(whole)}"


@pytest.mark.parametrize("status", [403, 404, 410, 441])
async def test_links_die_together_and_the_status_call_gives_fresh_ones(status: int) -> None:
    simulator = make_simulator(links_die_after=2, dead_status=status)
    async with client_of(simulator) as client:
        task_id = await make_task(client, simulator)
        old = (await record_of(client, task_id))[0]
        links = (old["audioUrl"], old["sourceAudioUrl"], old["audioUrl"], old["streamAudioUrl"])
        assert [(await client.get(link)).status_code for link in links] == [200, 200, status, status]
        assert (await client.get(old["imageUrl"])).status_code == 200
        new = (await record_of(client, task_id))[0]
        assert new["audioUrl"] == f"http://suno.test/media/{task_id}/r1/0.mp3"
        assert (await client.get(new["audioUrl"])).status_code == 200
        assert (await client.get(old["audioUrl"])).status_code == status


@pytest.mark.parametrize("path", ["x/0.mp3", "{}/2.mp3", "{}/0.wav", "{}/r1/0.mp3", "{}/r0/0.mp3", "{}/new/0.mp3"])
async def test_unknown_file_is_not_found(path: str) -> None:
    simulator = make_simulator()
    async with client_of(simulator) as client:
        task_id = await make_task(client, simulator)
        assert (await client.get(f"/media/{path.format(task_id)}")).status_code == 404


@pytest.mark.parametrize(
    ("media", "content_type", "start"), [("empty", "audio/mpeg", b""), ("html", "text/html; charset=utf-8", b"<html>")]
)
async def test_audio_misbehaves_as_scripted(media: str, content_type: str, start: bytes) -> None:
    simulator = make_simulator(media=media)
    async with client_of(simulator) as client:
        task_id = await make_task(client, simulator)
        audio = await client.get(f"/media/{task_id}/0.mp3")
        image = await client.get(f"/media/{task_id}/0.jpeg")
    assert audio.status_code == 200
    assert audio.headers["content-type"] == content_type
    assert audio.content[:6] == start
    assert image.content[:2] == b"\xff\xd8"


async def test_truncated_audio_ends_before_its_announced_length() -> None:
    simulator = make_simulator(media="truncated")
    async with real_server(simulator) as client:
        task_id = await make_task(client, simulator)
        size = len(simulator.tasks[task_id].songs[0].audio())
        with pytest.raises(httpx2.RemoteProtocolError, match=f"received {size // 2} bytes, expected {size}"):
            await client.get(f"/media/{task_id}/0.mp3")


async def test_reset_reply_breaks_off_but_the_task_was_made() -> None:
    simulator = make_simulator(reply="reset")
    async with real_server(simulator) as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await make_task(client, simulator)
        await simulator.drain()
    assert [task.stage for task in simulator.tasks.values()] == ["complete"]


async def test_client_that_hangs_up_ends_a_hanging_reply() -> None:
    async def endless(seconds: float) -> None:
        if seconds > 1000:
            await asyncio.Event().wait()

    simulator = make_simulator(reply="hang")
    simulator.sleep = endless
    async with real_server(simulator) as client:
        with pytest.raises(httpx2.ReadTimeout):
            await client.post(
                "/api/v1/generate",
                json={"callBackUrl": "http://receiver.test/"},
                headers=KEY,
                timeout=timedelta(milliseconds=50).total_seconds(),
            )
        await asyncio.wait_for(simulator.drain(), 5)
    assert len(simulator.tasks) == 1
