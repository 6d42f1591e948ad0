"""The connection that stays, when it breaks: bells are heard again, and what was held is held by one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from receiver.errors import StoreUnavailable
from receiver.store import open_store
from receiver.store.base import Store
from receiver.store.postgresql import reader as reading
from receiver.store.postgresql.connections import Pool
from receiver.store.postgresql.reader import SharedReader
from tests.contracts.store_kit import Ids, an_event, running

_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def stores(postgresql_url: str) -> AsyncIterator[list[Store]]:
    async with AsyncExitStack() as stack:
        made = [open_store(postgresql_url, None, Ids()) for _ in range(2)]
        await made[0].migrate()
        yield [await stack.enter_async_context(running(store)) for store in made]


async def _break_all(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(_OTHERS)
    await connection.close()


async def _until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await true():  # noqa: ASYNC110 - the server is what changes
            await asyncio.sleep(0.05)


async def test_whoever_rang_while_nobody_listened_is_heard(stores: list[Store], postgresql_url: str) -> None:
    async with asyncio.timeout(20):
        hearing = [asyncio.create_task(bell.wait(MINUTE)) for bell in (stores[0].outbox, stores[0].news)]
        await _break_all(postgresql_url)
        await asyncio.gather(*hearing)
        again = asyncio.create_task(stores[0].outbox.wait(MINUTE))
        await stores[1].emit([an_event("disk.low")])
        await again


async def test_what_was_held_is_lost_with_the_connection(stores: list[Store], postgresql_url: str) -> None:
    mine, other = stores
    assert await mine.leads("pruner")
    await _break_all(postgresql_url)
    await _until(lambda: other.leads("pruner"))
    assert not await mine.leads("pruner")


async def _nothing(_: object) -> None: ...


@asynccontextmanager
async def _hanging() -> AsyncIterator[None]:
    await asyncio.Event().wait()
    yield


async def test_nobody_queues_behind_a_database_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PATIENCE", 0.05)

    pool = Pool("postgresql://h/d", greet=_nothing)
    monkeypatch.setattr(pool, "borrow", _hanging)
    reader = SharedReader(pool, 1)
    async with asyncio.timeout(5):
        asked = await asyncio.gather(*(reader.rows("SELECT 1") for _ in range(200)), return_exceptions=True)
    assert {type(error) for error in asked} == {StoreUnavailable}
