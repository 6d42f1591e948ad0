import asyncio
import logging
from collections.abc import Iterable
from itertools import pairwise

import pytest

from receiver.errors import StoreUnavailable
from receiver.turns import forever, insist, led


class Database:
    """There, or away."""

    def __init__(self, *, away: bool) -> None:
        self.away = away

    async def ping(self) -> None:
        if self.away:
            raise StoreUnavailable("it is away")


class Write:
    """Fails in these ways, then goes through."""

    def __init__(self, failures: Iterable[Exception]) -> None:
        self.tries = 0
        self._failures = iter(failures)

    async def __call__(self) -> str:
        self.tries += 1
        if error := next(self._failures, None):
            raise error
        return "written"


def misses(count: int) -> list[Exception]:
    return [StoreUnavailable("it is away") for _ in range(count)]


@pytest.mark.parametrize(
    ("error", "level"), [(ZeroDivisionError(), logging.ERROR), (StoreUnavailable("disk full"), logging.WARNING)]
)
async def test_a_turn_that_fails_is_logged_and_the_next_one_comes_after_a_rest(
    error: Exception, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    stopping, begun = asyncio.Event(), list[float]()
    time = asyncio.get_running_loop().time

    async def turn() -> None:
        begun.append(time())
        if len(begun) == 1:
            raise error
        stopping.set()

    await forever(turn, stopping, pause=0.05)
    assert [record.levelno for record in caplog.records if record.levelno > logging.INFO] == [level]
    assert begun[1] - begun[0] > 0.04


async def test_the_turn_under_way_is_cancelled_at_the_stop() -> None:
    stopping, cancelled = asyncio.Event(), asyncio.Event()

    async def turn() -> None:
        stopping.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    await forever(turn, stopping)
    assert cancelled.is_set()


async def test_a_database_that_is_away_is_told_once_and_once_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stopping, turn = asyncio.Event(), Write(misses(5))

    async def once_more() -> None:
        await turn()
        stopping.set()

    await forever(once_more, stopping, pause=0.001)
    said = [(record.levelname, record.getMessage().partition(">.")[2]) for record in caplog.records]
    assert said == [
        ("WARNING", "once_more waits for the database: it is away"),
        ("INFO", "once_more goes on: the database is back"),
    ]


async def test_the_rests_grow_while_the_database_is_away() -> None:
    stopping, begun = asyncio.Event(), list[float]()
    time = asyncio.get_running_loop().time

    async def turn() -> None:
        begun.append(time())
        if len(begun) < 4:
            raise StoreUnavailable("it is away")
        stopping.set()

    await forever(turn, stopping, pause=0.02)
    rests = [later - earlier for earlier, later in pairwise(begun)]
    assert [rest > least for rest, least in zip(rests, (0.015, 0.035, 0.075), strict=True)] == [True] * 3


async def test_only_whoever_leads_takes_turns_and_after_a_takeover_it_rests_once() -> None:
    answers, turns, asked = iter([True, False, False, True, True, True]), Write([]), list[str]()

    async def leads(task: str) -> bool:
        asked.append(task)
        return next(answers)

    async def turn() -> None:
        await turns()

    take = led(leads, "reconciler", turn, aside=0)
    taken = []
    for _ in range(6):
        await take()
        taken.append(turns.tries)
    assert taken == [1, 1, 1, 1, 2, 3]
    assert set(asked) == {"reconciler"}


async def test_a_write_is_made_again_for_as_long_as_the_database_is_away(caplog: pytest.LogCaptureFixture) -> None:
    write = Write(misses(20))
    assert await insist(Database(away=True), write, asyncio.Event(), pause=0.0001) == "written"
    assert (write.tries, len(caplog.records)) == (21, 1)


async def test_a_write_that_a_living_database_refuses_is_given_up() -> None:
    write = Write(misses(20))
    with pytest.raises(StoreUnavailable):
        await insist(Database(away=False), write, asyncio.Event(), pause=0.0001)
    assert write.tries == 5


async def test_at_the_end_a_write_is_tried_a_last_time_at_once() -> None:
    write, over = Write(misses(20)), asyncio.Event()
    insisting = asyncio.create_task(insist(Database(away=True), write, over, pause=3600))
    async with asyncio.timeout(10):
        while not write.tries:  # noqa: ASYNC110 - the write has no event of its own
            await asyncio.sleep(0)
        over.set()
        with pytest.raises(StoreUnavailable):
            await insisting
    assert write.tries == 2
