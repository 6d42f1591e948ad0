"""What both archives make of a result: lyrics, timestamps, midi, and the manifest beside them."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from handlers.derived import derived_files
from handlers.shelf import Body, Wanted
from receiver.errors import TooLarge
from receiver.events import Result
from receiver.handler import ArchivedFile, PermanentFailure, Receipt, TargetFailure, TemporaryFailure
from tests.support.archives import AUDIO, DAY, make_archive, run, stored, world_of
from tests.support.deliveries import (
    HOSTILE_TITLES,
    JPEG,
    MP3,
    FakeMedia,
    FakeNotes,
    World,
    make_delivery,
    make_event,
    make_file,
    make_track,
)

WORDS = {"words": [{"word": "Night", "start": 1.5, "end": 2}, {"word": "ferry", "start": 2.1, "end": 3}]}
NOTE = {"pitch": 60, "start": 0, "end": 1, "velocity": 0.5}
NOTES = {"instruments": [{"name": "Piano", "notes": [NOTE]}]}
FOLDER = "sub_" + "2" * 32
TREE = "{submission_id}/{role}.{ext}"


def song(**fields: Any) -> Result:
    return make_track("tr-1", "Night Ferry", make_file("audio", AUDIO), **fields)


def bare(**fields: Any) -> Result:
    return Result(**{"id": "tr-1", "title": "Night Ferry", **fields})


async def archived(tmp_path: Path, *results: Result, world: World | None = None, **fields: Any) -> Receipt:
    world = world or world_of({AUDIO: MP3})
    kind, attempt = fields.pop("event", "music.complete"), fields.pop("attempt", 1)
    archive = make_archive(tmp_path, **{"key": TREE, **fields})
    delivery = make_delivery(world, event=make_event(kind), results=results, attempt=attempt)
    return await run(archive, delivery, manifests=True)


def manifest(tmp_path: Path) -> Any:
    return json.loads(stored(tmp_path, manifests=True)[f"{FOLDER}/song.json"])


async def test_everything_of_a_song_lies_together(tmp_path: Path) -> None:
    receipt = await archived(tmp_path, song(lyrics="Föhn\nagain", data=WORDS | NOTES))
    found = stored(tmp_path, manifests=True)
    assert sorted(found) == [
        f"{FOLDER}/{name}" for name in ("audio.mp3", "lyrics.txt", "midi.mid", "song.json", "timestamps.lrc")
    ]
    assert found[f"{FOLDER}/lyrics.txt"] == "Föhn\nagain\n".encode()
    assert found[f"{FOLDER}/timestamps.lrc"].endswith(b"[00:01.50]Night ferry\n")
    assert found[f"{FOLDER}/midi.mid"].startswith(b"MThd")
    assert [file.role for file in receipt.files] == ["audio", "lyrics", "timestamps", "midi", "song"]
    for file in receipt.files:
        assert file.sha256 == hashlib.sha256(found[file.key]).hexdigest()
        assert file.link == f"https://songs.example.com/files/tr-1-{file.role}"


async def test_default_template_tells_what_is_made_by_its_role(tmp_path: Path) -> None:
    await archived(tmp_path, song(lyrics="x", data=WORDS | NOTES), key="{date}/{title}-{result_id}.{ext}")
    stem = f"{DAY}/Night Ferry-tr-1"
    assert sorted(stored(tmp_path, manifests=True)) == [
        f"{stem}{rest}" for rest in ("-lyrics.txt", "-song.json", "-timestamps.lrc", ".mid", ".mp3")
    ]


@pytest.mark.parametrize(
    ("roles", "made"),
    [
        (["audio"], ["audio"]),
        (["lyrics"], ["lyrics"]),
        (["song"], ["song"]),
        (["midi", "timestamps"], ["timestamps", "midi"]),
        ("all", ["audio", "lyrics", "timestamps", "midi", "song"]),
    ],
)
async def test_roles_say_what_is_made(roles: Any, made: list[str], tmp_path: Path) -> None:
    receipt = await archived(tmp_path, song(lyrics="x", data=WORDS | NOTES), roles=roles)
    assert [file.role for file in receipt.files] == made


async def test_event_without_a_file_leaves_its_words(tmp_path: Path) -> None:
    receipt = await archived(tmp_path, bare(lyrics="la"), event="lyrics.complete")
    assert [file.role for file in receipt.files] == ["lyrics", "song"]
    assert stored(tmp_path) == {f"{FOLDER}/lyrics.txt": b"la\n"}


async def test_midi_of_the_provider_s_own_is_not_made_again(tmp_path: Path) -> None:
    mine = make_track("tr-1", "x", make_file("midi", AUDIO), data=NOTES)
    receipt = await archived(tmp_path, mine, world=world_of({AUDIO: b"MThd" + bytes(100)}))
    assert [file.role for file in receipt.files] == ["midi", "song"]
    assert stored(tmp_path) == {f"{FOLDER}/midi.mid": b"MThd" + bytes(100)}


MALFORMED: list[Any] = [
    {"words": 7},
    {"words": [{"word": "a"}]},
    {"words": [{"word": "a", "start": "soon", "end": 1}]},
    {"instruments": {"name": "Piano"}},
    {"instruments": [{"name": "Piano", "notes": [NOTE | {"pitch": 500}]}]},
    {"instruments": [{"name": "Piano", "notes": [NOTE | {"start": float("nan")}]}]},
]


@pytest.mark.parametrize("data", MALFORMED, ids=lambda data: ascii(data)[:40])
async def test_data_that_is_malformed_makes_no_file_and_a_warning(
    data: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receipt = await archived(tmp_path, song(data=data))
    assert [file.role for file in receipt.files] == ["audio", "song"]
    [line] = caplog.messages
    assert "no file is made of them" in line
    assert "soon" not in line


@pytest.mark.parametrize("data", [None, 7, "x", [1], {}, {"words": []}, {"voice_id": "v"}, {"instruments": None}])
def test_data_of_another_kind_makes_nothing_and_says_nothing(data: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert list(derived_files(bare(data=data, lyrics=" \n"), lambda _: True)) == []
    assert caplog.messages == []


@pytest.mark.parametrize("text", HOSTILE_TITLES.values(), ids=HOSTILE_TITLES)
async def test_hostile_text_is_kept_as_text(text: str, tmp_path: Path) -> None:
    result = make_track(text or "x", text, make_file("audio", AUDIO), lyrics=text, tags=text, model=text)
    await archived(tmp_path, result, key="{title}-{result_id}.{ext}")
    assert {path.parent for path in tmp_path.rglob("*.*")} == {tmp_path / "songs"}
    for name, body in stored(tmp_path, manifests=True).items():
        if name.endswith("song.json"):
            assert json.loads(body)["tags"] == text.encode(errors="replace").decode()


async def test_manifest_tells_the_song_and_its_files(tmp_path: Path) -> None:
    receipt = await archived(tmp_path, song(lyrics="la", model="chirp-v4"))
    told = manifest(tmp_path)
    audio = receipt.files[0]
    assert told["files"][0] == {
        "role": "audio",
        "key": audio.key,
        "size": audio.size,
        "sha256": audio.sha256,
        "media_type": "audio/mpeg",
        "link": audio.link,
    }
    del told["files"]
    assert told == {
        "title": "Night Ferry",
        "result_id": "tr-1",
        "submission_id": FOLDER,
        "task_id": "task-1",
        "provider": "suno",
        "operation": "generate",
        "model": "chirp-v4",
        "tags": "indie folk",
        "duration": 198.44,
        "lyrics": "la",
        "labels": {"project": "podcast"},
        "received_at": "2026-11-21T08:30:00.000Z",
        "missing": [],
    }


async def test_length_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    await archived(tmp_path, song(duration=float("nan")))
    assert manifest(tmp_path)["duration"] is None


async def test_manifest_grows_in_its_place(tmp_path: Path) -> None:
    memory = FakeNotes()
    await archived(tmp_path, song(), world=World(media=FakeMedia({AUDIO: MP3}), memory=memory))
    more = make_track("tr-1", "Night Ferry", make_file("audio", AUDIO), make_file("image", "https://c.example/i"))
    world = World(media=FakeMedia({"https://c.example/i": JPEG}), memory=memory)
    receipt = await archived(tmp_path, more, world=world, event="music.updated")
    assert sorted(stored(tmp_path, manifests=True)) == [
        f"{FOLDER}/{name}" for name in ("audio.mp3", "image.jpeg", "song.json")
    ]
    assert [file["role"] for file in manifest(tmp_path)["files"]] == ["audio", "image"]
    body = stored(tmp_path, manifests=True)[f"{FOLDER}/song.json"]
    assert receipt.files[-1].sha256 == hashlib.sha256(body).hexdigest()


async def test_nothing_is_written_where_nothing_has_changed(tmp_path: Path) -> None:
    memory = FakeNotes()
    world = World(media=FakeMedia({AUDIO: MP3}), memory=memory)
    first = await archived(tmp_path, song(lyrics="la", data=WORDS | NOTES), world=world)
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*.*")}
    writes = memory.writes
    later = make_event("music.updated", received_at=make_event().received_at.replace(hour=20))
    delivery = make_delivery(world, event=later, results=[song(lyrics="la", data=WORDS | NOTES)])
    assert await run(make_archive(tmp_path, key=TREE), delivery, manifests=True) == first
    assert {path: path.stat().st_ino for path in tmp_path.rglob("*.*")} == before
    assert memory.writes == writes + 1


async def test_words_that_changed_are_written_over_their_own(tmp_path: Path) -> None:
    memory = FakeNotes()
    for words in ("la", "la la"):
        world = World(media=FakeMedia({AUDIO: MP3}), memory=memory)
        await archived(tmp_path, song(lyrics=words), world=world)
    assert stored(tmp_path)[f"{FOLDER}/lyrics.txt"] == b"la la\n"
    assert len(stored(tmp_path, manifests=True)) == 3


async def test_manifest_that_somebody_edited_is_not_overwritten(tmp_path: Path) -> None:
    memory = FakeNotes()
    await archived(tmp_path, song(), world=World(media=FakeMedia({AUDIO: MP3}), memory=memory))
    (tmp_path / "songs" / FOLDER / "song.json").write_text("mine")
    await archived(tmp_path, song(), world=World(media=FakeMedia({AUDIO: MP3}), memory=memory))
    assert stored(tmp_path, manifests=True)[f"{FOLDER}/song.json"] == b"mine"
    assert f"{FOLDER}/song-2.json" in stored(tmp_path, manifests=True)


async def test_manifest_says_what_is_missing_and_why(tmp_path: Path) -> None:
    both = make_track("tr-1", "Night Ferry", make_file("audio", AUDIO), make_file("image", "https://c.example/i"))
    world = world_of({AUDIO: MP3, "https://c.example/i": TooLarge("above\n512 MiB")})
    await archived(tmp_path, both, world=world)
    assert manifest(tmp_path)["missing"] == [{"role": "image", "reason": "image of Night Ferry: above 512 MiB"}]


async def test_song_of_which_nothing_was_kept_has_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(PermanentFailure):
        await archived(tmp_path, song(), world=world_of({AUDIO: TooLarge("above 512 MiB")}))
    assert stored(tmp_path, manifests=True) == {}


async def test_words_alone_are_no_song(tmp_path: Path) -> None:
    with pytest.raises(PermanentFailure, match="above 512 MiB"):
        await archived(tmp_path, song(lyrics="la"), world=world_of({AUDIO: TooLarge("above 512 MiB")}))


async def test_words_that_find_no_place_leave_the_song_delivered(tmp_path: Path) -> None:
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "lyrics").write_text("a file where the folder should be")
    receipt = await archived(tmp_path, song(lyrics="la"), key="{role}/x.{ext}")
    assert [file.role for file in receipt.files] == ["audio", "song"]
    assert receipt.details["missing"].startswith("lyrics of Night Ferry: there is no place for it in ")


async def test_words_that_find_no_place_fail_where_there_is_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "lyrics").write_text("a file where the folder should be")
    with pytest.raises(PermanentFailure):
        await archived(tmp_path, bare(lyrics="la"), key="{role}/x.{ext}", roles=["lyrics"])


async def test_disk_that_cannot_be_written_pauses_for_words_too(tmp_path: Path) -> None:
    (tmp_path / "songs").write_text("a file")
    with pytest.raises(TargetFailure):
        await archived(tmp_path, bare(lyrics="la"))


@pytest.mark.parametrize(("attempt", "delivered"), [(1, False), (3, False), (4, True)])
async def test_words_hold_a_finished_song_back_for_three_tries_only(
    attempt: int, delivered: bool, tmp_path: Path
) -> None:
    archive = make_archive(tmp_path, key=TREE)
    shelf = _Moody()
    delivery = make_delivery(world_of({AUDIO: MP3}), results=[song(lyrics="la")], attempt=attempt)
    if delivered:
        receipt = await archive.archive(delivery, shelf)
        assert [file.role for file in receipt.files] == ["audio", "song"]
        assert receipt.details["missing"] == "lyrics of Night Ferry: not now"
    else:
        with pytest.raises(TemporaryFailure, match="lyrics of Night Ferry: not now"):
            await archive.archive(delivery, shelf)


class _Moody:
    """A shelf that takes everything but lyrics."""

    def room(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def holds(self, file: ArchivedFile) -> bool:
        return True

    async def put(self, wanted: Wanted, body: Body, keys: Iterator[str]) -> str:
        if wanted.role == "lyrics":
            raise TemporaryFailure("not now")
        async for _ in body.blocks(1000):
            pass
        return next(keys)

    async def replace(self, wanted: Wanted, body: Body, key: str) -> None:
        raise AssertionError("nothing is known yet")
