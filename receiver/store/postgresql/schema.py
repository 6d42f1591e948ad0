"""The schema: made and brought up to date by whoever comes first, while others wait or go on."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import asyncpg

from receiver.errors import StoreUnavailable
from receiver.store.postgresql.connections import SCHEMA, Connection
from receiver.store.postgresql.faults import POOLER
from receiver.store.sql.scripts import Script, check_version, scripts

# pg_current_xact_id and its kin.
_OLDEST = 130000
# Another process may be migrating: for so many seconds it is waited for, and a table that is in use as well.
_PATIENCE = 600
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('receiver migrate', 0))"
_TABLE = "SELECT to_regclass('meta') IS NOT NULL"
_META = 'CREATE TABLE IF NOT EXISTS meta (name TEXT COLLATE "C" PRIMARY KEY, value TEXT NOT NULL)'
_SAYS = "SELECT value FROM meta WHERE name = $1"
_KEEP = """
INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
# Transactions are numbered by a server. A number that is still to come was given by another one: the events are out of
# a dump, all of them committed, and what is left of their order is `seq`.
_SETTLE = """
UPDATE events SET xid = 0 WHERE EXISTS (
    SELECT 1 FROM events AS e WHERE e.xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
"""


async def check(connection: Connection, where: str) -> None:
    """Raises SchemaTooNew where a newer version has changed what this one relies on; also refuses an old server."""
    if connection.get_server_version().major * 10_000 < _OLDEST:
        raise StoreUnavailable(f"{where} is too old: version 13 or newer is needed.")
    if await connection.fetchval("SHOW search_path") != SCHEMA:
        raise StoreUnavailable(f"{where} {POOLER}")
    if await connection.fetchval(_TABLE):
        found = int(await connection.fetchval(_SAYS, "schema_version") or 0)
        kept = await connection.fetchval(_SAYS, "schema_runs_with")
        check_version("postgresql", where, found, int(kept) if kept else found)


async def missing(connection: Connection, where: str) -> int:
    """How many scripts `migrate` would run."""
    return len(await _missing(connection)) if await connection.fetchval(_TABLE) else len(scripts("postgresql"))


async def migrate(connection: Connection, where: str) -> int:
    """Runs what is missing, each script in a transaction of its own, one process at a time; returns how many."""
    await check(connection, where)
    await _wait(partial(connection.fetchval, _LOCK), where)
    # Looked at once more: somebody else may have been first, with a newer version.
    await check(connection, where)
    async with connection.transaction():
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        await connection.execute(_META)
    to_run = await _missing(connection)
    for script in to_run:
        await _wait(partial(_run, connection, script), where)
    async with connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute(_SETTLE, timeout=_PATIENCE)
    return len(to_run)


async def _missing(connection: Connection) -> list[Script]:
    done = int(await connection.fetchval(_SAYS, "schema_version") or 0)
    return [script for script in scripts("postgresql") if script.number > done]


async def _run(connection: Connection, script: Script) -> bool:
    try:
        async with connection.transaction():
            # Whoever waits for a lock on a table makes all others wait behind it: better to try again.
            await connection.execute("SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = 0")
            await connection.execute(script.text, timeout=_PATIENCE)
            await connection.execute(_KEEP, "schema_version", str(script.number))
            await connection.execute(_KEEP, "schema_runs_with", str(script.runs_with))
    except asyncpg.LockNotAvailableError:
        return False
    return True


async def _wait(done: Callable[[], Awaitable[object]], where: str) -> None:
    try:
        async with asyncio.timeout(_PATIENCE):
            while not await done():  # noqa: ASYNC110 - nobody in this process could ring
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise StoreUnavailable(
            f"{where} is held by another migration, or by a long transaction: end it, and run `receiver migrate` again."
        ) from None
