import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from handlers.email_parts import ATTACHED_MOST, COVER_MOST, Parts, collect
from handlers.message import message_of
from receiver.errors import AddressRefused, Unreachable
from receiver.handler import ArchivedFile, Receipt, Result
from receiver.outbound import Download
from tests.support.deliveries import (
    JPEG,
    LINKS,
    MP3,
    FakeMedia,
    Script,
    World,
    make_delivery,
    make_file,
    make_track,
)

SOON = timedelta(seconds=60)
AUDIO, IMAGE = "https://cdn.example.com/tr-1.mp3", "https://cdn.example.com/tr-1.jpeg"
ARCHIVED = f"{LINKS}/tr-1-audio"


async def never() -> AsyncIterator[bytes]:
    await asyncio.get_running_loop().create_future()
    yield b""


def archived(*roles: str) -> Mapping[str, Receipt]:
    files = (
        ArchivedFile(
            result_id="tr-1",
            role=role,
            key="k",
            size=1,
            sha256="",
            media_type="audio/mpeg",
            link=f"{LINKS}/tr-1-{role}",
        )
        for role in roles
    )
    return {"archive": Receipt(files=tuple(files))}


async def collected(
    web: Mapping[str, bytes | Script],
    *tracks: Result,
    attach: int = 2**20,
    covers: bool = True,
    receipts: Mapping[str, Receipt] | None = None,
) -> Parts:
    media = FakeMedia(web)
    delivery = make_delivery(World(media=media), results=tracks or (make_track(),), receipts=receipts)
    parts = await collect(delivery, message_of(delivery), covers=covers, attach=attach, within=SOON)
    assert media.open == 0
    return parts


async def test_cover_and_file_come_along() -> None:
    parts = await collected({AUDIO: MP3, IMAGE: JPEG})
    assert [(part.name, part.media_type, part.content) for part in parts.attached] == [
        ("Night Ferry.mp3", "audio/mpeg", MP3)
    ]
    assert [(name, part.name, part.cid) for name, part in parts.covers.items()] == [("tr-1", "cover-1.jpeg", "cover-1")]
    assert parts.size == len(MP3) + len(JPEG)


async def test_nothing_is_fetched_that_nobody_wants() -> None:
    media = FakeMedia({})
    delivery = make_delivery(World(media=media))
    await collect(delivery, message_of(delivery), covers=False, attach=0, within=SOON)
    assert media.asked == []


NO_COVER: dict[str, bytes | Script] = {
    "too large": JPEG + bytes(COVER_MOST),
    "a song": MP3,
    "a page": b"<html>no</html>",
    "svg": b"<svg onload=x>",
    "empty": b"",
    "cut off": [JPEG, Unreachable("cut off")],
    "refused": AddressRefused("not public"),
}


@pytest.mark.parametrize("body", NO_COVER.values(), ids=NO_COVER)
async def test_what_is_no_cover_is_left_out(body: bytes | Script) -> None:
    parts = await collected({AUDIO: MP3, IMAGE: body})
    assert parts.covers == {}
    assert len(parts.attached) == 1


async def test_archived_file_is_fetched_first_and_the_providers_where_it_can_not_be() -> None:
    at_archive = await collected({ARCHIVED: MP3 + b"archived", AUDIO: MP3}, receipts=archived("audio"))
    assert at_archive.attached[0].content == MP3 + b"archived"
    elsewhere = await collected({ARCHIVED: AddressRefused("not public"), AUDIO: MP3}, receipts=archived("audio"))
    assert elsewhere.attached[0].content == MP3


async def test_other_address_of_a_file_will_do() -> None:
    track = make_track("tr-1", "Song", make_file("audio", AUDIO, "https://cdn.example.com/other.mp3"))
    assert (await collected({"https://cdn.example.com/other.mp3": MP3}, track)).attached[0].content == MP3


@pytest.mark.parametrize(("size", "count"), [(1000, 1), (1001, 0)])
async def test_file_above_the_size_is_left_out(size: int, count: int) -> None:
    body = b"ID3" + bytes(size - 3)
    assert len((await collected({AUDIO: body}, attach=1000)).attached) == count


async def test_announced_size_is_believed_before_anything_is_read() -> None:
    class Announced(FakeMedia):
        @asynccontextmanager
        async def stream(self, url: str) -> AsyncIterator[Download]:
            yield Download(url=url, media_type=None, length=1001, chunks=never())

    delivery = make_delivery(World(media=Announced({})))
    parts = await collect(delivery, message_of(delivery), covers=True, attach=1000, within=SOON)
    assert parts.attached == []


async def test_all_files_together_stay_within_a_mail() -> None:
    body = b"ID3" + bytes(6 * 2**20)
    files = [make_file(role) for role in ("audio", "vocals", "drums", "bass")]
    web = {file.url: body for file in files}
    parts = await collected(web, make_track("tr-1", "Song", *files), attach=16 * 2**20)
    assert [part.name for part in parts.attached] == ["Song.mp3", "Song - vocals.mp3"]
    assert parts.size <= ATTACHED_MOST


async def test_same_names_are_told_apart() -> None:
    files = [make_file("audio", f"https://cdn.example.com/{n}") for n in range(3)]
    titles = ("../Song", "..\\SONG", "  ")
    tracks = [make_track(f"tr-{n}", titles[n], file) for n, file in enumerate(files)]
    parts = await collected({file.url: MP3 for file in files}, *tracks)
    assert [part.name for part in parts.attached] == ["Song.mp3", "SONG-2.mp3", "Untitled.mp3"]


async def test_preview_that_still_grows_is_not_attached() -> None:
    track = make_track("tr-1", "Song", make_file("stream"))
    assert (await collected({"https://cdn.example.com/stream": MP3}, track)).attached == []


async def test_slow_file_host_costs_only_what_it_has() -> None:
    class Slow(FakeMedia):
        @asynccontextmanager
        async def stream(self, url: str) -> AsyncIterator[Download]:
            async with super().stream(url) as download:
                slow = url == AUDIO
                yield Download(url=url, media_type=None, length=None, chunks=never() if slow else download.chunks)

    media = Slow({AUDIO: MP3, IMAGE: JPEG})
    delivery = make_delivery(World(media=media))
    parts = await collect(delivery, message_of(delivery), covers=True, attach=2**20, within=timedelta(seconds=0.2))
    assert len(parts.covers) == 1
    assert parts.attached == []
    assert media.open == 0
