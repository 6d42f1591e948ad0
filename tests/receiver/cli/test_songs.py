from typing import Any

import pytest

from receiver.cli import songs


def view(stage: str = "complete", **changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "id": "sub_1",
        "operation": "generate",
        "stage": stage,
        "results": [],
        "error": None,
        "deliveries": [],
    }
    return plain | changes


RESULT = {
    "id": "r1",
    "title": "Night Ferry",
    "files": [
        {"role": "audio", "url": "https://provider.example/a.mp3"},
        {"role": "image", "url": "https://provider.example/a.jpeg"},
        {"role": "stream", "url": "https://provider.example/s"},
    ],
}


@pytest.mark.parametrize(
    ("stage", "steps"),
    [
        ("sending", 1),
        ("unknown", 1),
        ("accepted", 2),
        ("text", 3),
        ("first", 4),
        ("complete", 5),
        ("failed", 1),
        ("lost", 1),
        ("rejected", 1),
    ],
)
def test_each_stage_has_its_place_on_the_bar(stage: str, steps: int) -> None:
    assert songs.step(view(stage)) == steps


@pytest.mark.parametrize(
    ("stage", "final"),
    [("accepted", False), ("unknown", False), ("complete", True), ("failed", True), ("lost", True), ("rejected", True)],
)
def test_final_stages_are_told_from_the_others(stage: str, final: bool) -> None:
    assert songs.is_final(view(stage)) is final


def test_deliveries_that_have_not_ended_are_counted() -> None:
    states = ("waiting", "pending", "running", "delivered", "dead", "discarded")
    assert songs.waiting(view(deliveries=[{"state": state} for state in states])) == 3


@pytest.mark.parametrize(
    ("results", "title"), [([], "generate"), ([RESULT], "Night Ferry"), ([RESULT | {"title": None}], "generate")]
)
def test_a_song_is_called_by_its_title_once_it_has_one(results: list[Any], title: str) -> None:
    assert songs.title(view(results=results)) == title


@pytest.mark.parametrize(("results", "title"), [([], "My song"), ([RESULT], "Night Ferry")])
def test_until_then_it_is_called_as_the_client_called_it(results: list[Any], title: str) -> None:
    assert songs.title(view(results=results, title="My song")) == title


@pytest.mark.parametrize(
    ("type_", "own"), [("music.complete", False), ("handler.paused", True), ("file.expiring", True)]
)
def test_our_own_events_are_told_from_the_providers(type_: str, own: bool) -> None:
    assert songs.is_own({"type": type_}) is own


def test_archived_links_stand_in_place_of_the_providers() -> None:
    file = {"result_id": "r1", "role": "audio", "key": "a.mp3", "link": "https://ours.example/files/1"}
    (linked,) = songs.linked(view(results=[RESULT]), [{"receipt": None}, {"receipt": {"files": [file]}}])
    assert linked.links == (
        ("audio", "https://ours.example/files/1"),
        ("image", "https://provider.example/a.jpeg"),
    )


def test_a_failure_says_our_meaning_and_advice_before_the_providers_words() -> None:
    error = {"code": "501", "message": "No.", "meaning": "It failed.", "advice": "Try again."}
    assert list(songs.failure(view("failed", error=error))) == [
        ("error", "It failed."),
        ("what to do", "Try again."),
        ("they said", "No. (501)"),
    ]


def test_a_song_without_failure_says_nothing_of_one() -> None:
    assert list(songs.failure(view())) == []
