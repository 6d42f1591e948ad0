import json
from typing import Any

import pytest
from pydantic import SecretStr

from receiver.events import Result, Stage
from receiver.providers.base import Reply
from receiver.providers.sunoapi import SunoApi
from receiver.stages import Report
from tests.support.provider_samples import load_samples

SUNO = SunoApi(type="sunoapi", api_key=SecretStr("key"))
SAMPLES = {(one.folder, one.name): one for one in load_samples("sunoapi")}
TASK = "6f1c0e52a9d84b7f"


def parse(name: str, sample: str) -> Report:
    operation = SUNO.operation(name)
    found = SAMPLES[operation.kind, sample]
    if found.what == "callback":
        return SUNO.parse_callback(operation, {}, found.body)
    return SUNO.parse_status(operation, Reply(status=200, body=found.body))


def called(name: str, **body: Any) -> Report:
    return SUNO.parse_callback(SUNO.operation(name), {}, json.dumps(body).encode())


@pytest.mark.parametrize("sample", ["callback.complete.two-variants", "status.complete.success"])
def test_every_variant_of_lyrics_is_a_result(sample: str) -> None:
    assert parse("lyrics", sample) == Report(
        stage=Stage.COMPLETE,
        task_id=TASK,
        results=(
            Result(id="1", title="Night Ferry", lyrics="[Verse]\nLanterns 1"),
            Result(id="2", title="Night Ferry", lyrics="[Verse]\nLanterns 2"),
        ),
    )


def test_failed_variant_stays_beside_the_others_and_says_why() -> None:
    good, bad = parse("lyrics", "callback.complete.one-variant-failed").results
    assert (good.lyrics, good.data) == ("[Verse]\nLanterns 1", None)
    assert (bad.lyrics, bad.data) == (None, {"error": "Too long."})


def test_lyrics_of_which_all_variants_failed_are_a_failure() -> None:
    report = parse("lyrics", "callback.failed.all-variants-failed")
    assert report.error is not None
    assert (report.error.code, report.error.message) == ("failed", "Too long.")


def test_our_callback_address_in_a_variants_error_is_redacted() -> None:
    token = "t" * 43
    items = [{"text": "", "status": "failed", "errorMessage": f"https://me.example/callbacks/{token}"}, {"text": "x"}]
    report = called("lyrics", code=200, data={"callbackType": "complete", "data": items})
    assert token not in str(report)


@pytest.mark.parametrize(
    "sample", ["callback.complete.wait-validating", "status.complete.wait-validating", "status.complete.success"]
)
def test_phrase_is_there_when_the_person_has_to_sing_it(sample: str) -> None:
    report = parse("voice_phrase", sample)
    assert (report.stage, report.results) == (
        Stage.COMPLETE,
        (Result(id="1", data={"phrase": "The quick brown fox"}),),
    )
    assert parse("voice_phrase_regenerate", sample) == report


@pytest.mark.parametrize("sample", ["callback.complete.voice-id", "status.complete.success"])
def test_voice_is_an_id(sample: str) -> None:
    assert parse("voice", sample).results == (Result(id="1", data={"voice_id": "voice-9"}),)


def test_same_word_ends_a_phrase_and_leaves_a_voice_open() -> None:
    assert parse("voice_phrase", "status.complete.wait-validating").stage is Stage.COMPLETE
    assert parse("voice", "status.pending.wait-validating").stage is None


@pytest.mark.parametrize(
    ("name", "sample", "code", "message"),
    [
        ("voice_phrase", "callback.failed.validation-failed", "400", "Voice failed."),
        ("voice_phrase", "callback.failed.fail-with-code-200", "500", "No voice in it."),
        ("voice_phrase", "status.failed.validation-failed", "500", "No voice in it."),
        ("voice_phrase", "status.failed.fail", "fail", ""),
        ("voice", "status.failed.fail", "500", "Not the same voice."),
        ("lyrics", "status.failed.generate-lyrics-failed", "500", "No luck."),
        ("lyrics", "status.failed.sensitive-word", "SENSITIVE_WORD_ERROR", ""),
        ("lyrics", "callback.failed.error-with-code-400", "400", "Sensitive words."),
        ("recovery", "callback.failed.feed-failed", "500", "Recovery failed."),
        ("recovery", "status.failed.code-500", "500", "no_audio_id_mappings"),
        ("midi", "status.failed.flag-2-create-failed", "500", "Could not start."),
        ("midi", "callback.failed.task-id-at-root", "500", "MIDI generation failed"),
    ],
)
def test_failure_says_code_and_message(name: str, sample: str, code: str, message: str) -> None:
    report = parse(name, sample)
    assert report.error is not None
    assert (report.error.code, report.error.message) == (code, message)


def test_recovered_tracks_are_songs_and_a_lost_one_is_left_out() -> None:
    both = parse("recovery", "callback.complete.two-tracks")
    assert (both.task_id, [result.id for result in both.results]) == (TASK, ["a1", "a2"])
    assert all(result.file("audio") for result in both.results)
    one = parse("recovery", "callback.complete.one-of-two-failed")
    assert (one.stage, [result.id for result in one.results]) == (Stage.COMPLETE, ["a1"])


def test_recovery_without_any_track_says_what_the_first_one_said() -> None:
    item = {"id": "a", "audio_url": None, "status": "failed", "error": "clip_error"}
    report = called("recovery", code=200, msg="success", task_id="t", data=[item])
    assert report.stage is Stage.FAILED
    assert report.error is not None
    assert report.error.message == "clip_error"


NOTES = [
    {
        "name": "Drums",
        "notes": [
            {"pitch": 73, "start": 0.036, "end": 0.18, "velocity": 1.0},
            {"pitch": 36, "start": 0.0, "end": 0.5, "velocity": 0.8},
        ],
    },
    {"name": "Electric Bass", "notes": []},
]


@pytest.mark.parametrize(
    "sample",
    ["callback.complete.notes", "callback.complete.task-id-at-root", "status.complete.success"],
)
def test_notes_are_numbers_however_they_were_written(sample: str) -> None:
    report = parse("midi", sample)
    assert (report.task_id, report.results) == (TASK, (Result(id="1", data={"instruments": NOTES}),))


@pytest.mark.parametrize(
    ("note", "read"),
    [
        ({"pitch": 60, "start": 0, "end": 1, "velocity": 127}, {"velocity": 1.0}),
        ({"pitch": 60, "start": 0, "end": 1, "velocity": 63.5}, {"velocity": 0.5}),
        ({"pitch": "60", "start": "1e0", "end": 1, "velocity": "0.5"}, {"start": 1.0, "velocity": 0.5}),
        ({"pitch": 60, "start": 0, "end": 1}, {"velocity": 1.0}),
        ({"pitch": 60, "start": 0, "end": 1, "velocity": -3}, {"velocity": 0.0}),
        ({"pitch": 128, "start": 0, "end": 1}, None),
        ({"pitch": 60, "start": 2, "end": 1}, None),
        ({"pitch": 60, "start": "NaN", "end": 1}, None),
        ({"pitch": 60, "end": 1}, None),
        ({"start": 0, "end": 1}, None),
        ("x", None),
    ],
)
def test_note_that_can_not_be_played_is_left_out(note: Any, read: dict[str, float] | None) -> None:
    report = called("midi", code=200, data={"taskId": "t", "instruments": [{"notes": [note]}, 7]})
    (instrument,) = report.results[0].data["instruments"]
    assert instrument["name"] == ""
    found = instrument["notes"]
    assert found == ([] if read is None else [found[0] | read])


def reply(name: str, sample: str) -> Any:
    operation = SUNO.operation(name)
    return SUNO.read_reply(operation, Reply(status=200, body=SAMPLES[operation.kind, sample].body))


def test_timestamps_are_aligned_words() -> None:
    verdict = reply("timestamped_lyrics", "reply.complete.http-200-words")
    assert (verdict.stage, verdict.error) == (Stage.COMPLETE, None)
    assert verdict.results[0].data == {
        "words": [
            {"word": "[Verse]\nLanterns", "start": 0.0, "end": 1.36},
            {"word": " on", "start": 1.36, "end": 1.9},
        ],
        "waveform": [0.0, 0.5, 1.0],
        "hoot_cer": 0.38,
        "streamed": False,
    }


def test_word_without_a_time_is_left_out() -> None:
    words = [
        {"word": "a", "startS": None, "endS": 1},
        {"startS": 0, "endS": 1},
        None,
        {"word": "b", "startS": 0, "endS": 1},
    ]
    body = json.dumps({"code": 200, "data": {"alignedWords": words}}).encode()
    verdict = SUNO.read_reply(SUNO.operation("timestamped_lyrics"), Reply(status=200, body=body))
    assert verdict.results[0].data["words"] == [{"word": "b", "start": 0.0, "end": 1.0}]


def test_persona_and_style_are_data() -> None:
    persona = reply("persona", "reply.complete.http-200-persona").results
    assert persona[0].data == {"persona_id": "persona-7", "name": "Ferry Singer", "description": "Warm and low"}
    style = reply("style_boost", "reply.complete.http-200-style")
    assert style.task_id == TASK
    assert style.results[0].data == {"style": "indie folk, warm, brushed drums"}


def test_style_that_failed_inside_a_success_is_rejected() -> None:
    verdict = reply("style_boost", "reply.rejected.http-200-error-inside")
    assert verdict.stage is Stage.REJECTED
    assert (verdict.error.code, verdict.error.message) == ("400", "Nothing to boost.")


@pytest.mark.parametrize("name", ["persona", "wav"])
def test_what_exists_already_is_rejected_with_advice(name: str) -> None:
    verdict = reply(name, "reply.rejected.http-409-code-409-exists")
    assert (verdict.stage, verdict.earlier) == (Stage.REJECTED, False)
    assert verdict.error.advice == "Use the earlier result."


@pytest.mark.parametrize("code", [400, 409])
def test_cover_image_that_was_made_before_is_accepted_as_an_earlier_task(code: int) -> None:
    verdict = reply("cover_image", f"reply.accepted.http-{code}-code-{code}-made-before")
    assert (verdict.stage, verdict.task_id, verdict.earlier, verdict.error) == (Stage.ACCEPTED, TASK, True, None)


@pytest.mark.parametrize(("name", "code"), [("wav", 409), ("generate", 400), ("cover_image", 422)])
def test_refusal_that_names_a_task_is_no_earlier_task_elsewhere(name: str, code: int) -> None:
    body = json.dumps({"code": code, "msg": "no", "data": {"taskId": "t"}}).encode()
    verdict = SUNO.read_reply(SUNO.operation(name), Reply(status=200, body=body))
    assert (verdict.stage, verdict.earlier) == (Stage.REJECTED, False)
