import logging
from pathlib import Path

import pytest

from handlers.roles import ROLES, role_advice
from receiver.errors import ConfigError
from receiver.settings import load
from tests.support.archives import make_archive, run, world_of
from tests.support.deliveries import make_delivery, make_event, make_file, make_track, make_web

WRONG = {
    "audio": "mp3 .mp3 MP3 m4a flac ogg audio/mpeg songs music track Audio audios",
    "image": "jpg jpeg png webp image/png cover iamge",
    "video": "mp4 webm mov",
    "midi": "mid",
    "stream": "preview",
    "vocals": "vocal",
    "backing_vocals": "backing_vocal",
    "drums": "drum",
    "lyrics": "lyric text words .txt",
    "timestamps": "lrc timestamp",
    "song": "manifest json song.json",
}


@pytest.mark.parametrize(("word", "meant"), [(word, role) for role, words in WRONG.items() for word in words.split()])
def test_a_word_that_is_no_role_gets_the_role_that_was_meant(word: str, meant: str) -> None:
    assert role_advice(word) == f"did you mean {meant}?"


@pytest.mark.parametrize("word", ["stem", "stems", "all"])
def test_a_word_that_no_role_stands_for_gets_a_remedy(word: str) -> None:
    assert role_advice(word)


@pytest.mark.parametrize(
    "word", [*sorted(ROLES), "choir", "lead_vocals", "e_guitar", "audio_wav", "audioWav", "kick", "Bläser"]
)
def test_roles_and_names_of_stems_are_taken(word: str) -> None:
    assert role_advice(word) is None


def mistakes(folder: Path, roles: str) -> list[str]:
    path = folder / "receiver.yaml"
    text = f"handlers:\n  archive:\n    type: file\n    directory: data\n    roles: {roles}\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return [sentence.removeprefix(f"{path}:5: handlers.archive.roles: ") for sentence in caught.value.mistakes]


def test_every_wrong_role_is_told_by_its_place(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "[mp3, audio, jpg]")
    assert found == ["number 1 is no role; did you mean audio? number 3 is no role; did you mean image?"]


def test_an_empty_list_of_roles_is_a_mistake(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "[]") == [
        "is empty, so nothing would be kept; write all, or a list such as [audio, image]"
    ]


@pytest.mark.parametrize(
    ("kind", "files", "warned"),
    [
        ("music.complete", ["audio", "image"], True),
        ("music.complete", ["choir", "image"], False),
        ("music.complete", [], False),
        ("music.first", ["audio", "image"], False),
        ("submission.lost", ["audio", "image"], False),
    ],
    ids=["nothing fits", "one fits", "no files", "not complete", "an alarm"],
)
async def test_an_archive_that_keeps_nothing_of_a_finished_song_warns(
    kind: str, files: list[str], warned: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    track = make_track("tr-1", "x", *(make_file(role) for role in files or ["none"]))
    results = [track] if files else []
    delivery = make_delivery(world_of(make_web(track)), event=make_event(kind), results=results)
    await run(make_archive(tmp_path, roles=["choir"]), delivery)
    said = f"sub_{'2' * 32} is complete and nothing of it is archived: `roles` leaves out audio, image"
    assert caplog.messages == ([said] if warned else [])
