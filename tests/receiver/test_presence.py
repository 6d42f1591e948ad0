import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from receiver.events import Stage
from receiver.presence import Pulse, missing_since
from receiver.store.records import Presence, Process
from tests.support.kit import Kit, kit
from tests.support.stages import NOON
from tests.support.workers import happen

WEB = Process(id="web-1", host="one", does_web=True, does_work=False)
WORKER = Process(id="worker-1", host="two", does_web=False, does_work=True)
SERVE = Process(id="serve-1", host="one", does_web=True, does_work=True)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path) as made:
        yield made


async def runs(house: Kit, process: Process, minutes: int) -> None:
    """It is seen every twenty seconds."""
    for _ in range(3 * minutes):
        await Pulse(store=house.store, process=process).beat()
        house.clock.forward(seconds=20)


def seen(process: Process, steady: float, last: float) -> Presence:
    """From minute to minute."""
    at = [NOON + timedelta(minutes=minutes) for minutes in (steady, last)]
    return Presence(process=process, started_at=NOON, steady_at=at[0], seen_at=at[1])


CASES = [
    ("nobody ever ran", [], None),
    ("a worker lives", [seen(WEB, 0, 60), seen(WORKER, 0, 59.5)], None),
    ("a worker ended just now", [seen(WEB, 0, 60), seen(WORKER, 0, 59)], None),
    ("no worker for a while", [seen(WEB, 0, 60), seen(WORKER, 0, 40)], 40),
    ("the last one counts", [seen(WEB, 0, 60), seen(WORKER, 0, 40), seen(replace(WORKER, id="w2"), 0, 50)], 50),
    ("there never was one", [seen(WEB, 30, 60), seen(replace(WEB, id="web-2"), 20, 60)], 20),
    ("all were down", [seen(WEB, 59.5, 60), seen(WORKER, 0, 40)], None),
    ("the web ended soon after", [seen(WEB, 0, 40.9), seen(WORKER, 0, 40)], None),
    ("another web ran meanwhile", [seen(WEB, 0, 50), seen(replace(WEB, id="w2"), 59.5, 60), seen(WORKER, 0, 40)], 40),
    ("serve is a worker too", [seen(SERVE, 0, 60)], None),
    ("serve itself was away", [seen(SERVE, 0, 40)], None),
]


@pytest.mark.parametrize(("known", "since"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_worker_is_missing_where_a_web_ran_without_any(known: list[Presence], since: int | None) -> None:
    expected = None if since is None else NOON + timedelta(minutes=since)
    assert missing_since(known) == expected


async def test_a_worker_that_comes_back_tells_once_for_how_long_there_was_none(house: Kit) -> None:
    await runs(house, WORKER, 1)
    last: datetime = house.clock()
    await house.store.present(WORKER, ending=True)
    await runs(house, WEB, 5)
    await happen(house, Stage.COMPLETE)
    for number in (2, 3):
        await Pulse(store=house.store, process=replace(WORKER, id=f"worker-{number}")).beat()
    await runs(house, WORKER, 2)
    (event,) = [event for event in await house.events() if event.type == "worker.missing"]
    assert (event.level, event.raw["events"], event.occurred_at) == ("problem", 1, last + timedelta(minutes=5))
    assert event.error is not None
    assert event.error.message.startswith("No worker ran from 2026")
    assert "events that waited: 1, deliveries that waited: 0." in event.error.message


async def test_workers_that_come_back_together_tell_of_one_absence(house: Kit) -> None:
    await runs(house, WEB, 5)
    workers = [Pulse(store=house.store, process=replace(WORKER, id=f"worker-{number}")) for number in range(3)]
    await asyncio.gather(*(worker.beat() for worker in workers))
    assert await house.types() == ["worker.missing"]


async def test_a_web_tells_nothing_and_a_restart_of_all_neither(house: Kit) -> None:
    await runs(house, WORKER, 1)
    await runs(house, WEB, 5)
    assert await house.types() == []
    house.clock.forward(hours=8)
    later = [replace(WEB, id="web-2"), replace(WORKER, id="worker-2")]
    await house.store.present(replace(WORKER, id="worker-0"))
    house.clock.forward(hours=8)
    for process in later:
        await Pulse(store=house.store, process=process).beat()
    assert await house.types() == []


async def test_a_pulse_that_ends_says_so(house: Kit) -> None:
    pulse = Pulse(store=house.store, process=WORKER)
    running = asyncio.create_task(pulse.run())
    async with asyncio.timeout(10):
        while not await house.store.processes():  # noqa: ASYNC110 - the pulse says it to the store alone
            await asyncio.sleep(0.005)
    assert [one.ended_at for one in await house.store.processes()] == [None]
    pulse.stop()
    await running
    assert [one.ended_at for one in await house.store.processes()] == [house.clock()]
