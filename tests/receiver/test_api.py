from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from receiver.events import DeliveryState
from receiver.handler import Receipt
from receiver.store.records import Query, WaitReason
from tests.support.api import ADMIN, APP, NOW, Api, FakeStore, event, make_api, row, submission


@pytest.fixture
def api() -> Api:
    return make_api()


GETS = [
    "/v1/submissions",
    "/v1/submissions/x",
    "/v1/events",
    "/v1/events/x",
    "/v1/deliveries",
    "/v1/deliveries/x",
]
POSTS = ["/v1/deliveries/x/redeliver", "/v1/redeliveries", "/v1/replays", "/v1/callback-urls"]


@pytest.mark.parametrize("path", GETS + POSTS)
async def test_stranger_gets_401_and_nothing_happens(api: Api, path: str) -> None:
    for headers in ([], [("authorization", "Bearer wrong")]):
        answered = await (api.get(path, headers=headers) if path in GETS else api.post(path, headers=headers))

        assert (answered.status, answered.header("www-authenticate")) == (401, "Bearer")
    assert api.store == FakeStore()


@pytest.mark.parametrize("path", [*GETS[2:], *POSTS])
async def test_client_gets_403_with_a_remedy_and_nothing_happens(api: Api, path: str) -> None:
    answered = await (api.get(path, headers=APP) if path in GETS else api.post(path, headers=APP))

    assert answered.status == 403
    assert "admin password" in answered.json()["detail"]
    assert api.store == FakeStore()


async def test_list_of_submissions_is_a_page_without_events_and_deliveries(api: Api) -> None:
    api.store.kept = [submission("sub_1"), submission("sub_2", client=None)]

    answered = await api.get("/v1/submissions")

    assert answered.header("cache-control") == "no-store"
    assert answered.json()["next"] == "after"
    assert [shown["id"] for shown in answered.json()["data"]] == ["sub_1", "sub_2"]
    assert " ".join(answered.json()["data"][0]) == (
        "id task_id parent provider operation kind client labels title stage created_at deadline_at results error"
    )
    assert len(api.store.queries) == 1


async def test_client_lists_only_its_own(api: Api) -> None:
    api.store.kept = [submission("sub_1"), submission("sub_2", client="web"), submission("sub_3", client=None)]

    answered = await api.get("/v1/submissions", headers=APP)

    assert [shown["id"] for shown in answered.json()["data"]] == ["sub_1"]
    assert (await api.get("/v1/submissions", "client=web", APP)).status == 400


async def test_filters_reach_the_store(api: Api) -> None:
    await api.get(
        "/v1/submissions",
        "q=ferry&stage=complete&label.project=podcast&since=2h&provider=suno&client=app&cursor=c&limit=7",
    )
    await api.get("/v1/events", "type=music.*&level=problem&stage=updated&submission_id=sub_1")
    await api.get("/v1/deliveries", "handler=team&state=dead&event_id=evt_1&client=app&label.user=42")

    assert api.store.queries == [
        Query(
            q="ferry",
            stage="complete",
            labels={"project": "podcast"},
            since=NOW - timedelta(hours=2),
            provider="suno",
            client="app",
            cursor="c",
            limit=7,
        ),
        Query(type="music.*", level="problem", stage="updated", submission_id="sub_1", limit=8),
        Query(handler="team", state="dead", event_id="evt_1", client="app", labels={"user": "42"}),
    ]


@pytest.mark.parametrize(
    ("path", "query", "named"),
    [
        ("/v1/submissions", "status=x", "'status'"),
        ("/v1/submissions", "handler=x", "'handler'"),
        ("/v1/submissions", "stage=done", "complete"),
        ("/v1/submissions", "limit=1000", "200"),
        ("/v1/submissions", "cursor=forged", "next"),
        ("/v1/deliveries", "cursor=huge", "next"),
        ("/v1/submissions/sub_1", "wait=x&providr=y", "'providr'"),
        ("/v1/events", "handler=team", "'handler'"),
        ("/v1/events", "level=loud", "problem"),
        ("/v1/deliveries", "state=lost", "discarded"),
        ("/v1/deliveries", "colour=red", "'colour'"),
        ("/v1/deliveries/x", "a=1", "'a'"),
    ],
)
async def test_wrong_parameter_is_a_400_that_names_it(api: Api, path: str, query: str, named: str) -> None:
    answered = await api.get(path, query)

    assert answered.status == 400
    assert named in answered.json()["detail"]


async def test_submission_is_shown_with_its_events_and_deliveries(api: Api) -> None:
    api.store.kept = [submission("sub_1")]
    api.store.happened = [event("evt_1")]
    api.store.rows = [row("dlv_1")]

    shown = (await api.get("/v1/submissions/sub_1", headers=APP)).json()

    assert shown["events"] == [{"id": "evt_1", "type": "music.complete", "occurred_at": "2026-11-21T12:00:00.000Z"}]
    assert shown["deliveries"] == [{"id": "dlv_1", "event_id": "evt_1", "handler": "team", "state": "dead"}]
    assert [query.submission_id for query in api.store.queries] == ["sub_1", "sub_1"]


@pytest.mark.parametrize(
    ("ident", "query", "headers", "found"),
    [
        ("sub_1", "", APP, "sub_1"),
        ("t1", "", ADMIN, "sub_4"),
        ("t1", "", APP, "sub_3"),
        ("t1", "provider=kie", APP, "sub_2"),
        ("sub_1", "provider=suno", APP, "sub_1"),
        ("sub_1", "provider=kie", APP, None),
        ("sub_4", "", APP, None),
        ("sub_5", "", APP, None),
        ("sub_5", "", ADMIN, "sub_5"),
        ("t9", "", ADMIN, None),
        ("x\0y", "", ADMIN, None),
        ("\ud83d", "", ADMIN, None),
        ("x" * 10_000, "", ADMIN, None),
        ("..", "", ADMIN, None),
    ],
    ids=lambda value: ascii(value)[:24],
)
async def test_submission_is_found_by_either_id_but_only_by_who_may_see_it(
    api: Api, ident: str, query: str, headers: Sequence[tuple[str, str]], found: str | None
) -> None:
    api.store.kept = [
        submission("sub_4", "web", task_id="t1"),
        submission("sub_3", task_id="t1"),
        submission("sub_2", task_id="t1", provider="kie"),
        submission("sub_1"),
        submission("sub_5", client=None),
    ]

    answered = await api.get(f"/v1/submissions/{ident}", query, headers)

    assert answered.status == (200 if found else 404)
    assert answered.json().get("id") == found


async def test_events_have_their_contract_shape(api: Api) -> None:
    api.store.happened = [event("evt_1", raw={"code": float("nan")})]

    answered = await api.get("/v1/events")

    assert (answered.json()["data"][0]["id"], answered.json()["data"][0]["raw"]) == ("evt_1", {"code": None})


@pytest.mark.parametrize(("query", "shown", "after"), [("", 20, None), ("limit=10", 10, "10"), ("limit=8", 8, "8")])
async def test_only_a_few_bodies_are_read_at_a_time(api: Api, query: str, shown: int, after: str | None) -> None:
    api.store.happened = [event(f"evt_{number}") for number in range(20)]

    page = (await api.get("/v1/events", query)).json()

    assert [row["id"] for row in page["data"]] == [f"evt_{number}" for number in range(shown)]
    assert page["next"] == after
    assert max(asked.limit for asked in api.store.queries) == 8


async def test_a_large_body_is_shown_only_where_its_event_is_asked_for(api: Api) -> None:
    large, small = "x" * 65_535, "x" * 65_534
    api.store.happened = [event("evt_1", raw=large), event("evt_2", raw=small)]

    listed, alone = await api.get("/v1/events"), await api.get("/v1/events", "event_id=evt_1")

    said = "[65537 bytes: see /v1/events/evt_1]"
    assert [row["raw"] for row in listed.json()["data"]] == [said, small]
    assert (alone.json()["data"][0]["raw"], api.store.queries[-1].event_id) == (large, "evt_1")


async def test_event_is_shown_with_its_whole_body(api: Api) -> None:
    api.store.happened = [event("evt_1", raw="x" * 65_535), event("evt_2")]

    shown = await api.get("/v1/events/evt_1")

    assert (shown.status, shown.json()["id"], len(shown.json()["raw"])) == (200, "evt_1", 65_535)
    assert (await api.get("/v1/events/evt_3")).status == 404
    assert (await api.get("/v1/events/evt_1", "a=1")).status == 400


async def test_delivery_is_shown_with_its_history(api: Api) -> None:
    waiting = row("dlv_1", DeliveryState.WAITING, waiting_for=WaitReason.PAUSE, due_at=NOW)
    api.store.rows = [row("dlv_10"), replace(waiting, receipt=Receipt(details={"ts": "1"}))]

    listed = (await api.get("/v1/deliveries")).json()["data"][1]
    shown = (await api.get("/v1/deliveries/dlv_1")).json()

    assert listed == {
        "id": "dlv_1",
        "event_id": "evt_1",
        "event_type": "music.complete",
        "submission_id": "sub_1",
        "handler": "team",
        "state": "waiting",
        "waiting_for": "pause",
        "attempts": 2,
        "created_at": "2026-11-21T12:00:00.000Z",
        "due_at": "2026-11-21T12:00:00.000Z",
        "receipt": {"files": [], "details": {"ts": "1"}},
        "error": "no answer",
    }
    assert shown == listed | {
        "history": [
            {
                "number": 1,
                "started_at": "2026-11-21T12:00:00.000Z",
                "ended_at": None,
                "outcome": "again",
                "error": "dlv_1",
            }
        ],
    }
    assert (await api.get("/v1/deliveries/dlv")).status == 404
