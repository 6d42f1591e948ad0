import asyncio
import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from receiver.handler import Outcome, PermanentFailure, TargetFailure, TemporaryFailure
from receiver.outbound import Media
from tests.support.archives import AUDIO, DAY, make_archive, one, run, stored, world_of
from tests.support.deliveries import (
    HOSTILE_TITLES,
    MP3,
    FakeMedia,
    World,
    make_delivery,
    make_event,
    make_file,
    make_track,
)
from tests.support.peers import answer, serve, truncate


@pytest.mark.parametrize("title", HOSTILE_TITLES.values(), ids=HOSTILE_TITLES)
async def test_hostile_title_and_id_stay_inside_the_directory(tmp_path: Path, title: str) -> None:
    track = make_track(title, title, make_file("audio", AUDIO), make_file(title or "x", "https://c.example/x"))
    event = make_event(labels={"project": title}, task_id=title, operation=title, provider=title)
    archive = make_archive(
        tmp_path, key="{provider}/{labels[project]}/{title}-{result_id}{task_id}{operation}{role}.{ext}"
    )
    delivery = make_delivery(world_of({AUDIO: MP3, "https://c.example/x": MP3 + b"x"}), event=event, results=[track])
    receipt = await run(archive, delivery)
    assert list(tmp_path.iterdir()) == [tmp_path / "songs"]
    parts = [part for file in receipt.files for part in Path(file.key).parts]
    assert all(len(part.encode()) <= 120 and not part.startswith(".") for part in parts)
    assert all(key.endswith(".mp3") for key in stored(tmp_path))
    assert len(stored(tmp_path)) == 2


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "a/../../x", "", ".", "a\0b", "out/x", "loop/x"])
def test_key_that_leads_out_is_not_served(tmp_path: Path, key: str) -> None:
    archive = make_archive(tmp_path)
    archive.directory.mkdir()
    (archive.directory / "out").symlink_to(tmp_path)
    (archive.directory / "loop").symlink_to(archive.directory / "loop")
    with pytest.raises(PermanentFailure):
        archive.path(key)


async def test_link_that_leads_out_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    archive = make_archive(tmp_path)
    archive.directory.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (archive.directory / DAY).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermanentFailure, match="leads out of"):
        await archive.handle(make_delivery(world_of({AUDIO: MP3}), results=[one(AUDIO)]))
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("key", ["a/{title}.{ext}", "a/b/{title}.{ext}"], ids=["the folder", "a folder above it"])
async def test_file_in_place_of_a_folder_of_the_key_stops_only_this_delivery(tmp_path: Path, key: str) -> None:
    archive = make_archive(tmp_path, key=key)
    archive.directory.mkdir()
    (archive.directory / "a").write_text("a file")
    with pytest.raises(PermanentFailure, match=r"no place for it in .*songs: "):
        await archive.handle(make_delivery(world_of({AUDIO: MP3}), results=[one(AUDIO)]))


async def test_key_that_is_too_long_for_the_disk_stops_only_this_delivery(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, key="/".join(["{labels[x]}" * 3] * 60) + "/{title}.{ext}")
    event = make_event(labels={"x": "y" * 40})
    with pytest.raises(PermanentFailure, match="File name too long"):
        await archive.handle(make_delivery(world_of({AUDIO: MP3}), event=event, results=[one(AUDIO)]))


@pytest.mark.parametrize(
    "directory",
    ["loop", "file/songs", "x" * 300],
    ids=["a loop of links", "below a file", "a name that is too long"],
)
async def test_directory_that_cannot_be_there_pauses_the_handler(tmp_path: Path, directory: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_text("a file")
    archive = make_archive(tmp_path, directory=str(tmp_path / directory))
    with pytest.raises(TargetFailure):
        await archive.handle(make_delivery(world_of({AUDIO: MP3}), results=[one(AUDIO)]))


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        *((number, PermanentFailure) for number in (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)),
        *(
            (number, TargetFailure)
            for number in (errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOENT, errno.EPERM)
        ),
    ],
    ids=lambda value: errno.errorcode.get(value, "") if isinstance(value, int) else "",
)
async def test_what_the_disk_says_is_about_the_key_or_about_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, outcome: type[Outcome]
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(outcome, match=os.strerror(number)):
        await make_archive(tmp_path).handle(make_delivery(world_of({AUDIO: MP3}), results=[one(AUDIO)]))
    assert stored(tmp_path) == {}


async def test_low_disk_stops_archives_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10**9, 10**9, 41_000_000))
    world = World(media=FakeMedia({AUDIO: MP3}), free_disk=50_000_000)
    with pytest.raises(TargetFailure, match=r"only 41 MB free on the disk of .*songs; below limits.free_disk"):
        await make_archive(tmp_path).handle(make_delivery(world, results=[one(AUDIO)]))
    world.free_disk = 41_000_000
    await run(make_archive(tmp_path), make_delivery(world, results=[one(AUDIO)]))


async def test_directory_that_cannot_be_made_pauses_the_handler(tmp_path: Path) -> None:
    (tmp_path / "songs").write_text("a file")
    with pytest.raises(TargetFailure, match=r"can't write to .*songs: "):
        await make_archive(tmp_path).handle(make_delivery(world_of({AUDIO: MP3}), results=[one(AUDIO)]))


async def test_full_disk_pauses_the_handler_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TargetFailure, match="No space left on device"):
        await make_archive(tmp_path).handle(make_delivery(world_of({AUDIO: MP3}), results=[one(AUDIO)]))
    assert stored(tmp_path) == {}


async def test_file_system_without_hard_links_overwrites_nothing_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    archive = make_archive(tmp_path, key="{title}.{ext}")
    for body in (MP3, MP3, MP3 + b"other"):
        await run(archive, make_delivery(world_of({AUDIO: body}), results=[one(AUDIO)]))
    assert stored(tmp_path) == {"Night Ferry.mp3": MP3, "Night Ferry-audio.mp3": MP3 + b"other"}


async def test_bytes_and_folder_are_on_disk_before_the_receipt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def note(handle: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        real(handle)

    monkeypatch.setattr(os, "fsync", note)
    archive = make_archive(tmp_path, roles=["audio"])
    await run(archive, make_delivery(world_of({AUDIO: MP3}), results=[one(AUDIO)]))
    assert synced[0].endswith(".partial")
    assert synced[1:] == [str(archive.directory / DAY), str(archive.directory)]


async def test_leftover_of_a_killed_attempt_is_cleared_away(tmp_path: Path) -> None:
    archive, world = make_archive(tmp_path, roles=["audio"]), world_of({AUDIO: MP3})
    delivery = make_delivery(world, results=[one(AUDIO)], attempt=2)
    folder = archive.directory / DAY
    folder.mkdir(parents=True)
    (folder / f".{delivery.id}.1.partial").write_bytes(b"half")
    (folder / ".dlv_other.1.partial").write_bytes(b"someone else's")
    await run(archive, delivery)
    assert [path.name for path in sorted(folder.iterdir())] == [".dlv_other.1.partial", "Night Ferry-tr-1.mp3"]


async def test_large_file_is_written_in_blocks(tmp_path: Path) -> None:
    chunks = [b"ID3\x04" + bytes(70_000), *(bytes([n]) * 100_000 for n in range(40))]
    receipt = await run(make_archive(tmp_path), make_delivery(world_of({AUDIO: chunks}), results=[one(AUDIO)]))
    assert receipt.files[0].size == 4_070_004
    assert stored(tmp_path)[receipt.files[0].key] == b"".join(chunks)


async def test_two_deliveries_at_once_do_not_share_a_name(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, key="{title}.{ext}")
    bodies = [MP3 + bytes([n]) for n in range(8)]
    tracks = [make_track(f"tr-{n}", "Song", make_file("audio", AUDIO)) for n in range(8)]
    deliveries = [
        make_delivery(world_of({AUDIO: body}), results=[track], attempt=n)
        for n, (body, track) in enumerate(zip(bodies, tracks, strict=True))
    ]
    # Different deliveries in truth: a shared id would have them clear each other's leftovers away.
    await asyncio.gather(*(run(archive, replace(delivery, id=f"dlv_{n}")) for n, delivery in enumerate(deliveries)))
    assert sorted(stored(tmp_path).values()) == sorted(bodies)


async def test_song_comes_over_a_real_connection(tmp_path: Path) -> None:
    big = MP3 * 300
    async with serve(answer(big)) as peer:
        media = Media(["127.0.0.1"])
        try:
            receipt = await run(
                make_archive(tmp_path), make_delivery(World(media=media), results=[one(f"{peer.url}/a b.mp3?s=%2F")])
            )
        finally:
            await media.close()
    assert stored(tmp_path) == {receipt.files[0].key: big}
    assert peer.seen[0].target == "/a%20b.mp3?s=%2F"


@pytest.mark.parametrize(
    ("reply", "stale"),
    [(truncate(MP3, len(MP3) + 5), False), (answer(b""), True), (answer(b"<html>"), True), (answer(b"", 441), True)],
    ids=["truncated", "empty", "html", "expired"],
)
async def test_broken_download_over_a_real_connection_is_not_kept(tmp_path: Path, reply: Any, stale: bool) -> None:
    async with serve(reply) as peer:
        media = Media(["127.0.0.1"])
        try:
            with pytest.raises(TemporaryFailure) as caught:
                await make_archive(tmp_path).handle(make_delivery(World(media=media), results=[one(peer.url)]))
        finally:
            await media.close()
    assert caught.value.stale is stale
    assert stored(tmp_path) == {}


async def test_link_to_a_file_outside_does_not_count_as_archived(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, key="{title}.{ext}")
    archive.directory.mkdir()
    (tmp_path / "outside").write_bytes(MP3)
    (archive.directory / "Night Ferry.mp3").symlink_to(tmp_path / "outside")
    receipt = await run(archive, make_delivery(world_of({AUDIO: MP3}), results=[one(AUDIO)]))
    assert receipt.files[0].key == "Night Ferry-audio.mp3"
