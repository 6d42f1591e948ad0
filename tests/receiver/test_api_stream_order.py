"""Whatever commits, reads slowly and comes back: a stream is the store's events, in order, each once."""

import asyncio
import random
from datetime import timedelta
from pathlib import Path

import pytest

from receiver.api import stream_hub
from receiver.store.records import Query
from tests.support.api import ADMIN
from tests.support.hubs import Station, station
from tests.support.streaming import calling
from tests.support.workers import until

WRITERS, EACH = 4, 40


async def write(here: Station, name: int, dice: random.Random) -> None:
    left = EACH
    while left:
        size = min(left, dice.choice((1, 1, 2, 12)))
        kind = dice.choice(("music.complete", "lyrics.complete"))
        await here.emit(*(f"evt_{dice.getrandbits(64):016x}_{name}" for _ in range(size)), type=kind)
        left -= size
        await asyncio.sleep(dice.choice((0, 0, 0.001, 0.01)))


async def follow(here: Station, target: str, dice: random.Random, done: asyncio.Event) -> list[str]:
    """Reads until all is written and read; goes away and comes back as it pleases."""
    got: list[str] = []
    place: str | None = None
    while True:
        headers = [*ADMIN, *([("last-event-id", place)] if place else [])]
        async with calling(here.app, target, headers) as caller:
            for _ in range(dice.choice((1, 3, 30))):
                if done.is_set() and place == here.hub.position and caller.frames.empty():
                    return got
                if dice.random() < 0.1:
                    caller.reads.clear()
                    asyncio.get_running_loop().call_later(0.005, caller.reads.set)
                try:
                    frame = await caller.frame(0.5)
                except TimeoutError:
                    break
                place = frame.id or place
                if frame.data is not None:
                    assert frame.id
                    got.append(frame.id)


@pytest.mark.parametrize("seed", range(8))
async def test_a_stream_is_the_stores_events_in_order_each_once(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)
    monkeypatch.setattr(stream_hub, "_MOST_BEHIND", dice.choice((5, 1000)))
    async with station(tmp_path, beat=timedelta(milliseconds=10)) as here:
        done = asyncio.Event()
        targets = ["/v1/stream?last_event_id=evt_0", "/v1/stream?last_event_id=evt_0&type=music.*"]
        readers = [asyncio.create_task(follow(here, target, random.Random(seed), done)) for target in targets * 2]
        async with here.hub.listen(lambda _: False), asyncio.timeout(60):
            await asyncio.gather(*(write(here, name, dice) for name in range(WRITERS)))
            stored = [event for page in await _all(here) for event in page]
            # Readers end where the hub stands, and it follows the commits a moment later.
            await until(lambda: here.hub.position == stored[-1][0])
            done.set()
            found = await asyncio.gather(*readers)
    every = [ident for ident, _ in stored]
    music = [ident for ident, type_ in stored if type_ == "music.complete"]
    assert len(every) == WRITERS * EACH
    assert found == [every, music, every, music]


async def _all(here: Station) -> list[list[tuple[str, str]]]:
    found = await here.kit.store.events_after(None, Query(limit=500))
    return [[(event.id, event.type) for event in found]]
