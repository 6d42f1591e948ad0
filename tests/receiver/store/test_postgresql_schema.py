"""Migrations of PostgreSQL: by several at once, never backwards, while others go on."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from receiver.errors import SchemaTooNew, StoreUnavailable
from receiver.store import open_store
from receiver.store.base import Store
from receiver.store.postgresql import connections, schema
from receiver.store.records import Query
from receiver.store.sql.scripts import Script, scripts
from tests.contracts.store_kit import Ids, a_delivery, a_submission, an_event, keep, running

ADDS = """-- Runs with: 1
ALTER TABLE submissions ADD COLUMN mood TEXT;
ALTER TABLE deliveries ADD COLUMN mood TEXT;
"""


def a_store(url: str) -> Store:
    return open_store(url, None, Ids())


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url, server_settings={"search_path": "receiver"})
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> int:
    """This version has one script more, which adds columns."""
    known = scripts("postgresql")
    added = Script(known[-1].number + 1, ADDS)
    monkeypatch.setattr(schema, "scripts", lambda _: (*known, added))
    return added.number


async def test_many_may_migrate_at_once(postgresql_url: str) -> None:
    stores = [a_store(postgresql_url) for _ in range(4)]
    assert sum(await asyncio.gather(*(store.migrate() for store in stores))) == len(scripts("postgresql"))
    assert await stores[0].migrate() == 0
    async with running(stores[0]) as store:
        await store.ping()


async def test_a_newer_schema_is_refused_and_left_as_it_is(postgresql_url: str) -> None:
    store = a_store(postgresql_url)
    await store.migrate()
    await _execute(postgresql_url, "UPDATE meta SET value = '99' WHERE name LIKE 'schema%'")
    for call in (store.migrate, store.open):
        with pytest.raises(SchemaTooNew, match=r"migrated by a newer version \(schema 99, this one knows \d\)"):
            await call()


async def test_a_newer_schema_that_runs_with_ours_is_used(postgresql_url: str) -> None:
    store = a_store(postgresql_url)
    await store.migrate()
    await _execute(postgresql_url, "UPDATE meta SET value = '99' WHERE name = 'schema_version'")
    assert await store.migrate() == 0
    async with running(store):
        await store.ping()


async def test_the_older_version_goes_on_while_a_newer_one_migrates(postgresql_url: str, newer: int) -> None:
    old, new = a_store(postgresql_url), a_store(postgresql_url)
    with pytest.MonkeyPatch.context() as before:
        before.setattr(schema, "scripts", scripts)
        await old.migrate()
    async with running(old):
        await a_delivery(old)
        # Their statements are prepared, with the columns of then: a read, and one inside a transaction.
        (row,) = (await old.delivery_rows(Query())).data
        assert await old.redeliver(row.id) == row
        assert await old.missing() == 1
        assert await new.migrate() == 1
        # The one inside a transaction first: a read that meets the change mends the others.
        assert await old.redeliver(row.id) == row
        assert (await old.delivery_rows(Query())).data == [row]
        assert await old.change(a_submission(), keep) is not None
        assert len((await old.submissions(Query())).data) == 2


async def test_a_migration_that_has_to_wait_holds_nobody_up(postgresql_url: str, newer: int) -> None:
    old, new = a_store(postgresql_url), a_store(postgresql_url)
    with pytest.MonkeyPatch.context() as before:
        before.setattr(schema, "scripts", scripts)
        await old.migrate()
    reader = await asyncpg.connect(postgresql_url, server_settings={"search_path": "receiver"})
    try:
        async with running(old):
            async with reader.transaction():
                await reader.fetch("SELECT * FROM submissions")
                migrating = asyncio.create_task(new.migrate())
                # Longer than a migration waits for a lock: those who came behind it get their turn.
                async with asyncio.timeout(20):
                    await old.change(a_submission(), keep)
                    await old.change(replace(a_submission(), title="second"), keep)
                assert not migrating.done()
            assert await migrating == 1
    finally:
        await reader.close()


async def test_a_pooler_that_forgets_settings_is_refused(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(connections._SETTINGS, "search_path")
    for call in (a_store(postgresql_url).migrate, a_store(postgresql_url).open):
        with pytest.raises(StoreUnavailable, match="is behind a pooler that hands sessions round"):
            await call()


async def test_what_comes_from_another_server_is_followed_in_its_order(postgresql_url: str) -> None:
    store = a_store(postgresql_url)
    await store.migrate()
    told = [an_event("disk.low") for _ in range(3)]
    async with running(store):
        for event in told:
            await store.emit([event])
    # A dump keeps the numbers of transactions: this server has not come to all of them yet.
    await _execute(postgresql_url, "UPDATE events SET xid = 9000000000 WHERE seq > 1")
    await store.migrate()
    async with running(store):
        assert await store.events_after(None, Query()) == told
        assert await store.events_after(told[0].id, Query()) == told[1:]
        another = an_event("disk.low")
        await store.emit([another])
        assert await store.events_after(told[2].id, Query()) == [another]
