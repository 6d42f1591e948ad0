"""What health finds, over a real store."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from receiver.api.parts import Finding, Health
from receiver.app.checks import Checks
from receiver.app.loops import Loops
from receiver.events import Event
from receiver.routing import Plan
from receiver.store.records import HandlerState, Process
from receiver.store.sqlite.reader import FileReader
from receiver.store.sqlite.store import SqliteStore
from tests.receiver.test_intake import callback
from tests.support.kit import Kit, kit

_SLOW = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path) as made:
        yield made


SERVE = Process(id="serve-1", host="one", does_web=True, does_work=True)
WEB = Process(id="web-1", host="one", does_web=True, does_work=False)
WORKER = Process(id="worker-1", host="two", does_web=False, does_work=True)


def checks(house: Kit, folder: Path | None, *handlers: str, process: Process = SERVE) -> Checks:
    return Checks(
        store=house.store,
        loops=Loops([]),
        process=process,
        handlers=handlers,
        clients=["app"],
        public=True,
        folder=folder,
        free_disk=0,
    )


async def a_song_for(house: Kit, handler: str) -> None:
    submission = await house.expect()
    await house.intake.receive(submission.id, {}, callback())
    await house.store.route([(event, [Plan(handler=handler)]) for event in await house.store.unrouted(9)])


async def pause(house: Kit, handler: str) -> None:
    now = house.clock()
    event = Event(id=house.new_id("evt"), type="handler.paused", occurred_at=now, received_at=now)
    await house.store.pause(HandlerState(name=handler, reason="revoked"), event)


async def findings(made: Checks) -> list[Finding]:
    return [await check.look() for check in made.alive()]


async def test_a_healthy_house_has_nothing_to_say(house: Kit, tmp_path: Path) -> None:
    await a_song_for(house, "team")
    made = checks(house, tmp_path, "team")
    assert [(found.health, found.detail) for found in await findings(made)] == [(Health.OK, "")] * 6
    assert [check.name for check in made.alive()] == [found.name for found in await findings(made)]


def test_only_the_database_and_the_tasks_may_fail(house: Kit, tmp_path: Path) -> None:
    made = checks(house, tmp_path, "team")
    assert [check.name for check in made.alive() if check.vital] == ["database", "tasks"]
    assert [check.vital for check in made.ready()] == [True]


async def test_deliveries_of_a_handler_that_was_removed_are_told(house: Kit, tmp_path: Path) -> None:
    await a_song_for(house, "gone")
    found = await checks(house, tmp_path, "team").deliveries()
    said = "Deliveries wait for gone, not in the configuration. Put it back by this name."
    assert (found.health, found.detail) == (Health.WARN, said)


@pytest.mark.parametrize(("known", "health"), [("team", Health.WARN), ("other", Health.OK)], ids=["known", "removed"])
async def test_only_the_pause_of_a_configured_handler_warns(
    house: Kit, tmp_path: Path, known: str, health: Health
) -> None:
    await pause(house, "team")
    found = await checks(house, tmp_path, known).paused()
    assert (found.health, "team is paused: revoked" in found.detail) == (health, health is Health.WARN)


async def test_a_web_alone_warns_once_no_worker_was_seen_for_a_lease(house: Kit) -> None:
    found = checks(house, None, process=WEB)
    assert [check.name for check in found.alive()][-2:] == ["worker", "configuration"]
    await house.store.present(WORKER, ending=True)
    for health in (Health.OK, Health.OK, Health.WARN):
        await house.store.present(WEB)
        assert (await found.worker()).health is health
        house.clock.forward(seconds=35)
    told = await found.worker()
    assert told.detail.endswith("everything is kept, nothing is delivered; start `receiver worker`.")
    await house.store.present(WORKER)
    assert (await found.worker()).health is Health.OK


async def test_a_web_that_has_just_come_does_not_warn_yet(house: Kit) -> None:
    older = replace(WEB, id="web-0")
    for _ in range(4):
        await house.store.present(older)
        house.clock.forward(seconds=35)
    await house.store.present(WEB)
    assert (await checks(house, None, process=WEB).worker()).health is Health.OK
    assert (await checks(house, None, process=older).worker()).health is Health.WARN


async def test_no_check_waits_for_a_search(house: Kit, tmp_path: Path) -> None:
    assert isinstance(house.store, SqliteStore)
    search = asyncio.create_task(house.store._searcher.rows(_SLOW))
    try:
        async with asyncio.timeout(5):
            assert len(await findings(checks(house, tmp_path, "team"))) == 6
        assert not search.done()
    finally:
        searcher = house.store._searcher
        assert isinstance(searcher, FileReader)
        db = searcher._db
        assert db is not None
        await db.interrupt()
        await asyncio.gather(search, return_exceptions=True)
