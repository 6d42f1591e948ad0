"""The rules between deliveries: who waits for whom, who is superseded, and who goes when another one ends."""

from collections.abc import Iterable, Mapping, Sequence

from receiver.store.sql.rows import COMPLETE, FAILED, UPDATED, to_json
from receiver.store.sql.turn import Ring, Row, Turn

# An `updated` brings what a `complete` lacked: it never stands in for it.
_STANDS_IN = f"NOT (later.rank >= {UPDATED} AND d.rank IN ({FAILED}, {COMPLETE}))"

# The state is made an expression so that SQLite does not go through everything that waits in place of the few ids.
_SUPERSEDE = f"""
UPDATE deliveries AS d SET
    state = 'discarded', waiting_for = NULL, cause = 'superseded', due_at = NULL, wait_until = NULL,
    error = 'superseded by ' || (
        SELECT later.event_type FROM deliveries AS later
        WHERE later.submission_id = d.submission_id AND later.handler = d.handler AND later.rank > d.rank
        ORDER BY later.rank DESC LIMIT 1)
WHERE d.id IN (SELECT value FROM json_each(:ids)) AND d.state || '' IN ('waiting', 'pending') AND EXISTS (
    SELECT 1 FROM deliveries AS later
    WHERE later.submission_id = d.submission_id AND later.handler = d.handler AND later.rank > d.rank
      AND (:even_if_over OR later.state IN ('waiting', 'pending')) AND {_STANDS_IN})
RETURNING id
"""  # noqa: S608 - made of constants

_BLOCKED = f"""EXISTS (
    SELECT 1 FROM deliveries AS earlier
    WHERE earlier.submission_id = d.submission_id AND earlier.handler = d.handler AND earlier.rank < d.rank
      AND (earlier.state = 'running' OR (
          d.rank >= {UPDATED} AND earlier.rank IN ({FAILED}, {COMPLETE})
          AND earlier.state IN ('waiting', 'pending'))))"""  # noqa: S608 - made of constants

_PLACE = f"""
UPDATE deliveries AS target SET
    state = CASE WHEN placed.reason IS NULL THEN 'pending' ELSE 'waiting' END,
    waiting_for = placed.reason,
    due_at = CASE WHEN placed.reason IS NULL THEN placed.due_at END,
    wait_until = NULL, cause = NULL
FROM (
    SELECT d.id, CAST(given.value AS BIGINT) AS due_at,
        CASE WHEN {_BLOCKED} THEN 'order'
             WHEN d.handler IN (SELECT name FROM handlers) THEN 'pause' END AS reason
    FROM json_each(?) AS given JOIN deliveries AS d ON d.id = given.key
) AS placed WHERE target.id = placed.id
"""  # noqa: S608 - made of constants

_FREED = f"""
SELECT DISTINCT d.id FROM json_each(?) AS given
JOIN deliveries AS moved ON moved.id = given.value
JOIN deliveries AS d ON d.submission_id = moved.submission_id AND d.handler = moved.handler
WHERE d.waiting_for = 'order' AND NOT {_BLOCKED}
"""  # noqa: S608 - made of constants

# A need is delivered (2), still open (1), or over without a receipt (0); one that has no delivery is over.
_NEEDS = """
SELECT id, stop, state, count(*) AS total,
    count(*) FILTER (WHERE standing = 2) AS delivered, count(*) FILTER (WHERE standing = 1) AS open
FROM (
    SELECT d.id, d.stop, d.state, coalesce((
        SELECT max(CASE n.state WHEN 'delivered' THEN 2 WHEN 'dead' THEN 0 WHEN 'discarded' THEN 0 ELSE 1 END)
        FROM deliveries AS n WHERE n.event_id = d.event_id AND n.handler = need.value), 0) AS standing
    FROM (
        SELECT DISTINCT moved.event_id FROM json_each(?) AS given JOIN deliveries AS moved ON moved.id = given.value
    ) AS moved CROSS JOIN deliveries AS d CROSS JOIN json_each(d.needs) AS need
    WHERE d.event_id = moved.event_id
      AND (d.waiting_for = 'need' OR (d.state = 'discarded' AND d.cause = 'need') OR (
          d.state = 'delivered' AND d.bare AND NOT EXISTS (
              SELECT 1 FROM deliveries AS later
              WHERE later.submission_id = d.submission_id AND later.handler = d.handler AND later.rank > d.rank)))
) AS needed GROUP BY id, stop, state
"""

_EDIT = "UPDATE deliveries SET bare = FALSE, failures = 0 WHERE id IN (SELECT value FROM json_each(?))"

_DISCARD = """
UPDATE deliveries SET state = 'discarded', waiting_for = NULL, cause = 'need', due_at = NULL, wait_until = NULL,
    error = 'a handler that it needs did not deliver'
WHERE id IN (SELECT value FROM json_each(?))
"""


async def supersede(turn: Turn, ids: Iterable[str], *, even_if_over: bool = False) -> list[str]:
    """Discards those of the undelivered that a later stage stands in for; `even_if_over`: also one that has ended."""
    rows = await turn.rows(_SUPERSEDE, {"ids": to_json(list(ids)), "even_if_over": even_if_over})
    return [row["id"] for row in rows]


async def place(turn: Turn, due: Mapping[str, int]) -> None:
    """Makes deliveries due at these times, or lets them wait for an order or a pause."""
    if due:
        await turn.rows(_PLACE, (to_json(dict(due)),))
        turn.rings.add(Ring.DELIVERIES)


async def discard(turn: Turn, ids: Iterable[str]) -> None:
    """Discards those whose need came to nothing; its late success revives them."""
    await turn.rows(_DISCARD, (to_json(list(ids)),))


async def settle(turn: Turn, moved: Iterable[str]) -> None:
    """Lets go whoever waited for these deliveries, and whoever waited for those in turn."""
    ids = list(moved)
    while ids:
        given = (to_json(ids),)
        freed = [row["id"] for row in await turn.rows(_FREED, given)]
        ready, revived, edited, stopped = _sort_needs(await turn.rows(_NEEDS, given))
        if edited:
            await turn.rows(_EDIT, (to_json(edited),))
        await place(turn, dict.fromkeys([*freed, *ready, *revived, *edited], turn.now))
        # A stage that comes back must not follow a later one.
        over = await supersede(turn, revived, even_if_over=True) if revived else []
        if stopped:
            await discard(turn, stopped)
        ids = [*stopped, *over]


def _sort_needs(rows: Sequence[Row]) -> tuple[list[str], list[str], list[str], list[str]]:
    """Those that may go, those that may after all, those that go once more, and those that never will.

    What went out without a receipt goes once more when all have come, unless a later stage has told of it.
    """
    ready = [row["id"] for row in rows if row["state"] == "waiting" and _is_ready(row)]
    revived = [row["id"] for row in rows if row["state"] == "discarded" and row["delivered"] == row["total"]]
    edited = [row["id"] for row in rows if row["state"] == "delivered" and row["delivered"] == row["total"]]
    stopped = [row["id"] for row in rows if row["state"] == "waiting" and row["stop"] and _is_lost(row)]
    return ready, revived, edited, stopped


def _is_ready(row: Row) -> bool:
    return bool(row["delivered"] == row["total"] or (not row["stop"] and row["open"] == 0))


def _is_lost(row: Row) -> bool:
    return bool(row["delivered"] + row["open"] < row["total"])
