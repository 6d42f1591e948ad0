import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from handlers import buckets
from handlers.s3 import S3Archive
from receiver.handler import Delivery, PermanentFailure, Receipt, TemporaryFailure
from receiver.outbound import Download, Media
from tests.support.archives import AUDIO, DAY, one, provided, world_of
from tests.support.deliveries import (
    HOSTILE_TITLES,
    JPEG,
    MP3,
    FakeMedia,
    FakeNotes,
    Script,
    World,
    make_delivery,
    make_event,
    make_file,
    make_track,
    make_web,
)
from tests.support.peers import answer, serve
from tests.support.s3_peer import S3Peer, open_peer, open_pretender, pretend

MIB = 2**20
LARGE = [MP3, *(bytes([n]) * MIB for n in range(12))]


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[S3Peer]:
    async with open_peer(tmp_path) as opened:
        yield opened


def make_archive(peer: S3Peer, **fields: Any) -> S3Archive:
    return S3Archive.model_validate({"type": "s3", **peer.fields, **fields})


async def run(archive: S3Archive, delivery: Delivery) -> Receipt:
    return await archive.handle(delivery)


async def test_files_are_archived_with_what_they_are(peer: S3Peer) -> None:
    track = make_track()
    web = make_web(track)
    receipt = await run(make_archive(peer, prefix="in"), make_delivery(World(media=FakeMedia(web))))
    audio, image = provided(receipt)
    body = web[AUDIO]
    assert isinstance(body, bytes)
    assert peer.objects()[audio.key] == body
    assert (audio.size, audio.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert (audio.key, audio.link) == (
        f"in/{DAY}/Night Ferry-tr-1.mp3",
        "https://songs.example.com/files/tr-1-audio",
    )
    found = peer.head(audio.key)
    assert found["ContentType"] == "audio/mpeg"
    assert found["ContentDisposition"].startswith('inline; filename="Night Ferry-tr-1.mp3"')
    notes = found["Metadata"]
    assert (notes["submission-id"], notes["result-id"], notes["role"]) == ("sub_" + "2" * 32, "tr-1", "audio")
    assert peer.head(image.key)["ContentType"] == "image/jpeg"


async def test_large_file_goes_up_in_parts_and_whole(peer: S3Peer) -> None:
    receipt = await run(make_archive(peer), make_delivery(world_of({AUDIO: LARGE}), results=[one(AUDIO)]))
    [audio] = provided(receipt)
    body = b"".join(LARGE)
    assert peer.objects() == {audio.key: body}
    assert (audio.size, audio.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert peer.head(audio.key)["ETag"].endswith('-3"')
    assert peer.head(audio.key)["Metadata"]["role"] == "audio"
    assert peer.unfinished() == []


@pytest.mark.parametrize("size", [buckets.PART - 1, buckets.PART, buckets.PART + 1], ids=["less", "equal", "more"])
async def test_body_of_about_one_part_is_kept_whole(peer: S3Peer, size: int) -> None:
    body = b"ID3" + bytes(size - 3)
    receipt = await run(make_archive(peer), make_delivery(world_of({AUDIO: body}), results=[one(AUDIO)]))
    assert peer.objects() == {provided(receipt)[0].key: body}


@pytest.mark.parametrize("title", HOSTILE_TITLES.values(), ids=HOSTILE_TITLES)
async def test_hostile_title_is_a_key_and_notes_that_the_store_takes(peer: S3Peer, title: str) -> None:
    track = make_track(title, title, make_file("audio", AUDIO), make_file(title or "x", "https://c.example/x"))
    event = make_event(labels={"project": title}, task_id=title, operation=title)
    archive = make_archive(peer, key="{labels[project]}/{title}-{result_id}{task_id}{role}.{ext}")
    delivery = make_delivery(world_of({AUDIO: MP3, "https://c.example/x": MP3 + b"x"}), event=event, results=[track])
    receipt = await run(archive, delivery)
    assert sorted(peer.objects()) == sorted(file.key for file in provided(receipt))
    assert all(value.isascii() for file in provided(receipt) for value in peer.head(file.key)["Metadata"].values())


async def test_object_of_somebody_else_is_not_overwritten(peer: S3Peer) -> None:
    peer.put("Night Ferry.mp3", MP3)
    archive = make_archive(peer, key="{title}.{ext}")
    await run(archive, make_delivery(world_of({AUDIO: MP3 + b"other"}), results=[one(AUDIO)]))
    assert peer.objects() == {"Night Ferry.mp3": MP3, "Night Ferry-audio.mp3": MP3 + b"other"}


async def test_many_deliveries_at_once_never_share_a_name() -> None:
    # Not moto: between its look and its write another request gets through.
    objects: dict[str, tuple[bytes, Mapping[str, str]]] = {}
    bodies = [[MP3 + bytes([n]), *LARGE] if n % 2 else MP3 + bytes([n]) for n in range(8)]

    async def deliver(number: int, body: bytes | Script, fields: dict[str, Any]) -> Receipt:
        # Every one has a client of its own, as processes have.
        archive = S3Archive.model_validate({"type": "s3", "key": "{title}.{ext}", "roles": ["audio"], **fields})
        event = make_event(submission_id=f"sub_{number}")
        track = make_track(f"tr-{number}", "Song", make_file("audio", AUDIO))
        return await run(archive, make_delivery(world_of({AUDIO: body}), event=event, results=[track]))

    async with open_pretender(pretend(objects)) as (_, fields):
        receipts = await asyncio.gather(*(deliver(number, body, fields) for number, body in enumerate(bodies)))
    keys = {receipt.files[0].key for receipt in receipts}
    assert len(keys) == 8
    assert {target.rpartition("/")[2].replace("%20", " ") for target in objects} == keys


async def test_crash_between_upload_and_note_takes_no_second_name(peer: S3Peer) -> None:
    archive = make_archive(peer)
    web = make_web(make_track()) | {AUDIO: LARGE}
    receipts = [await run(archive, make_delivery(world_of(web))) for _ in range(2)]
    assert receipts[0] == receipts[1]
    assert len(peer.objects(manifests=True)) == 3


@pytest.mark.parametrize("remembers", ["progress", "memory"])
async def test_what_is_kept_is_not_fetched_again(peer: S3Peer, remembers: str) -> None:
    archive, notes, media = make_archive(peer), FakeNotes(), FakeMedia(make_web(make_track()))
    for _ in range(2):
        world = World(media=media)
        setattr(world, remembers, notes)
        await run(archive, make_delivery(world))
    assert len(media.asked) == 2


async def test_object_that_was_lost_is_fetched_again_under_its_name(peer: S3Peer) -> None:
    archive, world = make_archive(peer), world_of({AUDIO: MP3})
    delivery = make_delivery(world, results=[one(AUDIO)])
    key = provided(await run(archive, delivery))[0].key
    for body in (None, b"ID3"):
        peer.s3.delete_object(Bucket=peer.bucket, Key=key)
        if body:
            peer.put(key, body)
        await run(archive, delivery)
    # What has no mark of ours and another size is somebody else's.
    assert peer.objects() == {key: b"ID3", key.replace(".mp3", "-audio.mp3"): MP3}


@pytest.mark.parametrize("chunks", [[MP3], LARGE], ids=["in its first part", "in a later part"])
async def test_source_that_fails_is_told_as_it_was_and_leaves_nothing(peer: S3Peer, chunks: Sequence[bytes]) -> None:
    failure = TemporaryFailure("cut off", stale=True)
    delivery = make_delivery(world_of({AUDIO: [*chunks, failure]}), results=[one(AUDIO)])
    with pytest.raises(TemporaryFailure, match="audio of Night Ferry: cut off") as caught:
        await run(make_archive(peer), delivery)
    assert caught.value.stale
    assert peer.objects(manifests=True) == {}
    assert peer.unfinished() == []


async def test_what_an_earlier_attempt_kept_survives_a_source_that_fails(peer: S3Peer) -> None:
    archive = make_archive(peer, roles=["audio"])
    await run(archive, make_delivery(world_of({AUDIO: LARGE}), results=[one(AUDIO)]))
    cut = world_of({AUDIO: [*LARGE, TemporaryFailure("cut off")]})
    with pytest.raises(TemporaryFailure):
        await run(archive, make_delivery(cut, results=[one(AUDIO)]))
    assert list(peer.objects().values()) == [b"".join(LARGE)]


class Stuck(FakeMedia):
    """A host that sends the chunks it has, and then nothing more."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        super().__init__({})
        self.silent = asyncio.Event()
        self._chunks = chunks

    @asynccontextmanager
    async def stream(self, url: str) -> AsyncIterator[Download]:
        yield Download(url=url, media_type=None, length=None, chunks=self._play())

    async def _play(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk
        self.silent.set()
        await asyncio.Event().wait()


async def test_cancelled_upload_leaves_no_parts_behind(peer: S3Peer) -> None:
    media, before = Stuck(LARGE), asyncio.all_tasks()
    work = asyncio.ensure_future(run(make_archive(peer), make_delivery(World(media=media), results=[one(AUDIO)])))
    await media.silent.wait()
    assert len(peer.unfinished()) == 1
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert peer.unfinished() == []
    assert asyncio.all_tasks() == before


async def test_attempt_after_a_cancelled_one_has_the_same_name(peer: S3Peer) -> None:
    archive, media = make_archive(peer), Stuck(LARGE)
    work = asyncio.ensure_future(run(archive, make_delivery(World(media=media), results=[one(AUDIO)])))
    await media.silent.wait()
    work.cancel()
    await asyncio.wait((work,))
    assert peer.objects() == {f"{DAY}/Night Ferry-tr-1.mp3": b""}
    await run(archive, make_delivery(world_of({AUDIO: LARGE}), results=[one(AUDIO)], attempt=2))
    assert peer.objects() == {f"{DAY}/Night Ferry-tr-1.mp3": b"".join(LARGE)}


class Counting(FakeMedia):
    """Knows how many downloads were open at once."""

    most = 0

    @asynccontextmanager
    async def stream(self, url: str) -> AsyncIterator[Download]:
        async with super().stream(url) as found:
            self.most = max(self.most, self.open)
            yield found


async def test_uploads_in_flight_are_bounded_over_all_handlers(peer: S3Peer) -> None:
    tracks = [make_track(f"tr-{n}", "x", make_file("audio", f"https://c.example/{n}")) for n in range(8)]
    media = Counting({track.files[0].url: MP3 for track in tracks})
    archives = [make_archive(peer) for _ in tracks]
    world = World(media=media)
    runs = zip(archives, tracks, strict=True)
    await asyncio.gather(*(run(archive, make_delivery(world, results=[track])) for archive, track in runs))
    assert len(peer.objects()) == 8
    assert media.most == buckets.UPLOADS_AT_ONCE


async def test_store_without_conditions_is_asked_before_a_name_is_taken() -> None:
    mine = "/songs/2026-11-21/Night%20Ferry-tr-1.mp3"
    objects: dict[str, Any] = {mine: (b"somebody else's", {})}
    async with open_pretender(pretend(objects, conditions=False)) as (pretender, fields):
        archive = S3Archive.model_validate({"type": "s3", "roles": ["audio", "image"], **fields})
        receipt = await run(archive, make_delivery(world_of(make_web(make_track()))))
    assert [file.key for file in receipt.files] == [f"{DAY}/Night Ferry-tr-1-audio.mp3", f"{DAY}/Night Ferry-tr-1.jpeg"]
    assert objects[mine][0] == b"somebody else's"
    # It is told once that the store knows no conditions, however often the client itself asks again.
    conditional = {seen.target for seen in pretender.seen if "if-none-match" in seen.headers}
    assert conditional == {mine}


async def test_names_that_are_all_taken_end_the_search(peer: S3Peer) -> None:
    async with open_pretender(pretend(_Everything())) as (pretender, fields):
        archive = S3Archive.model_validate({"type": "s3", "roles": ["audio"], **fields})
        with pytest.raises(PermanentFailure, match=r"100 names are taken already; write \{result_id\} into key"):
            await run(archive, make_delivery(world_of({AUDIO: MP3}), results=[one(AUDIO)]))
    assert len(pretender.seen) == 200


class _Everything(dict[str, tuple[bytes, Mapping[str, str]]]):
    """Whatever is looked for is there."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> tuple[bytes, Mapping[str, str]]:
        return (JPEG, {})


async def test_manifest_and_lyrics_lie_beside_the_song(peer: S3Peer) -> None:
    archive, memory = make_archive(peer, key="{submission_id}/{role}.{ext}"), FakeNotes()
    track = make_track("tr-1", "Night Ferry", make_file("audio", AUDIO), lyrics="Föhn\nagain")
    world = World(media=FakeMedia({AUDIO: MP3}), memory=memory)
    await run(archive, make_delivery(world, results=[track]))
    folder = "sub_" + "2" * 32
    assert sorted(peer.objects(manifests=True)) == [
        f"{folder}/{name}" for name in ("audio.mp3", "lyrics.txt", "song.json")
    ]
    assert peer.objects()[f"{folder}/lyrics.txt"] == "Föhn\nagain\n".encode()
    assert peer.head(f"{folder}/lyrics.txt")["ContentType"] == "text/plain; charset=utf-8"
    assert peer.head(f"{folder}/lyrics.txt")["ContentDisposition"].startswith("attachment;")
    more = make_track(
        "tr-1", "Night Ferry", *track.files, make_file("image", "https://c.example/i"), lyrics="Föhn\nagain"
    )
    later = World(media=FakeMedia({"https://c.example/i": JPEG}), memory=memory)
    await run(archive, make_delivery(later, event=make_event("music.updated"), results=[more]))
    told = json.loads(peer.objects(manifests=True)[f"{folder}/song.json"])
    assert [file["role"] for file in told["files"]] == ["audio", "lyrics", "image"]
    assert len(peer.objects(manifests=True)) == 4


async def test_song_comes_over_a_real_connection(peer: S3Peer) -> None:
    big = MP3 * 700
    async with serve(answer(big)) as host:
        media = Media(["127.0.0.1"])
        try:
            receipt = await run(
                make_archive(peer), make_delivery(World(media=media), results=[one(f"{host.url}/a.mp3")])
            )
        finally:
            await media.close()
    assert peer.objects() == {provided(receipt)[0].key: big}
