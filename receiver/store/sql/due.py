"""When a claim will find something next."""

from collections.abc import Iterable, Mapping

from receiver.store.records import Terms
from receiver.store.sql.rows import length
from receiver.store.sql.turn import Row

WAKES = """
SELECT min(at) AS at FROM (
    SELECT min(wait_until) AS at FROM deliveries WHERE waiting_for = 'need'
    UNION ALL SELECT min(lease_until) FROM deliveries WHERE state = 'running'
    UNION ALL SELECT min(h.probe_at) FROM handlers AS h
    WHERE (CAST(?1 AS TEXT) IS NULL OR h.name IN (SELECT value FROM json_each(?1)))
      AND EXISTS (SELECT 1 FROM deliveries AS d WHERE d.handler = h.name AND d.waiting_for = 'pause')
      AND NOT EXISTS (SELECT 1 FROM deliveries AS r WHERE r.handler = h.name AND r.state = 'running' AND r.probe)
) AS wakes
"""


def handlers_in(name: str, index: str, where: str) -> str:
    """A recursive table `name` of the handlers in a partial index, made by hops from name to name.

    However much lies in the index, it reads one row a handler; the last row is NULL.
    """
    return f"""{name} (handler) AS (
    SELECT min(handler) FROM deliveries INDEXED BY {index} WHERE {where}
    UNION ALL
    SELECT (
        SELECT min(d.handler) FROM deliveries AS d INDEXED BY {index}
        WHERE d.{where} AND d.handler > {name}.handler)
    FROM {name} WHERE {name}.handler IS NOT NULL
)"""  # noqa: S608 - constants


PENDING = f"""
WITH RECURSIVE {handlers_in("names", "deliveries_due", "state = 'pending'")}
SELECT names.handler,
    (SELECT min(d.due_at) FROM deliveries AS d WHERE d.handler = names.handler AND d.state = 'pending') AS due_at,
    (SELECT count(*) FROM deliveries AS r WHERE r.handler = names.handler AND r.state = 'running') AS running
FROM names WHERE names.handler IS NOT NULL
"""  # noqa: S608 - constants
# The start that has to leave the window before another attempt may begin.
NTH_START = """
SELECT started_at FROM attempts WHERE handler = ? AND started_at <= ? ORDER BY started_at DESC LIMIT 1 OFFSET ?
"""


def soon(now: int) -> int:
    """Until when a start counts for a rate: clocks of processes differ a little, and a claim waits for others.

    What began later than that was begun before the clock was set back.
    """
    return now + 60_000_000


def open_handlers(rows: Iterable[Row], terms: Mapping[str, Terms] | None) -> dict[str, int]:
    """When the first delivery of each handler is due that has room for it."""
    return {
        row["handler"]: row["due_at"]
        for row in rows
        if terms is None or (row["handler"] in terms and row["running"] < terms[row["handler"]].concurrency)
    }


def after_rate(due_at: int, limit: Terms, nth_start: int | None) -> int:
    """The later of the time when it is due and the time when the rate lets it go."""
    if limit.rate is None or nth_start is None:
        return due_at
    return max(due_at, nth_start + length(limit.rate.period))
