import json
from typing import Any

import pytest
from pydantic import SecretStr

from receiver.events import File, Kind, Result, Stage
from receiver.providers.base import Operation, Reply
from receiver.providers.made import stem_role
from receiver.providers.sunoapi import SunoApi
from receiver.stages import Report
from tests.support.provider_samples import load_samples

SUNO = SunoApi(type="sunoapi", api_key=SecretStr("key"))
SAMPLES = {(one.folder, one.name): one for one in load_samples("sunoapi")}
X = "https://files.example/"
NAMES = {Kind.VIDEO: "mp4"}
OTHER = Operation(name="other", kind=Kind.OTHER, path="/api/v1/brand-new")


def parse(kind: Kind, name: str) -> Report:
    found = SAMPLES[kind, name]
    operation = SUNO.operation(NAMES.get(kind, kind.value))
    if found.what == "callback":
        return SUNO.parse_callback(operation, {}, found.body)
    return SUNO.parse_status(operation, Reply(status=200, body=found.body))


@pytest.mark.parametrize(
    ("kind", "name", "file"),
    [
        (Kind.WAV, "callback.complete.one-wav", File("wav", X + "ferry.wav")),
        (Kind.WAV, "callback.complete.snake-case", File("wav", X + "ferry.wav")),
        (Kind.WAV, "status.complete.success", File("wav", X + "ferry.wav")),
        (Kind.WAV, "status.complete.callback-exception-with-file", File("wav", X + "ferry.wav")),
        (Kind.VIDEO, "callback.complete.one-video", File("video", X + "ferry.mp4")),
        (Kind.VIDEO, "callback.complete.code-0", File("video", X + "ferry.mp4")),
        (Kind.VIDEO, "status.complete.success", File("video", X + "ferry.mp4")),
    ],
)
def test_single_file_is_one_result(kind: Kind, name: str, file: File) -> None:
    assert parse(kind, name) == Report(
        stage=Stage.COMPLETE, task_id="6f1c0e52a9d84b7f", results=(Result(id="1", files=(file,)),)
    )


@pytest.mark.parametrize("kind", [Kind.WAV, Kind.VIDEO])
def test_complete_without_its_file_has_no_result(kind: Kind) -> None:
    report = parse(kind, "callback.complete.null-url")
    assert (report.stage, report.results) == (Stage.COMPLETE, ())


def test_every_cover_image_is_a_result() -> None:
    expected = (
        Result(id="1", files=(File("image", X + "cover-1.png"),)),
        Result(id="2", files=(File("image", X + "cover-2.png"),)),
    )
    for name in ("callback.complete.two-images", "status.complete.success"):
        assert parse(Kind.COVER_IMAGE, name).results == expected


@pytest.mark.parametrize(
    ("name", "flag", "stage"),
    [
        ("cover_image", 0, None),
        ("cover_image", 1, Stage.COMPLETE),
        ("cover_image", 2, None),
        ("cover_image", "2", None),
        ("cover_image", 3, Stage.FAILED),
        ("cover_image", 4, None),
        ("midi", 0, None),
        ("midi", 1, Stage.COMPLETE),
        ("midi", "1", Stage.COMPLETE),
        ("midi", 2, Stage.FAILED),
        ("midi", 3, Stage.FAILED),
        ("midi", 4, None),
        ("wav", 1, None),
    ],
)
def test_number_for_the_stage_means_what_its_kind_says(name: str, flag: int | str, stage: Stage | None) -> None:
    body = json.dumps({"code": 200, "data": {"taskId": "t", "successFlag": flag}}).encode()
    report = SUNO.parse_status(SUNO.operation(name), Reply(status=200, body=body))
    assert report.stage is stage
    if report.error:
        assert (report.error.code, report.error.meaning) == ("failed", "The generation failed at the provider.")


SIMPLE = (File("instrumental", X + "instrumental.mp3"), File("vocals", X + "vocals.mp3"))
SPLIT_ROLES = [
    *("origin", "vocals", "backing_vocals", "bass", "brass", "drums", "fx", "guitar"),
    *("keyboard", "percussion", "strings", "synth", "piano"),
]


@pytest.mark.parametrize(
    "name",
    [
        "callback.complete.separate-vocal",
        "callback.complete.other-object",
        "status.complete.success",
        "status.complete.callback-exception-with-stems",
    ],
)
def test_two_stems_are_one_result_and_empty_addresses_are_absent(name: str) -> None:
    (result,) = parse(Kind.STEMS, name).results
    assert sorted(result.files, key=lambda file: file.role) == list(SIMPLE)


@pytest.mark.parametrize("name", ["callback.complete.split-stem", "status.complete.split-stem"])
def test_stems_are_named_as_the_provider_names_them(name: str) -> None:
    (result,) = parse(Kind.STEMS, name).results
    assert [file.role for file in result.files] == SPLIT_ROLES
    assert result.file("backing_vocals") == File("backing_vocals", X + "backing_vocals.mp3")


@pytest.mark.parametrize("name", ["callback.complete.split-stem-advanced", "status.complete.split-stem-advanced"])
def test_advanced_stems_keep_their_ids(name: str) -> None:
    (result,) = parse(Kind.STEMS, name).results
    assert result == Result(
        id="1",
        duration=198.44,
        data={"ids": {"vocals": "stem-1", "remove_vocals": "stem-2", "backing_vocals": "stem-3"}},
        files=(
            File("vocals", X + "v.mp3"),
            File("remove_vocals", X + "rest.mp3"),
            File("backing_vocals", X + "bv.mp3"),
        ),
    )


def test_stem_may_stand_by_itself_in_the_list() -> None:
    item = {"id": "stem-1", "stem_type_group_name": "Drums", "audio_url": X + "d.mp3", "duration": None}
    data = {"task_id": "t", "vocal_removal_info": {"origin_data": [item, None, "x", {}]}}
    report = SUNO.parse_callback(SUNO.operation("stems"), {}, json.dumps({"code": 200, "data": data}).encode())
    assert report.results[0].data == {"ids": {"drums": "stem-1"}}
    assert report.results[0].files == (File("drums", X + "d.mp3"),)


def test_callback_address_of_a_record_is_no_stem() -> None:
    data = {"taskId": "t", "callbackUrl": X + "hook", "response": None, "successFlag": "SUCCESS"}
    body = json.dumps({"code": 200, "data": data}).encode()
    report = SUNO.parse_status(SUNO.operation("stems"), Reply(status=200, body=body))
    assert (report.stage, report.results) == (Stage.COMPLETE, ())


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("vocal_url", "vocals"),
        ("vocalUrl", "vocals"),
        ("backingVocalsUrl", "backing_vocals"),
        ("fx_url", "fx"),
        ("Backing Vocals", "backing_vocals"),
        ("Drums & Bass", "drums_bass"),
        ("", "stem"),
        ("!!", "stem"),
    ],
)
def test_stem_role_is_the_name_without_its_ending(name: str, role: str) -> None:
    assert stem_role(name) == role


@pytest.mark.parametrize(
    ("operation", "data", "kind"),
    [
        ("wav", {"task_id": "t", "video_url": X + "a.mp4"}, "video"),
        ("generate", {"task_id": "t", "vocal_removal_info": {"vocal_url": X + "v.mp3"}}, "vocals"),
        ("lyrics", {"task_id": "t", "audioWavUrl": X + "a.wav"}, "wav"),
        ("stems", {"taskId": "t", "images": [X + "a.png"]}, "image"),
        ("wav", {"callbackType": "complete", "data": [{"id": "a", "audio_url": X + "a.mp3"}]}, "audio"),
        ("other", {"task_id": "t", "audioWavUrl": X + "a.wav"}, "wav"),
        ("other", {"task_id": "t", "vocal_separation_info": {"bass_url": X + "b.mp3"}}, "bass"),
        ("other", [{"id": "a", "audio_url": X + "a.m4a", "status": "success"}], "audio"),
    ],
)
def test_body_that_plainly_has_another_shape_is_read_by_it(operation: str, data: Any, kind: str) -> None:
    body = json.dumps({"code": 200, "msg": "success", "data": data}).encode()
    report = SUNO.parse_callback(SUNO.operation(operation), {}, body)
    assert report.stage is Stage.COMPLETE
    assert [file.role for result in report.results for file in result.files] == [kind]


def test_lyrics_are_told_from_songs_by_their_items() -> None:
    lyrics = {"callbackType": "complete", "taskId": "t", "data": [{"text": "[Verse]", "title": "T"}]}
    songs = {"callbackType": "complete", "task_id": "t", "data": [{"id": "a", "audio_url": X + "a.mp3"}]}
    for operation in (OTHER, SUNO.operation("generate"), SUNO.operation("lyrics")):
        words, music = (
            SUNO.parse_callback(operation, {}, json.dumps({"code": 200, "data": data}).encode()).results[0]
            for data in (lyrics, songs)
        )
        assert (words.id, words.lyrics, words.files) == ("1", "[Verse]", ())
        assert music.file("audio") is not None


def test_midi_failure_is_only_known_by_its_operation() -> None:
    body = b'{"code":500,"msg":"MIDI generation failed","data":{"taskId":"t"}}'
    for operation in (SUNO.operation("midi"), OTHER):
        report = SUNO.parse_callback(operation, {}, body)
        assert (report.stage, report.task_id) == (Stage.FAILED, "t")
