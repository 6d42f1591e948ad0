import json
from dataclasses import replace
from typing import Any

import pytest

from handlers.webhook_body import event_body, raw_body
from receiver.handler import ArchivedFile, Receipt
from receiver.shapes import event_json
from tests.support.deliveries import HOSTILE_TITLES, make_delivery, make_event, make_file, make_track


def make_archived(role: str, link: str, result_id: str = "tr-1") -> ArchivedFile:
    return ArchivedFile(
        result_id=result_id,
        role=role,
        key=f"{result_id}.{role}",
        size=1,
        sha256="0" * 64,
        media_type="text/plain" if role == "lyrics" else "audio/mpeg",
        link=link,
    )


def test_body_is_the_event_as_it_is_shown_everywhere() -> None:
    delivery = make_delivery()
    assert json.loads(event_body(delivery)) == json.loads(json.dumps(event_json(delivery.event)))


def test_results_are_as_they_are_now() -> None:
    late = make_track("tr-1", "Night Ferry", make_file("audio", "https://cdn.example.com/fresh"))
    delivery = replace(make_delivery(), results=(late,))
    [result] = json.loads(event_body(delivery))["results"]
    assert [file["url"] for file in result["files"]] == ["https://cdn.example.com/fresh"]


def test_archived_files_have_their_lasting_links_and_nothing_else_changes() -> None:
    delivery = make_delivery(
        receipts={"archive": Receipt(files=(make_archived("audio", "https://songs.example.com/files/a"),))}
    )
    delivery = replace(delivery, files=(make_archived("image", "https://songs.example.com/files/i"),))
    body = json.loads(event_body(delivery))
    audio, image = body["results"][0]["files"]
    assert audio.pop("archived") == "https://songs.example.com/files/a"
    assert image.pop("archived") == "https://songs.example.com/files/i"
    assert body == json.loads(json.dumps(event_json(delivery.event)))


def test_what_an_archive_made_comes_last_with_its_link_as_its_address() -> None:
    made = make_archived("lyrics", "https://songs.example.com/files/l")
    foreign = make_archived("lyrics", "https://songs.example.com/files/other", "tr-9")
    delivery = replace(make_delivery(receipts={"a": Receipt(files=(made,))}), files=(made, foreign))
    [result] = json.loads(event_body(delivery))["results"]
    assert [file["role"] for file in result["files"]] == ["audio", "image", "lyrics"]
    assert result["files"][-1] == {
        "role": "lyrics",
        "url": "https://songs.example.com/files/l",
        "media_type": "text/plain",
        "archived": "https://songs.example.com/files/l",
    }


def test_event_itself_is_never_changed() -> None:
    delivery = make_delivery(receipts={"archive": Receipt(files=(make_archived("audio", "https://x.example"),))})
    before = event_json(delivery.event)
    event_body(delivery)
    assert event_json(delivery.event) == before


@pytest.mark.parametrize("raw", [{"code": 200, "data": {"taskId": "t"}}, ["a"], "text", 0, {"big": "x" * 5_000_000}])
def test_raw_body_is_the_providers_own(raw: Any) -> None:
    delivery = make_delivery(event=make_event(raw=raw))
    assert json.loads(raw_body(delivery)) == raw


@pytest.mark.parametrize(
    "event", [make_event(raw=None), make_event("handler.paused", raw={"handler": "team"})], ids=["none", "our own"]
)
def test_event_without_a_body_of_the_provider_goes_as_it_is(event: Any) -> None:
    delivery = make_delivery(event=event)
    assert raw_body(delivery) == event_body(delivery)


@pytest.mark.parametrize("title", HOSTILE_TITLES.values(), ids=HOSTILE_TITLES)
def test_hostile_title_arrives_as_it_is(title: str) -> None:
    delivery = make_delivery(results=[make_track("tr-1", title)])
    body = event_body(delivery)
    assert json.loads(body)["results"][0]["title"] == title
    assert body.isascii()


def test_number_that_is_none_is_null() -> None:
    delivery = make_delivery(event=make_event(raw={"score": float("nan")}))
    assert json.loads(raw_body(delivery)) == {"score": None}
