"""What a transaction holds alone until it ends, so that the rules between deliveries hold over many processes.

Every transaction takes these in the order of this module, and each kind by name, so that none waits for another in a
ring. On SQLite a turn has the file to itself, and nothing here does anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from receiver.store.sql.rows import to_json
from receiver.store.sql.turn import Row, Turn

_PAUSES = "receiver pauses"
_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended(?, 0)) IS NULL AS held"
_TOGETHER = "SELECT pg_advisory_xact_lock_shared(hashtextextended(?, 0)) IS NULL AS held"
# The inner order holds: PostgreSQL takes the locks as the rows come out of it.
_EACH = """
SELECT pg_advisory_xact_lock(hashtextextended(given.name, 0)) IS NULL AS held
FROM (SELECT value AS name FROM json_each(?) ORDER BY value) AS given
"""
# Rows, not advisory locks: there may be many at once, and rows have room for any number.
_SUBMISSIONS = """
SELECT id FROM submissions WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id FOR NO KEY UPDATE
"""
_EVENTS = "SELECT id FROM events WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id FOR NO KEY UPDATE"


async def hold_pauses(turn: Turn, *, alone: bool = False) -> None:
    """While it is held no handler is paused or resumed; `alone` is for whoever does that."""
    if not turn.alone:
        await turn.rows(_ALONE if alone else _TOGETHER, (_PAUSES,))


async def hold(turn: Turn, rows: Iterable[Row]) -> None:
    """Nobody else moves deliveries of these submissions; where there is no submission, of these events.

    `rows` have `submission_id` and `event_id`. Claims don't hold this: they only make running what is due.
    """
    if turn.alone:
        return
    given = list(rows)
    submissions = {row["submission_id"] for row in given if row["submission_id"] is not None}
    if submissions:
        await turn.rows(_SUBMISSIONS, (to_json(list(submissions)),))
    events = {row["event_id"] for row in given if row["submission_id"] is None}
    if events:
        await turn.rows(_EVENTS, (to_json(list(events)),))


async def held(turn: Turn, sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> Sequence[Row]:
    """The rows of a statement, which have an `id` too, each held as by `hold`."""
    found = await turn.rows(sql, parameters)
    if turn.alone or not found:
        return found
    await hold(turn, found)
    # Somebody may have moved them before: those that are left are held.
    known = {row["id"] for row in found}
    return [row for row in await turn.rows(sql, parameters) if row["id"] in known]


async def hold_names(turn: Turn, kind: str, names: Iterable[str]) -> None:
    """Nobody else holds one of these names of this kind: a handler whose deliveries are claimed, a client's key."""
    if not turn.alone:
        await turn.rows(_EACH, (to_json([f"receiver {kind} {name}" for name in names]),))
