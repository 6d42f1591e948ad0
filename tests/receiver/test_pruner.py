import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from receiver import pruner
from receiver.pruner import BATCH, Pruner, sweep
from receiver.stages import reported
from receiver.store.records import Mark, Pruned, Retention
from tests.support.kit import Kit, kit
from tests.support.stages import complete, moment

KEEP = Retention(events=timedelta(days=90), callbacks=timedelta(days=30))


@dataclass
class FakeStore:
    """Has so many batches to prune, each of which takes `seconds` of the time that `now` tells."""

    batches: int = 1
    seconds: float = 0.0
    leader: bool = True
    now: float = 0.0
    marks: list[Mark | None] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def leads(self, task: str) -> bool:
        assert task == "pruner"
        self.asked.set()
        return self.leader

    async def prune(self, keep: Retention, mark: Mark | None, limit: int, *, dry_run: bool = False) -> Pruned:
        assert (keep, limit) == (KEEP, BATCH)
        self.marks.append(mark)
        self.now += self.seconds
        left = self.batches - len(self.marks)
        return Pruned(looked=2, events=1, next=Mark("events", left) if left else None)


def a_pruner(store: Any) -> Pruner:
    return Pruner(store=store, keep=KEEP)


async def swept(store: Any, *, dry_run: bool = False) -> tuple[Pruned, list[float]]:
    """What went, and the rests between the batches in seconds."""
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    total = Pruned()
    with patch.object(pruner, "monotonic", lambda: store.now), patch("asyncio.sleep", rest):
        async for pruned in sweep(store, KEEP, dry_run=dry_run):
            total += pruned
    return total, rests


async def test_a_sweep_goes_on_from_mark_to_mark_until_nothing_is_left() -> None:
    store = FakeStore(batches=3)
    total, _ = await swept(store)
    assert total == Pruned(looked=6, events=3)
    assert store.marks == [None, Mark("events", 2), Mark("events", 1)]


@pytest.mark.parametrize(("dry_run", "rest"), [(False, 1.0), (True, 0.0)])
async def test_it_rests_longer_the_longer_a_batch_took(dry_run: bool, rest: float) -> None:
    _, rests = await swept(FakeStore(batches=3, seconds=0.25), dry_run=dry_run)
    assert rests == [rest, rest]


async def test_only_the_one_that_leads_removes_anything() -> None:
    store = FakeStore(leader=False)
    following = a_pruner(store)
    running = asyncio.create_task(following.run())
    await asyncio.wait_for(store.asked.wait(), 10)
    following.stop()
    await running
    assert store.marks == []


async def test_the_loop_removes_what_is_old_and_ends_when_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    store = FakeStore(batches=2)
    leading = a_pruner(store)
    with caplog.at_level(logging.INFO):
        running = asyncio.create_task(leading.run())
        async with asyncio.timeout(10):
            while not caplog.records:  # noqa: ASYNC110 - a loop that nobody else tells of
                await asyncio.sleep(0.01)
        leading.stop()
        await running
    assert len(store.marks) == 2
    assert "0 bodies of callbacks, 2 events with 0 deliveries" in caplog.text


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path) as made:
        yield made


async def test_what_is_past_retention_goes_from_a_real_store(house: Kit) -> None:
    submission = await house.expect()
    await house.store.change(submission.id, lambda current, _: reported(current, complete(), moment()))
    await house.intake.receive(submission.id, {}, b'{"no": "song"}')
    await house.store.route([(event, []) for event in await house.store.unrouted(9)])
    later = a_pruner(house.store)
    await later.prune()
    assert await house.types() == ["music.complete", "callback.unrecognised"]
    house.clock.forward(days=91)
    await later.prune()
    assert await house.types() == ["callback.unrecognised"]
