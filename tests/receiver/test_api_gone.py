"""What is asked for and was removed for its age."""

from datetime import timedelta
from typing import Any

import pytest

from receiver.store.records import Tombstone
from tests.support.api import APP, NOW, Api, make_api

LATER = NOW + timedelta(days=90)


@pytest.fixture
def api() -> Api:
    made = make_api()
    made.store.tombstones = {
        "evt_1": Tombstone(type="music.complete", submission_id="sub_1", received_at=NOW, pruned_at=LATER),
        "evt_2": Tombstone(type="disk.low", submission_id=None, received_at=NOW, pruned_at=LATER),
    }
    return made


REPLAY = {"handler": "team", "all": True}


async def test_an_event_that_was_removed_is_410_and_says_when_and_why(api: Api) -> None:
    answered = await api.get("/v1/events/evt_1")
    assert (answered.status, answered.header("content-type")) == (410, "application/problem+json")
    problem: Any = answered.json()
    assert problem["title"] == "Gone"
    assert problem["detail"] == (
        "music.complete of 2026-11-21T12:00:00.000Z was removed on 2027-02-19T12:00:00.000Z: events are kept for "
        "retention.events. Its submission stays, with results and links: /v1/submissions/sub_1"
    )


async def test_one_that_belongs_to_no_submission_names_none(api: Api) -> None:
    detail = (await api.get("/v1/events/evt_2")).json()["detail"]
    assert detail.endswith("events are kept for retention.events.")


async def test_its_replay_says_the_same_and_one_that_never_was_is_none(api: Api) -> None:
    refused = await api.post("/v1/replays", {**REPLAY, "event_id": "evt_1"})
    assert (refused.status, refused.json()["detail"][:14]) == (410, "music.complete")
    nothing = await api.post("/v1/replays", {**REPLAY, "event_id": "evt_9"})
    assert (nothing.status, nothing.json()["data"]) == (200, [])
    assert api.store.replayed == []


async def test_what_never_was_is_404_and_only_the_admin_learns_more(api: Api) -> None:
    assert (await api.get("/v1/events/evt_9")).status == 404
    assert (await api.get("/v1/events/evt_1", headers=APP)).status == 403
