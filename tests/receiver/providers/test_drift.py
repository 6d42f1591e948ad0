import json
from typing import Any

import pytest

from receiver.events import Kind
from receiver.providers import provider_class
from receiver.providers.base import Operation, Provider
from tests.support.provider_samples import Sample, load_samples

PROVIDERS: dict[str, Provider] = {
    name: provider_class(name).model_validate({"type": name, "api_key": "k"}) for name in ("sunoapi", "kie")
}
SUNO, KIE = PROVIDERS["sunoapi"], PROVIDERS["kie"]
# Samples of what is news, in callbacks or altogether.
NEWS = {
    "callback.pending.unknown-word": {"data.callbackType=mastered"},
    "status.pending.unknown-word": {"data.status=MASTERING"},
    "callback.complete.polling-shape": {"data.response", "data.status"},
}
KNOWN = [
    pytest.param(provider, operation, sample, id=f"{name}-{operation.name}-{sample.name}")
    for name, provider in PROVIDERS.items()
    for operation in provider.operations
    for sample in load_samples(name)
    if sample.folder == operation.kind and sample.what != "reply" and "unrecognised" not in sample.expected
]


@pytest.mark.parametrize(("provider", "operation", "sample"), KNOWN)
def test_documented_body_holds_no_news(provider: Provider, operation: Operation, sample: Sample) -> None:
    found = provider.unknown(operation, sample.body, status=sample.what == "status")
    assert set(found) == NEWS.get(sample.name, set())


def news(name: str, data: Any, *, status: bool = False, provider: Provider = SUNO, **root: Any) -> tuple[str, ...]:
    body = json.dumps({"code": 200, "msg": "success", "data": data, **root}).encode()
    return provider.unknown(provider.operation(name), body, status=status)


SONG = {"id": "a", "audio_url": "https://x.example/a"}


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("generate", {"callbackType": "complete", "mood": 1, "data": [SONG]}, ("data.mood",)),
        ("generate", {"callbackType": "text", "data": [SONG | {"key": 1}, SONG | {"key": 2}]}, ("data.data[].key",)),
        ("generate", {"callbackType": "ALMOST_there", "data": []}, ("data.callbackType=ALMOST_there",)),
        ("generate", {"callbackType": "First", "data": []}, ()),
        ("lyrics", {"callbackType": "complete", "data": [{"text": "x", "rhyme": "y", "status": "odd"}]},
         ("data.data[].rhyme", "data.data[].status=odd")),
        ("wav", {"audioWavUrl": None, "bits": 24}, ("data.bits",)),
        ("stems", {"vocal_removal_info": {"harp_url": "https://x.example/h"}}, ("data.vocal_removal_info.harp_url",)),
        ("stems", {"vocal_removal_info": {"origin_data": [{"extract": {"id": "1", "gain": 0}}]}},
         ("data.vocal_removal_info.origin_data[].extract.gain",)),
        ("midi", {"state": "complete", "instruments": [{"notes": [{"pitch": 1, "bend": 2}]}]},
         ("data.instruments[].notes[].bend",)),
        ("voice", {"voiceId": "v", "status": "cooling", "tier": 1}, ("data.status=cooling", "data.tier")),
        ("recovery", [{"id": "a", "audio_url": None, "codec": "x"}], ("data[].codec",)),
        ("other", {"anything": 1}, ()),
        ("wav", {"video_url": None, "fps": 25}, ("data.fps",)),
    ],
)  # fmt: skip
def test_news_in_a_callback_is_named_by_its_path(name: str, data: Any, found: tuple[str, ...]) -> None:
    assert news(name, data) == found


def test_news_in_a_record_is_named_by_its_path() -> None:
    data = {"taskId": "t", "status": "MIXING", "response": {"sunoData": [{"id": "a", "key": "C"}], "more": 1}, "z": 1}
    assert news("generate", data, status=True, seq=4) == (
        "data.status=MIXING",
        "data.response.sunoData[].key",
        "data.response.more",
        "data.z",
        "seq",
    )
    assert news("midi", {"successFlag": 7, "midiData": {"tempo": 120}}, status=True) == (
        "data.successFlag",
        "data.midiData.tempo",
    )


def test_news_inside_the_result_of_a_job_is_found() -> None:
    result = json.dumps({"data": [SONG | {"key": "C"}], "note": 1})
    data = {"taskId": "t", "model": "ai-music-api/generate", "state": "resting", "resultJson": result, "queue": 3}
    assert news("generate", data, provider=KIE) == (
        "data.state=resting",
        "data.resultJson.data[].key",
        "data.resultJson.note",
        "data.queue",
    )


@pytest.mark.parametrize("held", [None, True, 7, [None], [], "", "[", "7", "[7]", {}, {"data": None}])
def test_result_of_a_job_of_any_sort_holds_no_news(held: Any) -> None:
    data = {"taskId": "t", "model": "ai-music-api/cover-generate", "state": "success", "resultJson": held}
    assert news("cover_image", data, provider=KIE) == ()


SECRET = "sk-0123456789abcdef0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"callbackType": SECRET, "data": []}, ("data.callbackType",)),
        ({"callbackType": "two words", "data": []}, ("data.callbackType",)),
        ({"callbackType": ["x"], "data": []}, ("data.callbackType",)),
        ({"callbackType": 5, "data": []}, ("data.callbackType",)),
        ({"callbackType": "w" * 41, "data": []}, ("data.callbackType",)),
        ({"callbackType": "text", SECRET: 1, "data": []}, ("data.?",)),
        ({"callbackType": "text", "https://x.example/a?b": 1, "": 2, "data": []}, ("data.?",)),
        ({"callbackType": "text", "new": SECRET, "data": []}, ("data.new",)),
    ],
)  # fmt: skip
def test_nothing_but_short_words_is_shown(data: Any, found: tuple[str, ...]) -> None:
    assert news("generate", data) == found


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"[" * 5000])
def test_what_is_no_object_holds_no_news(body: bytes) -> None:
    for status in (True, False):
        assert SUNO.unknown(SUNO.operation("generate"), body, status=status) == ()


def test_number_of_news_is_bounded() -> None:
    assert len(news("generate", {"callbackType": "text", **{f"new_{number}": 1 for number in range(900)}})) == 50


def test_every_kind_of_the_table_has_its_fields() -> None:
    for operation in SUNO.operations:
        assert operation.kind is not Kind.OTHER
        marks = {"brand_new": 1, "callbackType": "text"} if operation.kind is Kind.MUSIC else {"brand_new": 1}
        assert "data.brand_new" in news(operation.name, marks)
