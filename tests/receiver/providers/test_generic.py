import json
from typing import Any

import pytest

from receiver.errors import Unrecognised
from receiver.events import File, Stage
from receiver.providers.base import Operation, Reply, Request
from receiver.providers.generic import Generic
from receiver.stages import Report

BASE = {
    "type": "generic",
    "api_key": "key",
    "base_url": "https://api.example.com",
    "submit": [{"path": "/songs", "operation": "generate", "kind": "music"}],
}


def make(**sections: Any) -> Generic:
    return Generic.model_validate({**BASE, **sections})


def row(provider: Generic) -> Operation:
    return provider.operation("generate")


def called(provider: Generic, body: Any) -> Report:
    return provider.parse_callback(row(provider), {}, json.dumps(body).encode())


def test_three_keys_are_enough() -> None:
    plain = make()
    assert plain.credentials() == {"authorization": "Bearer key"}
    assert (row(plain).callback_field, row(plain).record, row(plain).ask_from) == (None, None, None)
    assert called(
        plain, {"task_id": "t", "status": "completed", "data": [{"audio_url": "https://x.example/a.mp3"}]}
    ) == (
        Report(
            stage=Stage.COMPLETE,
            task_id="t",
            results=called(plain, {"data": [{"audio_url": "https://x.example/a.mp3"}]}).results,
        )
    )


def test_provider_without_callbacks_is_asked_early() -> None:
    told = make(status={"path": "/tasks/{id}"})
    assert row(told).ask_from is not None
    with_callbacks = make(status={"path": "/tasks/{id}"}, callback={"body": "url"})
    assert row(with_callbacks).ask_from is None


WORDS = [
    ("DONE", Stage.COMPLETE),
    ("done", Stage.COMPLETE),
    ("Lyrics", Stage.TEXT),
    ("one", Stage.FIRST),
    ("gone", Stage.FAILED),
    ("succeeded", Stage.COMPLETE),
    ("FAILURE", Stage.FAILED),
    ("busy", None),
    ("success", None),
    ("never seen", None),
]


@pytest.mark.parametrize(("word", "stage"), WORDS)
def test_word_means_what_the_configuration_says_else_what_it_means_everywhere(word: str, stage: Stage | None) -> None:
    words = {
        "Done": "complete",
        "lyrics": "text",
        "one": "first",
        "gone": "failed",
        "busy": "pending",
        "success": "pending",
    }
    report = called(make(events={"words": words}), {"status": word})
    assert report.stage is stage
    assert (report.error is None) == (stage is not Stage.FAILED)


@pytest.mark.parametrize(
    ("states", "stage"),
    [
        (["success", "success"], Stage.COMPLETE),
        (["success", "running"], None),
        (["success", "failed"], Stage.COMPLETE),
        (["failed", "failed"], Stage.FAILED),
        (["failed", "running"], None),
        (["first", "success"], Stage.FIRST),
    ],
)
def test_task_is_as_far_as_the_last_of_its_items(states: list[str], stage: Stage | None) -> None:
    told = make(events={"stage": "data[].state", "words": {"first": "first"}})
    assert called(told, {"task_id": "t", "data": [{"id": state, "state": state} for state in states]}).stage is stage


@pytest.mark.parametrize(
    ("value", "word", "stage"),
    [
        (True, None, Stage.COMPLETE),
        ("true", None, Stage.COMPLETE),
        (False, None, Stage.FAILED),
        (False, "success", Stage.FAILED),
        (True, "running", None),
        (None, "success", Stage.COMPLETE),
        (None, None, None),
    ],
)
def test_failure_is_believed_wherever_it_is_told(value: Any, word: str | None, stage: Stage | None) -> None:
    told = make(events={"success": {"path": "ok", "values": [True]}})
    assert called(told, {"task_id": "t", "ok": value, "status": word}).stage is stage


def test_numbers_and_their_texts_are_the_same() -> None:
    told = make(events={"success": {"path": "code", "values": 200}})
    stages = [called(told, {"code": code}).stage for code in (200, "200", 200.0, 201)]
    assert stages == [Stage.COMPLETE] * 3 + [Stage.FAILED]


@pytest.mark.parametrize(
    ("data", "urls"),
    [
        ("https://x.example/a.mp3", ["https://x.example/a.mp3"]),
        (["https://x.example/a.mp3", "https://x.example/b"], ["https://x.example/a.mp3", "https://x.example/b"]),
        ({"audio_url": "https://x.example/a"}, ["https://x.example/a"]),
        ([{"audio_url": "https://x.example/a"}, None, ""], ["https://x.example/a"]),
        ([[{"audio_url": "https://x.example/a"}]], ["https://x.example/a"]),
        ([], []),
    ],
    ids=["address", "addresses", "object", "list", "lists", "nothing"],
)
def test_results_may_be_objects_or_addresses_one_or_several(data: Any, urls: list[str]) -> None:
    report = called(make(), {"status": "success", "data": data})
    found = [file for result in report.results for file in (result.file("audio"),) if file]
    assert [file.url for file in found] == urls


def test_song_that_still_streams_has_no_audio_yet() -> None:
    item = {"audio_url": "https://audiopipe.suno.example/?id=1"}
    (result,) = called(make(), {"status": "success", "data": [item]}).results
    assert result.files == (File("stream", "https://audiopipe.suno.example/?id=1"),)


def test_item_without_the_named_files_is_searched_for_others_and_kept() -> None:
    item = {"id": "a", "pdfUrl": "https://x.example/a.pdf", "tempo": 96}
    (result,) = called(make(), {"status": "success", "data": [item]}).results
    assert (result.data, result.files) == ({"id": "a", "tempo": 96}, (File("pdf", "https://x.example/a.pdf"),))


def test_failure_has_the_meaning_that_the_configuration_gives_it() -> None:
    meaning = {"meaning": "The account is empty.", "advice": "Buy credits.", "retryable": False, "refunded": True}
    told = make(errors={"QUOTA": meaning, "402": meaning})
    report = called(told, {"status": "failed", "error": {"code": "quota", "message": "used up"}})
    assert report.error is not None
    assert (report.error.code, report.error.message, report.error.meaning) == (
        "quota",
        "used up",
        "The account is empty.",
    )
    verdict = told.read_reply(row(told), Reply(status=402, body=b'{"msg": "no"}'))
    assert verdict.error is not None
    assert (verdict.stage, verdict.error.refunded) == (Stage.REJECTED, True)


def test_code_of_a_success_does_not_name_a_failure() -> None:
    report = called(make(), {"code": 200, "msg": "success", "status": "failed"})
    assert report.error is not None
    assert (report.error.code, report.error.message) == ("failed", "")


@pytest.mark.parametrize("body", [b"", b"<html>", b'"text"', b"5", b'{"hello": "world"}', b"[]"], ids=range(6))
def test_body_with_nothing_at_the_named_places_is_unrecognised(body: bytes) -> None:
    with pytest.raises(Unrecognised, match=r"^the body"):
        make().parse_callback(row(make()), {}, body)


REPLIES: list[tuple[str, dict[str, Any], int, Any, Stage, str | None]] = [
    ("202", {"http": [202]}, 202, {"task_id": "t"}, Stage.ACCEPTED, "t"),
    ("another success", {"http": [202]}, 200, {"task_id": "t"}, Stage.UNKNOWN, "t"),
    (
        "word",
        {"ok": {"path": "code", "values": ["success"]}, "task_id": "data"},
        200,
        {"code": "success", "data": "t"},
        Stage.ACCEPTED,
        "t",
    ),
    ("other word", {"ok": {"path": "code", "values": ["success"]}}, 200, {"code": "quota"}, Stage.REJECTED, None),
    ("no word", {"ok": {"path": "code", "values": ["success"]}}, 200, {"task_id": "t"}, Stage.UNKNOWN, "t"),
    ("trouble in the body", {"ok": {"path": "code", "values": [200]}}, 200, {"code": 500}, Stage.UNKNOWN, None),
    ("without an id", {}, 200, {"fine": True}, Stage.UNKNOWN, None),
    ("number as id", {"task_id": "id"}, 200, {"id": 7}, Stage.ACCEPTED, "7"),
    ("ids of clips", {"task_id": "[].id"}, 200, [{"id": "a"}, {"id": "b"}], Stage.ACCEPTED, "a,b"),
    ("404", {}, 404, {"error": "no such path"}, Stage.REJECTED, None),
    ("408", {}, 408, {"error": "slow"}, Stage.UNKNOWN, None),
    ("503", {}, 503, {"error": "down"}, Stage.UNKNOWN, None),
    ("302", {}, 302, {"task_id": "t"}, Stage.UNKNOWN, "t"),
]


@pytest.mark.parametrize(
    ("shape", "status", "body", "stage", "task_id"), [case[1:] for case in REPLIES], ids=[case[0] for case in REPLIES]
)
def test_reply_is_a_success_where_http_and_body_say_so(
    shape: dict[str, Any], status: int, body: Any, stage: Stage, task_id: str | None
) -> None:
    told = make(reply=shape)
    verdict = told.read_reply(row(told), Reply(status=status, body=json.dumps(body).encode()))
    assert (verdict.stage, verdict.task_id, verdict.enveloped) == (stage, task_id, True)


def test_page_of_a_proxy_is_not_the_providers_answer() -> None:
    verdict = make().read_reply(row(make()), Reply(status=401, body=b"<html>"))
    assert (verdict.stage, verdict.enveloped) == (Stage.UNKNOWN, False)


def test_status_answer_that_is_not_about_the_task_is_asked_for_again() -> None:
    told = make(status={"path": "/tasks/{id}", "ok": {"path": "code", "values": [0]}})
    for status, body in ((404, b'{"code": 0, "status": "failed"}'), (200, b'{"code": 1, "status": "failed"}')):
        with pytest.raises(Unrecognised, match="the status call"):
            told.parse_status(row(told), Reply(status=status, body=body))


@pytest.mark.parametrize(
    ("template", "path", "task"),
    [
        ("/fetch?id={id}", "/fetch?id=t%2F1", "t/1"),
        ("/fetch?id={id}", "/fetch/?x=1&id=t", "t"),
        ("/fetch?id={id}", "/fetch?id=a&id=b", None),
        ("/fetch?a=1&id={id}", "/fetch?id=t", None),
        ("/fetch?a=1&id={id}", "/fetch?id=t&a=1", "t"),
        ("/tasks/{id}/state", "/tasks/t%20x/state", "t x"),
        ("/tasks/{id}/state", "/tasks/t/x/state", None),
        ("/tasks/{id}", "/tasks/", None),
    ],
)
def test_clients_own_status_call_is_recognised(template: str, path: str, task: str | None) -> None:
    assert make(status={"path": template}).asked_task(Request(method="GET", path=path)) == task


def test_unknown_words_are_named_and_long_ones_are_not() -> None:
    told = make(events={"stage": ["data.state"]})
    body = json.dumps({"data": {"state": "almost"}}).encode()
    assert told.unknown(row(told), body, status=False) == ("data.state=almost",)
    assert told.unknown(row(told), json.dumps({"data": {"state": "x" * 90}}).encode(), status=True) == ("data.state",)
    assert told.unknown(row(told), b"<html>", status=True) == ()


def test_request_tells_what_it_asks_for_and_what_it_goes_on_from() -> None:
    told = make(title=["input.title"], parents=["input.parent"])
    request = Request(method="POST", path="/songs", body=b'{"input": {"title": "Night\\nFerry", "parent": "t-0"}}')
    assert (told.describe(request), told.parent(request, row(told))) == ("Night Ferry", "t-0")
    assert (told.describe(Request(method="POST", path="/songs")), told.find(Request(method="GET", path="/x"))) == (
        None,
        None,
    )
