"""A bell wakes whoever waits, and is not lost on who comes late."""

import asyncio
from datetime import timedelta

from receiver.store.bells import LocalBell

LONG, NOTHING = timedelta(hours=1), timedelta()


async def test_a_ring_ends_the_wait() -> None:
    bell = LocalBell()
    waits = asyncio.create_task(bell.wait(LONG))
    await asyncio.sleep(0)
    assert not waits.done()
    bell.ring()
    await asyncio.wait_for(waits, 5)


async def test_a_ring_between_two_waits_is_not_lost() -> None:
    bell = LocalBell()
    bell.ring()
    await asyncio.wait_for(bell.wait(LONG), 5)


async def test_without_a_ring_the_time_ends_the_wait() -> None:
    await asyncio.wait_for(LocalBell().wait(NOTHING), 5)


async def test_a_ring_is_heard_once() -> None:
    bell = LocalBell()
    bell.ring()
    await bell.wait(LONG)
    second = asyncio.create_task(bell.wait(LONG))
    await asyncio.sleep(0)
    assert not second.done()
    second.cancel()
