"""Statements find their rows by an index, also where the server knows nothing yet of how much there is."""

import re

import pytest

from receiver.store import open_store
from receiver.store.postgresql.connections import Connection, connect
from receiver.store.postgresql.dialect import translate
from receiver.store.sql import claims, due, health, lists, loads, order, submissions
from tests.contracts.store_kit import Ids

STATEMENTS = {
    "accounts": submissions._LOAD,
    "bodies": submissions._KEPT,
    "asks": submissions._DUE,
    "due": claims.due_of(2),
    "lost": claims._LOST,
    "quiet": claims._PUT_OFF,
    "fallback": claims._TO_HAND_ON,
    "lease": claims._LEASE,
    "superseded": order._SUPERSEDE,
    "placed": order._PLACE,
    "freed": order._FREED,
    "needs": order._NEEDS,
    "next-due": due.PENDING,
    "wakes": due.WAKES,
    "open": health.OPEN_HANDLERS,
    "dead": health.HAS_DEAD,
    "outbox": lists.UNROUTED,
    "leased": loads.LEASED,
    "receipts": loads.RECEIPTS,
    "files": loads.FILES,
    "expiring": lists.UNDELIVERED,
}


async def _plan(connection: Connection, sql: str) -> list[str]:
    """That of a prepared statement, whatever its values."""
    nothing = ", ".join("NULL" for _ in set(re.findall(r"\$\d+", sql)))
    await connection.execute(f"SET plan_cache_mode = force_generic_plan; PREPARE it AS {sql}")
    given = f"({nothing})" if nothing else ""
    plan = [row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE it{given} /* {hash(sql)} */")]
    await connection.execute("DEALLOCATE it")
    return plan


async def test_no_table_is_scanned(postgresql_url: str) -> None:
    await open_store(postgresql_url, None, Ids()).migrate()
    connection = await connect(postgresql_url)
    try:
        scanned = {}
        for name, sql in STATEMENTS.items():
            plan = await _plan(connection, translate(sql)[0])
            scanned[name] = [line.strip() for line in plan if "Seq Scan" in line or "Bitmap" in line]
    finally:
        await connection.close()
    # Handlers are few: whoever looks at all of them reads them all.
    assert {name: [line for line in lines if " on handlers" not in line] for name, lines in scanned.items()} == {
        name: [] for name in STATEMENTS
    }


@pytest.mark.parametrize("setting", ["enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"])
async def test_sessions_of_ours_are_planned_so(postgresql_url: str, setting: str) -> None:
    connection = await connect(postgresql_url)
    try:
        assert await connection.fetchval(f"SHOW {setting}") == "off"
    finally:
        await connection.close()
