import pytest
from pydantic import SecretStr

from receiver.events import File, Result, Stage
from receiver.providers.base import Reply
from receiver.providers.sunoapi import SunoApi
from receiver.stages import Report
from tests.support.provider_samples import load_samples

SUNO = SunoApi(type="sunoapi", api_key=SecretStr("key"))
GENERATE = SUNO.operation("generate")
TASK = "6f1c0e52a9d84b7f"
FIRST_ID = "8551a3f0-1c2d-4e5f-9a6b-7c8d9e0f1a2b"
SECOND_ID = "bd15be4a-77aa-4c0e-8f21-3f6f5f0f4c11"
SAMPLES = {one.name: one for one in load_samples("sunoapi") if one.folder in {"music", "reply"}}


def parse(name: str) -> Report:
    found = SAMPLES[name]
    if found.what == "callback":
        return SUNO.parse_callback(GENERATE, {}, found.body)
    return SUNO.parse_status(GENERATE, Reply(status=200, body=found.body))


def test_complete_callback_is_read_whole() -> None:
    report = parse("callback.complete.two-tracks")
    assert (report.stage, report.task_id, report.error) == (Stage.COMPLETE, TASK, None)
    assert report.results == (track(FIRST_ID, "ferry-1", 198.44), track(SECOND_ID, "ferry-2", 176))


def test_status_record_says_the_same_as_the_callback() -> None:
    assert parse("status.complete.success") == parse("callback.complete.two-tracks")
    assert parse("status.complete.callback-shape") == parse("callback.complete.two-tracks")


def track(ident: str, name: str, duration: float) -> Result:
    return Result(
        id=ident,
        title="Night Ferry",
        duration=duration,
        tags="indie folk, warm",
        lyrics="[Verse]\nLanterns on the water",
        model="chirp-v4",
        files=(
            File("audio", f"https://musicfile.example/{name}.mp3", (f"https://cdn1.example/{ident}.mp3",)),
            File("stream", f"https://mfile.example/{name}", (f"https://audiopipe.example/?item_id={ident}",)),
            File("image", f"https://musicfile.example/{name}.jpeg", (f"https://cdn2.example/image_{ident}.jpeg",)),
        ),
    )


@pytest.mark.parametrize(
    ("name", "task_id", "ids", "durations", "with_audio"),
    [
        ("callback.text.no-items", TASK, [], [], []),
        ("callback.text.null-items", TASK, [], [], []),
        ("callback.text.two-items-with-streams-only", TASK, [FIRST_ID, SECOND_ID], [None, None], [False, False]),
        ("callback.first.one-track", TASK, [FIRST_ID], [198.44], [True]),
        ("callback.first.second-track-unfinished", TASK, [FIRST_ID, SECOND_ID], [198.44, None], [True, False]),
        ("callback.complete.source-audio-only", TASK, [FIRST_ID, SECOND_ID], [198.44, 198.44], [True, True]),
        ("callback.complete.no-audio-at-all", TASK, [FIRST_ID, SECOND_ID], [None, None], [False, False]),
        ("callback.complete.audio-on-streaming-host", TASK, [FIRST_ID], [198.44], [False]),
        ("callback.complete.null-items", TASK, [], [], []),
        ("callback.complete.code-as-text", TASK, [FIRST_ID], [198.44], [True]),
        ("callback.complete.no-code", TASK, [FIRST_ID], [198.44], [True]),
        ("callback.complete.no-task-id", None, [FIRST_ID, SECOND_ID], [198.44, 176], [True, True]),
        ("callback.complete.task-id-at-root-as-number", "4711", [FIRST_ID], [198.44], [True]),
        ("callback.complete.tracks-without-ids", TASK, ["1", "2"], [198.44, 198.44], [True, True]),
        ("callback.complete.odd-durations", TASK, [FIRST_ID, SECOND_ID], [198.44, None], [True, True]),
        ("callback.complete.polling-shape", TASK, [FIRST_ID, SECOND_ID], [198.44, 198.44], [True, True]),
        ("callback.complete.huge-number-and-nan", TASK, [FIRST_ID], [None], [True]),
        ("callback.pending.unknown-word", TASK, [FIRST_ID], [198.44], [True]),
        ("callback.pending.null-data", None, [], [], []),
        ("callback.failed.first-then-refused-keeps-its-track", TASK, [FIRST_ID], [198.44], [True]),
        ("callback.failed.no-data", None, [], [], []),
        ("status.pending.pending", TASK, [], [], []),
        ("status.pending.unknown-task", None, [], [], []),
        (
            "status.pending.callback-exception-with-half-a-song",
            TASK,
            [FIRST_ID, SECOND_ID],
            [198.44, None],
            [True, False],
        ),
        ("status.failed.failed-with-songs", TASK, [FIRST_ID], [198.44], [True]),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
def test_results_are_what_the_body_holds(
    name: str, task_id: str | None, ids: list[str], durations: list[float | None], with_audio: list[bool]
) -> None:
    report = parse(name)
    assert report.task_id == task_id
    assert [result.id for result in report.results] == ids
    assert [result.duration for result in report.results] == durations
    assert [result.file("audio") is not None for result in report.results] == with_audio


def test_source_address_stands_in_for_a_missing_audio() -> None:
    files = [result.file("audio") for result in parse("callback.complete.source-audio-only").results]
    assert files == [
        File("audio", f"https://cdn1.example/{FIRST_ID}.mp3"),
        File("audio", f"https://cdn1.example/{SECOND_ID}.mp3"),
    ]


def test_audio_on_the_streaming_host_is_a_stream() -> None:
    (result,) = parse("callback.complete.audio-on-streaming-host").results
    assert result.file("stream") == File("stream", f"https://audiopipe.example/?item_id={FIRST_ID}")


def test_address_that_comes_twice_is_no_alternate_of_itself() -> None:
    body = b'{"code":200,"data":{"callbackType":"first","data":[{"audio_url":"https://x.example/1","source_audio_url":"https://x.example/1"}]}}'
    assert SUNO.parse_callback(GENERATE, {}, body).results[0].files == (File("audio", "https://x.example/1"),)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("callback.complete.byte-order-mark", "Night Ferry"),
        ("callback.complete.emoji-cut-in-half", "Night Ferry \ufffd"),
        ("callback.complete.not-utf-8", "N\ufffdchte"),
    ],
)
def test_damaged_text_is_mended(name: str, title: str) -> None:
    assert parse(name).results[0].title == title
