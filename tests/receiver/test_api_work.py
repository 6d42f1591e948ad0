from datetime import timedelta
from typing import Any

import pytest

from receiver.api.parts import CallbackUrlWish
from receiver.events import DeliveryState, Via
from receiver.routing import Plan
from receiver.store.records import Query
from tests.support.api import NOW, Api, event, make_api, row

POSTS = ["/v1/deliveries/x/redeliver", "/v1/redeliveries", "/v1/replays", "/v1/callback-urls"]


@pytest.fixture
def api() -> Api:
    return make_api()


@pytest.mark.parametrize(
    ("state", "body", "status", "ident"),
    [
        ("dead", None, 200, "dlv_1"),
        ("discarded", {}, 200, "dlv_1"),
        ("delivered", {"again": True}, 200, "dlv_new"),
        ("delivered", None, 409, None),
        ("delivered", {"again": False}, 409, None),
    ],
)
async def test_redelivery_makes_it_due(api: Api, state: str, body: Any, status: int, ident: str | None) -> None:
    api.store.rows = [row("dlv_1", DeliveryState(state))]

    answered = await api.post("/v1/deliveries/dlv_1/redeliver", body)

    assert answered.status == status
    assert answered.json().get("id") == ident
    assert ident is None or answered.json()["state"] == "pending"


async def test_redelivery_of_nothing_is_404(api: Api) -> None:
    assert (await api.post("/v1/deliveries/dlv_1/redeliver")).status == 404


WRONG_BODIES = [
    ("/v1/deliveries/dlv_1/redeliver", {"again": "yes"}, "again"),
    ("/v1/deliveries/dlv_1/redeliver", {"agian": True}, "agian"),
    ("/v1/redeliveries", {"state": "delivered"}, "state"),
    ("/v1/redeliveries", {"limit": 1000}, "limit"),
    ("/v1/redeliveries", {"handler": "nobody"}, "archive, team"),
    ("/v1/redeliveries", {"q": "\ud83d"}, "q"),
    ("/v1/replays", {"since": "2h"}, "handler"),
    ("/v1/replays", {"handler": "nobody", "since": "2h"}, "archive, team"),
    ("/v1/replays", {"handler": "team"}, "since"),
    ("/v1/replays", {"handler": "team", "dry_run": True, "limit": 1, "all": True}, "since"),
    ("/v1/replays", {"handler": "team", "labels": {"a": "x\0"}}, "labels.a"),
    ("/v1/callback-urls", {"provider": "suno"}, "operation"),
    ("/v1/callback-urls", {"provider": "suno", "operation": "wav", "labels": {"": "x"}}, "labels"),
    ("/v1/callback-urls", {"provider": "kie", "operation": "wav"}, "one of: suno"),
]


@pytest.mark.parametrize(("path", "body", "named"), WRONG_BODIES, ids=lambda value: ascii(value)[:40])
async def test_wrong_body_is_a_422_that_names_the_place(api: Api, path: str, body: Any, named: str) -> None:
    answered = await api.post(path, body)

    assert answered.status == 422
    assert named in answered.json()["detail"]
    assert (api.store.redelivered, api.store.replayed, api.wishes) == ([], [], [])


@pytest.mark.parametrize("path", POSTS)
async def test_hostile_body_is_refused(api: Api, path: str) -> None:
    assert (await api.post(path, [1])).status == 400
    assert (await api.post(path, {"q": "x" * 2 * 1024 * 1024})).status == 413


async def test_dead_letters_are_redelivered_a_page_at_a_time(api: Api) -> None:
    api.store.rows = [row("dlv_1"), row("dlv_2"), row("dlv_3", DeliveryState.DISCARDED), row("dlv_4", handler="mail")]

    tried = (await api.post("/v1/redeliveries", {"handler": "team", "dry_run": True})).json()
    assert api.store.redelivered == []
    done = (await api.post("/v1/redeliveries", {"handler": "team", "since": "1d", "cursor": "c", "limit": 2})).json()

    assert [(shown["id"], shown["state"]) for shown in tried["data"]] == [("dlv_1", "dead"), ("dlv_2", "dead")]
    assert [(shown["id"], shown["state"]) for shown in done["data"]] == [("dlv_1", "pending"), ("dlv_2", "pending")]
    assert (tried["dry_run"], done["dry_run"], done["next"]) == (True, False, "after")
    assert [ident for ident, _, _ in api.store.redelivered] == ["dlv_1", "dlv_2"]
    expected = Query(handler="team", state="dead", since=NOW - timedelta(days=1), cursor="c", limit=2)
    assert api.store.queries[-1] == expected


async def test_every_event_is_replayed_to_a_handler_that_never_had_it(api: Api) -> None:
    api.store.happened = [
        event("evt_1"),
        event("evt_2"),
        event("evt_3", about="team"),
        event("evt_4", via=Via.SIMULATED),
    ]
    api.store.rows = [row("dlv_1", event_id="evt_1"), row("dlv_2", event_id="evt_2", handler="mail")]
    body = {"handler": "team", "type": "music.complete", "labels": {"a": "b"}, "all": True}

    tried = (await api.post("/v1/replays", body | {"dry_run": True})).json()
    assert api.store.replayed == []
    done = (await api.post("/v1/replays", body)).json()

    fact = {"event_id": "evt_2", "event_type": "music.complete"}
    assert tried == {"dry_run": True, "data": [{"delivery_id": None, **fact}], "next": None}
    assert done == {"dry_run": False, "data": [{"delivery_id": "dlv_new", **fact}], "next": None}
    assert api.store.replayed == [("evt_2", Plan(handler="team"), "dlv_new")]
    assert api.store.queries[0] == Query(type="music.complete", labels={"a": "b"}, limit=8)


async def test_events_are_replayed_as_the_routes_give_them_to_the_handler(api: Api) -> None:
    api.store.happened = [event("evt_1"), event("evt_2"), event("evt_3")]
    api.store.rows = [row("dlv_1", event_id="evt_3")]
    plan = Plan(handler="team", needs=("archive",), wait=timedelta(minutes=5), stop=True)
    api.plans.update({("evt_2", "team"): plan, ("evt_3", "team"): plan, ("evt_1", "archive"): Plan(handler="archive")})

    tried = (await api.post("/v1/replays", {"handler": "team", "since": "7d", "dry_run": True})).json()
    assert api.store.replayed == []
    done = (await api.post("/v1/replays", {"handler": "team", "since": "7d"})).json()

    assert [made["event_id"] for made in tried["data"]] == [made["event_id"] for made in done["data"]] == ["evt_2"]
    assert api.store.replayed == [("evt_2", plan, "dlv_new")]


@pytest.mark.parametrize(
    ("named", "made"),
    [({"since": "1d"}, 0), ({"type": "handler.paused"}, 1), ({"level": "problem"}, 1), ({"event_id": "evt_1"}, 1)],
    ids=str,
)
async def test_own_types_are_replayed_only_where_they_are_named(api: Api, named: dict[str, str], made: int) -> None:
    api.store.happened = [event("evt_1", type="handler.paused", about="mail")]

    answered = await api.post("/v1/replays", {"handler": "team", "all": True, **named})

    assert len(answered.json()["data"]) == len(api.store.replayed) == made


@pytest.mark.parametrize(("event_id", "made"), [("evt_2", 1), ("evt_9", 0)])
async def test_one_event_is_replayed_by_its_id(api: Api, event_id: str, made: int) -> None:
    api.store.happened = [event("evt_1"), event("evt_2")]

    answered = await api.post("/v1/replays", {"handler": "team", "event_id": event_id, "all": True})

    assert len(answered.json()["data"]) == len(api.store.replayed) == made


async def test_callback_url_is_made_as_wished(api: Api) -> None:
    answered = await api.post(
        "/v1/callback-urls",
        {"provider": "suno", "operation": "wav", "client": "app", "labels": {"a": "b"}, "standing": True},
    )

    assert (answered.status, answered.json()) == (
        201,
        {"submission_id": "sub_9", "url": "https://example.com/callbacks/t"},
    )
    assert api.wishes == [
        CallbackUrlWish(provider="suno", operation="wav", client="app", labels={"a": "b"}, standing=True)
    ]
