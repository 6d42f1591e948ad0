import hashlib
import logging
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from handlers import archiving
from receiver.errors import AddressRefused, LinkDead, TooLarge, Unreachable
from receiver.handler import Outcome, PermanentFailure, Receipt, TemporaryFailure
from tests.support.archives import AUDIO, DAY, make_archive, one, run, stored, world_of
from tests.support.deliveries import (
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


async def test_files_of_a_track_are_archived_with_lasting_links(tmp_path: Path) -> None:
    track = make_track()
    web = make_web(track)
    receipt = await run(make_archive(tmp_path), make_delivery(World(media=FakeMedia(web))))
    audio, image = receipt.files
    body = web[AUDIO]
    assert isinstance(body, bytes)
    assert stored(tmp_path)[audio.key] == body
    assert audio.key == f"{DAY}/Night Ferry-tr-1.mp3"
    assert (audio.size, audio.sha256, audio.media_type) == (len(body), hashlib.sha256(body).hexdigest(), "audio/mpeg")
    assert audio.link == "https://songs.example.com/files/tr-1-audio"
    assert image.key == f"{DAY}/Night Ferry-tr-1.jpeg"
    assert len(stored(tmp_path)) == 2


async def test_event_without_files_makes_an_empty_receipt(tmp_path: Path) -> None:
    assert await run(make_archive(tmp_path), make_delivery(results=[])) == Receipt()
    assert not (tmp_path / "songs").exists()


@pytest.mark.parametrize(
    ("roles", "taken"),
    [("all", ["audio", "image"]), (["audio"], ["audio"]), (["stream", "image"], ["stream", "image"])],
)
async def test_roles_say_which_files_are_kept(tmp_path: Path, roles: Any, taken: list[str]) -> None:
    track = make_track("tr-1", "x", make_file("audio"), make_file("stream"), make_file("image"))
    receipt = await run(make_archive(tmp_path, roles=roles), make_delivery(world_of(make_web(track)), results=[track]))
    assert sorted(file.role for file in receipt.files) == sorted(taken)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("{provider}/{operation}/{labels[project]}/{role}.{ext}", "suno/generate/podcast/audio.mp3"),
        ("{labels[nobody]}/{title}", "none/Night Ferry.mp3"),
        ("{task_id}-{{x}}.{ext}", "task-1-{x}.mp3"),
        ("./a//{title}.{ext}", "a/Night Ferry.mp3"),
    ],
)
async def test_key_follows_the_template(tmp_path: Path, key: str, expected: str) -> None:
    archive = make_archive(tmp_path, key=key, prefix="in/here")
    receipt = await run(archive, make_delivery(world_of({AUDIO: MP3}), results=[one(AUDIO)]))
    assert receipt.files[0].key == f"in/here/{expected}"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"key": "{artist}.{ext}"}, "knows no {artist}: write date, ext, operation"),
        ({"key": "{labels}"}, "knows no {labels}"),
        ({"key": "{title"}, "has a brace without its partner"),
        ({"key": "{title.__class__}"}, "knows no {title.__class__}"),
        ({"key": "{title!r}"}, "takes plain names in braces"),
        ({"key": "{date:%Y}"}, "takes plain names in braces"),
        ({"key": "{}"}, "takes plain names in braces"),
        ({"key": "../{title}"}, "must stay inside the archive"),
        ({"key": "/{title}"}, "must stay inside the archive"),
        ({"prefix": "a/../../b"}, "must stay inside the archive"),
        ({"links": "public"}, "Input should be 'receiver'"),
    ],
)
def test_mistake_in_the_configuration_is_named(tmp_path: Path, fields: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        make_archive(tmp_path, **fields)
    assert message in str(caught.value)


async def test_tracks_and_roles_of_one_name_never_share_a_file(tmp_path: Path) -> None:
    tracks = [
        make_track(
            ident,
            title,
            make_file("audio", f"https://c.example/{ident}"),
            make_file("wav", f"https://c.example/{ident}w"),
        )
        for ident, title in (("a", "Song"), ("b", "song"), ("c", "SONG"))
    ]
    web: dict[str, bytes | Script] = {file.url: MP3 + file.url.encode() for track in tracks for file in track.files}
    receipt = await run(make_archive(tmp_path, key="{title}.{ext}"), make_delivery(world_of(web), results=tracks))
    keys = [file.key for file in receipt.files]
    assert keys == [
        "Song.mp3",
        "Song-wav.mp3",
        "song-audio.mp3",
        "song-wav-2.mp3",
        "SONG-audio-2.mp3",
        "SONG-wav-3.mp3",
    ]
    assert len({key.casefold() for key in keys}) == 6
    assert {file.sha256 for file in receipt.files} == {
        hashlib.sha256(body).hexdigest() for body in stored(tmp_path).values()
    }


async def test_stems_carry_their_role_and_equal_roles_a_number(tmp_path: Path) -> None:
    files = [make_file(role, f"https://c.example/{at}") for at, role in enumerate(("vocals", "drums", "drums"))]
    track = make_track("tr-1", "x", *files)
    receipt = await run(
        make_archive(tmp_path),
        make_delivery(world_of({file.url: MP3 + file.url.encode() for file in files}), results=[track]),
    )
    assert [(file.role, file.key) for file in receipt.files] == [
        ("vocals", f"{DAY}/x-tr-1-vocals.mp3"),
        ("drums", f"{DAY}/x-tr-1-drums.mp3"),
        ("drums-2", f"{DAY}/x-tr-1-drums-2.mp3"),
    ]


async def test_file_of_another_submission_is_not_overwritten(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, key="{title}.{ext}")
    for body in (MP3, MP3 + b"other"):
        await run(archive, make_delivery(world_of({AUDIO: body}), results=[one(AUDIO)]))
    assert stored(tmp_path) == {"Night Ferry.mp3": MP3, "Night Ferry-audio.mp3": MP3 + b"other"}


@pytest.mark.parametrize("remembers", [True, False])
async def test_same_delivery_twice_doubles_nothing(tmp_path: Path, remembers: bool) -> None:
    web = make_web(make_track())
    first = World(media=FakeMedia(web))
    again = first if remembers else World(media=FakeMedia(web))
    archive = make_archive(tmp_path)
    receipts = [await run(archive, make_delivery(world)) for world in (first, again)]
    assert receipts[0] == receipts[1]
    assert len(stored(tmp_path)) == 2


async def test_later_event_does_not_fetch_an_archived_file_again(tmp_path: Path) -> None:
    archive, memory = make_archive(tmp_path), FakeNotes()
    track = make_track()
    await run(archive, make_delivery(World(media=FakeMedia(make_web(track)), memory=memory)))
    later = FakeMedia({"https://c.example/v": b"\0\0\0\x20ftypisom" + b"v" * 900})
    more = make_track(
        "tr-1", "New title", make_file("audio", "https://c.example/moved"), make_file("video", "https://c.example/v")
    )
    world = World(media=later, memory=memory, link=lambda _result, role: f"https://new.example.com/{role}")
    receipt = await run(archive, make_delivery(world, event=make_event("music.updated"), results=[more]))
    assert later.asked == ["https://c.example/v"]
    assert [file.key for file in receipt.files] == [f"{DAY}/Night Ferry-tr-1.mp3", f"{DAY}/New title-tr-1.mp4"]
    assert receipt.files[0].link == "https://new.example.com/audio"


async def test_retry_fetches_only_what_is_missing(tmp_path: Path) -> None:
    archive, progress = make_archive(tmp_path), FakeNotes()
    track = make_track()
    web = make_web(track)
    half = FakeMedia(web | {track.files[1].url: Unreachable("cut off")})
    with pytest.raises(TemporaryFailure):
        await archive.handle(make_delivery(World(media=half, progress=progress)))
    assert progress.value["files"][0]["key"] == f"{DAY}/Night Ferry-tr-1.mp3"
    whole = FakeMedia(web)
    receipt = await run(archive, make_delivery(World(media=whole, progress=progress), attempt=2))
    assert whole.asked == [track.files[1].url]
    assert len(receipt.files) == 2


async def test_half_a_delivery_is_remembered_for_later_events(tmp_path: Path) -> None:
    archive, memory, track = make_archive(tmp_path), FakeNotes(), make_track()
    web = make_web(track)
    half = FakeMedia(web | {track.files[1].url: Unreachable("cut off")})
    with pytest.raises(TemporaryFailure):
        await archive.handle(make_delivery(World(media=half, memory=memory)))
    later = FakeMedia(web)
    await run(archive, make_delivery(World(media=later, memory=memory), event=make_event("music.updated")))
    assert later.asked == [track.files[1].url]


async def test_crash_between_the_two_notes_is_made_good(tmp_path: Path) -> None:
    archive, progress = make_archive(tmp_path), FakeNotes()
    await run(archive, make_delivery(World(media=FakeMedia(make_web(make_track())), progress=progress)))
    memory = FakeNotes()
    await run(archive, make_delivery(World(progress=progress, memory=memory), attempt=2))
    assert memory.value == progress.value


async def test_address_that_is_given_twice_is_asked_once(tmp_path: Path) -> None:
    media = FakeMedia({AUDIO: Unreachable("cut")})
    with pytest.raises(TemporaryFailure):
        await make_archive(tmp_path).handle(make_delivery(World(media=media), results=[one(AUDIO, AUDIO)]))
    assert media.asked == [AUDIO]


@pytest.mark.parametrize("harm", ["gone", "shortened"])
async def test_file_that_was_lost_is_fetched_again(tmp_path: Path, harm: str) -> None:
    archive, world = make_archive(tmp_path), world_of({AUDIO: MP3})
    delivery = make_delivery(world, results=[one(AUDIO)])
    path = archive.path((await run(archive, delivery)).files[0].key)
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(b"ID3")
    receipt = await run(archive, delivery)
    assert archive.path(receipt.files[0].key).read_bytes() == MP3
    assert (archive.path(receipt.files[0].key) == path) is (harm == "gone")


async def test_notes_of_another_version_are_ignored(tmp_path: Path) -> None:
    world = World(
        media=FakeMedia({AUDIO: MP3}), progress=FakeNotes({"files": [{"key": 3}]}), memory=FakeNotes({"files": 7})
    )
    assert len((await run(make_archive(tmp_path), make_delivery(world, results=[one(AUDIO)]))).files) == 1


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"<html>sorry</html>",
        b'{"code":404}',
        JPEG,
        LinkDead("dead"),
        AddressRefused("private"),
        [MP3, Unreachable("cut")],
    ],
    ids=["empty", "html", "json", "picture", "dead", "refused", "cut off"],
)
async def test_bad_download_gives_way_to_the_next_address(tmp_path: Path, bad: Any) -> None:
    web = {AUDIO: bad, "https://c.example/other": MP3}
    receipt = await run(
        make_archive(tmp_path), make_delivery(world_of(web), results=[one(AUDIO, AUDIO, "https://c.example/other")])
    )
    assert stored(tmp_path) == {receipt.files[0].key: MP3}


@pytest.mark.parametrize(
    ("bad", "stale"),
    [
        (b"", True),
        (b"<html>", True),
        (JPEG, True),
        (LinkDead("dead"), True),
        (Unreachable("cut"), False),
        ([MP3, Unreachable("cut")], False),
        ([MP3, LinkDead("gone meanwhile")], True),
    ],
)
async def test_failed_download_asks_for_fresh_links_where_that_helps(tmp_path: Path, bad: Any, stale: bool) -> None:
    delivery = make_delivery(world_of({AUDIO: bad}), results=[one(AUDIO)])
    with pytest.raises(TemporaryFailure) as caught:
        await make_archive(tmp_path).handle(delivery)
    assert caught.value.stale is stale
    assert caught.value.reason.startswith("audio of Night Ferry: ")
    assert stored(tmp_path) == {}


@pytest.mark.parametrize("failure", [AddressRefused("10.0.0.1 is private"), TooLarge("above 512 MiB")])
async def test_delivery_is_dead_only_when_every_address_was_refused(tmp_path: Path, failure: Exception) -> None:
    web: dict[str, bytes | Script] = {AUDIO: failure, "https://c.example/b": failure}
    with pytest.raises(PermanentFailure, match="audio of Night Ferry"):
        await make_archive(tmp_path).handle(make_delivery(world_of(web), results=[one(AUDIO, "https://c.example/b")]))
    web["https://c.example/b"] = LinkDead("dead")
    with pytest.raises(TemporaryFailure):
        await make_archive(tmp_path).handle(make_delivery(world_of(web), results=[one(AUDIO, "https://c.example/b")]))


async def test_longest_wait_that_a_host_asks_for_is_passed_on(tmp_path: Path) -> None:
    slow = TemporaryFailure("429", retry_after=timedelta(seconds=90))
    with pytest.raises(TemporaryFailure) as caught:
        await make_archive(tmp_path).handle(make_delivery(world_of({AUDIO: slow}), results=[one(AUDIO)]))
    assert caught.value.retry_after == timedelta(seconds=90)


async def test_one_dead_file_does_not_stop_the_others(tmp_path: Path) -> None:
    track = make_track()
    web = make_web(track) | {AUDIO: LinkDead("dead")}
    with pytest.raises(TemporaryFailure):
        await make_archive(tmp_path).handle(make_delivery(world_of(web), results=[track]))
    assert list(stored(tmp_path)) == [f"{DAY}/Night Ferry-tr-1.jpeg"]


REFUSED = TooLarge("above\n512 MiB")


async def test_what_was_kept_is_reachable_although_the_rest_is_refused_for_good(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracks = [make_track("tr-1"), make_track("tr-2", "Two\nlines"), make_track("tr-3", "Three")]
    broken: dict[str, bytes | Script] = {tracks[1].files[0].url: REFUSED, tracks[2].files[1].url: REFUSED}
    world = world_of(make_web(*tracks) | broken)
    receipt = await run(make_archive(tmp_path), make_delivery(world, results=tracks))
    kept = [(file.result_id, file.role) for file in receipt.files]
    assert kept == [("tr-1", "audio"), ("tr-1", "image"), ("tr-2", "image"), ("tr-3", "audio")]
    missing = "audio of Two lines: above 512 MiB; image of Three: above 512 MiB"
    assert receipt.details == {"missing": missing}
    (line,) = caplog.records
    assert (line.levelno, line.message.endswith(missing)) == (logging.WARNING, True)
    assert world.memory.value == world.progress.value


async def test_whole_archive_misses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    receipt = await run(make_archive(tmp_path), make_delivery(world_of(make_web(make_track()))))
    assert receipt.details == {}
    assert caplog.records == []


@pytest.mark.parametrize(
    ("roles", "refused", "outcome"),
    [
        ("all", ["audio"], PermanentFailure),
        ("all", ["audio", "image"], PermanentFailure),
        (["image"], ["image"], PermanentFailure),
        ("all", ["image"], None),
        (["image", "stream"], ["stream"], None),
    ],
    ids=["only a cover", "nothing", "nothing of the one role", "all but the cover", "covers are all that is wanted"],
)
async def test_a_cover_alone_is_no_song(
    tmp_path: Path, roles: Any, refused: list[str], outcome: type[Outcome] | None
) -> None:
    track = make_track("tr-1", "x", *(make_file(role) for role in ("audio", "image", "stream")))
    web = make_web(track) | {file.url: REFUSED for file in track.files if file.role in refused}
    archive, delivery = make_archive(tmp_path, roles=roles), make_delivery(world_of(web), results=[track])
    if outcome is None:
        assert "above 512 MiB" in (await run(archive, delivery)).details["missing"]
    else:
        with pytest.raises(outcome):
            await archive.handle(delivery)


async def test_what_may_still_come_is_tried_again_beside_what_never_will(tmp_path: Path) -> None:
    tracks = [make_track("tr-1"), make_track("tr-2")]
    broken: dict[str, bytes | Script] = {tracks[1].files[0].url: REFUSED, tracks[1].files[1].url: Unreachable("cut")}
    with pytest.raises(TemporaryFailure, match="cut"):
        await make_archive(tmp_path).handle(make_delivery(world_of(make_web(*tracks) | broken), results=tracks))


async def test_a_long_list_of_what_is_missing_is_cut(tmp_path: Path) -> None:
    tracks = [make_track(f"tr-{n}", "x" * 50) for n in range(30)]
    web: dict[str, bytes | Script] = {file.url: REFUSED for track in tracks[1:] for file in track.files}
    delivery = make_delivery(world_of(make_web(tracks[0]) | web), results=tracks)
    assert len((await run(make_archive(tmp_path), delivery)).details["missing"]) == 1000


async def test_one_delivery_brings_so_many_files_and_says_how_many_it_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(archiving, "MOST_FILES", 3)
    tracks = [make_track(f"tr-{n}") for n in range(4)]
    receipt = await run(make_archive(tmp_path), make_delivery(world_of(make_web(*tracks)), results=tracks))
    kept = [(file.result_id, file.role) for file in receipt.files]
    assert kept == [("tr-0", "audio"), ("tr-0", "image"), ("tr-1", "audio")]
    assert receipt.details == {"missing": "5 more files than the 3 that one delivery may bring"}
    assert "5 more files" in caplog.text


def test_many_tracks_are_listed_in_a_moment(tmp_path: Path) -> None:
    drums = [make_file("drums", f"https://c.example/{n}") for n in range(8000)]
    tracks = [*(make_track(f"tr-{n}") for n in range(8000)), make_track("x", "x", *drums)]
    began = time.process_time()
    wanted = list(make_archive(tmp_path).wanted(tracks))
    assert time.process_time() - began < 1
    assert len({(one.result.id, one.role) for one in wanted}) == 24_000


def test_number_of_a_role_is_one_that_is_free(tmp_path: Path) -> None:
    files = [make_file(role) for role in ("drums-2", "drums", "drums", "drums-2", "drums")]
    wanted = make_archive(tmp_path).wanted([make_track("tr-1", "x", *files)])
    assert [one.role for one in wanted] == ["drums-2", "drums", "drums-3", "drums-2-2", "drums-4"]
