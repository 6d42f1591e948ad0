from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from receiver.events import Stage
from receiver.routing import Plan
from receiver.stages import reported
from receiver.store.records import Delivered, Terms
from receiver.watch import Watch, free_bytes
from tests.support.kit import Kit, kit
from tests.support.stages import complete, moment

GIB = 2**30


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path) as made:
        yield made


def watch(house: Kit, free: list[int]) -> Watch:
    return Watch(
        store=house.store,
        new_id=house.new_id,
        archives={"archive"},
        folders=[Path("songs")],
        free_disk=GIB,
        free=lambda _: free[0],
    )


async def test_a_disk_that_runs_full_is_told_once_and_again_after_it_had_room(house: Kit) -> None:
    free = [2 * GIB]
    watching = watch(house, free)
    for size in (2 * GIB, GIB // 2, GIB // 3, 2 * GIB, GIB // 4):
        free[0] = size
        await watching.look()
    events = await house.events()
    assert [(event.type, event.level) for event in events] == [("disk.low", "problem")] * 2
    assert events[0].error is not None
    assert "512MiB are free at songs" in events[0].error.message


async def test_an_archive_still_undelivered_when_links_die_soon_is_told_once(house: Kit) -> None:
    await waiting(house, "archive", "team")
    watching = watch(house, [2 * GIB])
    for days in (10.9, 0.2, 1, 1):
        house.clock.forward(days=days)
        await watching.look()
        told = [event for event in await house.events() if event.type == "file.expiring"]
        assert len(told) == (days != 10.9)
    (event,) = told
    assert (event.about, event.raw["handler"]) == ("archive", "archive")


async def test_what_was_archived_does_not_expire(house: Kit) -> None:
    await waiting(house, "archive")
    house.clock.forward(seconds=1)
    (claim,) = await house.store.claim("w", timedelta(minutes=1), {"archive": Terms(concurrency=1)}, 1)
    await house.store.end(claim, Delivered())
    house.clock.forward(days=12)
    await watch(house, [2 * GIB]).look()
    assert await house.types() == ["music.complete"]


async def test_one_process_of_a_machine_looks_at_its_disks_and_one_of_all_at_the_archives(
    house: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    led = set[str]()

    async def leads(task: str) -> bool:
        return task in led

    monkeypatch.setattr(house.store, "leads", leads)
    await waiting(house, "archive")
    house.clock.forward(days=12)
    watching = replace(watch(house, [GIB // 2]), host="one")
    told = []
    for task in ("disks of two", "disks of one", "watch"):
        led.add(task)
        await watching.look()
        told.append((await house.types())[1:])
    assert told == [[], ["disk.low"], ["disk.low", "file.expiring"]]


async def waiting(house: Kit, *handlers: str) -> None:
    """A finished song that waits for these handlers."""
    submission = await house.expect(task_id="task-1")
    at = moment(now=house.clock())
    await house.store.change(submission.id, lambda current, _: reported(current, complete(), at))
    (event,) = await house.store.unrouted(10)
    assert event.stage == Stage.COMPLETE
    await house.store.route([(event, tuple(Plan(handler=name) for name in handlers))])


def test_the_disk_of_a_folder_that_is_not_there_yet_is_its_parents(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "there") > 0
