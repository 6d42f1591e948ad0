"""What health finds, over a real store."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.api.parts import Finding, Health
from receiver.app.checks import Checks
from receiver.app.loops import Loops
from receiver.events import Event
from receiver.routing import Plan
from receiver.store.records import HandlerState
from receiver.store.sqlite.reader import FileReader
from receiver.store.sqlite.store import SqliteStore
from tests.receiver.test_intake import callback
from tests.support.kit import Kit, kit

_SLOW = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path) as made:
        yield made


def checks(house: Kit, folder: Path, *handlers: str) -> Checks:
    return Checks(
        store=house.store,
        loops=Loops([]),
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
