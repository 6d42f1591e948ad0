import asyncio
import logging

import pytest

from receiver.errors import StoreUnavailable
from receiver.turns import forever


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
    assert [record.levelno for record in caplog.records] == [level]
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
