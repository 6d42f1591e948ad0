"""`/v1/handlers` over a real store, with a worker behind it where one is needed."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from handlers.log import Log
from receiver.api import routes
from receiver.events import Level, Via
from receiver.handler import Handler
from receiver.routing import Match, Plan, Route, Step, plan
from tests.support.api import ADMIN, APP, make_api
from tests.support.broken import Broken
from tests.support.kit import Kit, kit
from tests.support.web import Answered, Ask, application, ask
from tests.support.workers import running, until, until_state


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path) as made:
        yield made


HANDLERS: dict[str, Handler] = {
    "team": Log(type="log", fallback="mail"),
    "mail": Log(type="log"),
    "broken": Broken(type="tests.support.broken:Broken", how="as a whole"),
}


async def send(house: Kit, method: str, path: str, body: bytes = b"", **more: Any) -> Answered:
    parts = replace(make_api().parts, store=house.store, handlers=lambda: HANDLERS, new_id=house.new_id)
    return await ask(application(routes(parts)), Ask(path, method, **{"headers": ADMIN, "body": body} | more))


async def state_of(house: Kit, name: str) -> dict[str, Any]:
    listed = (await send(house, "GET", "/v1/handlers")).json()["data"]
    return next(dict(shape) for shape in listed if shape["name"] == name)


async def test_handlers_are_listed_as_the_configuration_has_them(house: Kit) -> None:
    listed = (await send(house, "GET", "/v1/handlers")).json()
    assert listed["next"] is None
    assert [(shape["name"], shape["type"], shape["fallback"]) for shape in listed["data"]] == [
        ("team", "log", "mail"),
        ("mail", "log", None),
        ("broken", "tests.support.broken:Broken", None),
    ]
    assert {shape["paused_at"] for shape in listed["data"]} == {None}


async def test_a_pause_by_hand_holds_until_it_is_resumed(house: Kit) -> None:
    answered = await send(house, "POST", "/v1/handlers/team/pause", b'{"reason": "we move"}')
    assert answered.status == 200
    assert answered.json()["reason"] == "paused by hand: we move"
    assert (await state_of(house, "team"))["paused_at"] == answered.json()["paused_at"] is not None
    worker = house.worker(HANDLERS)
    async with running(worker):
        await send(house, "POST", "/v1/handlers/team/test")
        await until(lambda: worker._begun)
        assert (await state_of(house, "team"))["probe_at"] is None
        house.clock.forward(hours=1)
        assert (await house.states())[-1] == ("team", "waiting")
        assert (await send(house, "POST", "/v1/handlers/team/resume")).json()["paused_at"] is None
        await until_state(house, "delivered")
    told = [(event.type, event.level, event.about) for event in await house.events() if event.type[:8] == "handler."]
    assert told == [("handler.paused", Level.PROBLEM, "team"), ("handler.resumed", Level.INFO, "team")]


async def test_pausing_or_resuming_twice_is_a_conflict_that_says_so(house: Kit) -> None:
    assert (await send(house, "POST", "/v1/handlers/team/resume")).status == 409
    assert (await send(house, "POST", "/v1/handlers/team/pause")).status == 200
    again = await send(house, "POST", "/v1/handlers/team/pause")
    assert (again.status, again.json()["detail"]) == (
        409,
        "team is paused already. Resume it to let its deliveries go.",
    )


async def test_a_test_is_a_rehearsal_that_only_its_handler_gets(house: Kit) -> None:
    answered = await send(house, "POST", "/v1/handlers/team/test", b'{"type": "music.failed"}')
    assert answered.status == 202
    shape = answered.json()
    assert (shape["handler"], shape["event_type"], shape["state"]) == ("team", "music.failed", "pending")
    (event,) = await house.events()
    assert (event.via, event.error is not None) == (Via.SIMULATED, True)
    submission = await house.store.submission(shape["submission_id"])
    assert submission is not None
    assert submission.simulated
    everything = Route(when=Match(), handlers=(Step(handler="mail"),))
    assert plan(event, [everything]) == ()


async def test_a_test_that_a_route_took_first_is_answered_with_its_delivery(house: Kit) -> None:
    emit = house.store.emit

    async def routed_at_once(events: Any) -> None:
        await emit(events)
        await house.store.route([(event, [Plan(handler="team")]) for event in events])

    object.__setattr__(house.store, "emit", routed_at_once)
    answered = await send(house, "POST", "/v1/handlers/team/test", b'{"type": "disk.low"}')
    (row,) = await house.deliveries()
    assert answered.json()["id"] == row.id


async def test_a_test_of_a_broken_handler_pauses_it_and_raises_no_alarm(house: Kit) -> None:
    async with running(house.worker(HANDLERS)):
        await send(house, "POST", "/v1/handlers/broken/test")
        await until_state(house, "waiting")
    assert (await state_of(house, "broken"))["reason"] == "the target is broken as a whole"
    assert await house.types() == ["music.complete"]


@pytest.mark.parametrize("action", ["test", "pause", "resume"])
async def test_an_unknown_handler_is_not_found(house: Kit, action: str) -> None:
    assert (await send(house, "POST", f"/v1/handlers/nobody/{action}")).status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/handlers"),
        ("POST", "/v1/handlers/team/test"),
        ("POST", "/v1/handlers/team/pause"),
        ("POST", "/v1/handlers/team/resume"),
    ],
)
async def test_handlers_are_for_the_admin(house: Kit, method: str, path: str) -> None:
    assert (await send(house, method, path, headers=APP)).status == 403
    assert (await send(house, method, path, headers=())).status == 401
    assert (await send(house, method, path, query="colour=red")).status == 400
    assert await house.types() == []


async def test_a_type_that_is_none_says_what_to_write(house: Kit) -> None:
    answered = await send(house, "POST", "/v1/handlers/team/test", b'{"type": "music.complet"}')
    assert answered.status == 422
    assert "did you mean music.complete?" in answered.json()["detail"]
    answered = await send(house, "POST", "/v1/handlers/team/test", b'{"typ": "x"}')
    assert answered.status == 422
