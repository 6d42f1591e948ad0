"""What is too old goes, a small batch at a time. What may be needed stays, and what came once is known for ever."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

from receiver.store.records import KEY_LIFE, Mark, Pruned, Retention, Tombstone
from receiver.store.sql.kept import UNREAD
from receiver.store.sql.locks import hold
from receiver.store.sql.rows import length, moment, to_json
from receiver.store.sql.turn import Row, Turn, ids

_TABLES = ("callbacks", "events", "keys")
# Of one batch: SQLite reads every page of a body that it frees.
_MOST_BYTES = 4 * 2**20

# A dead letter waits for somebody who redelivers or discards it. Counted, and no EXISTS: for that PostgreSQL would look
# at all deliveries there are, once a batch.
_OPEN = """(e.routed_at IS NULL OR (
    SELECT count(*) FROM deliveries AS d
    WHERE d.event_id = e.id AND d.state NOT IN ('delivered', 'discarded')) > 0)"""
OLD_CALLBACKS = f"""
SELECT c.id, c.submission_id, NULL AS event_id, c.received_at, length(c.body) AS size, {UNREAD} OR (
    SELECT count(*) FROM events AS e
    WHERE e.submission_id = c.submission_id AND e.callback_id = c.id AND {_OPEN}) > 0 AS needed
FROM callbacks AS c
WHERE c.pruned_at IS NULL AND c.received_at <= ? AND (c.received_at, c.id) > (?, ?)
ORDER BY c.received_at, c.id LIMIT ?
"""  # noqa: S608 - constants
OLD_EVENTS = f"""
SELECT e.id, e.submission_id, e.id AS event_id, e.received_at, e.seq, {_OPEN} OR (
    SELECT count(*) FROM callbacks AS c WHERE c.id = e.callback_id AND c.pruned_at IS NULL AND {UNREAD}) > 0 AS needed
FROM events AS e
WHERE e.pruned_at IS NULL AND e.received_at <= ? AND (e.received_at, e.seq) > (?, ?)
ORDER BY e.received_at, e.seq LIMIT ?
"""  # noqa: S608 - constants
PRUNABLE = """
SELECT (SELECT count(*) FROM callbacks WHERE pruned_at IS NULL AND received_at <= ?)
    + (SELECT count(*) FROM events WHERE pruned_at IS NULL AND received_at <= ?) AS count
"""
TOMBSTONE = """
SELECT type, submission_id, received_at, pruned_at FROM events WHERE id = ? AND pruned_at IS NOT NULL
"""

_EMPTY = """
UPDATE callbacks SET body = ?, headers = '{}', pruned_at = ? WHERE id IN (SELECT value FROM json_each(?))
"""
_BURY = """
UPDATE events SET doc = '{}', search = '', labels = NULL, pruned_at = ?
WHERE id IN (SELECT value FROM json_each(?))
"""
_END_ATTEMPTS = """
DELETE FROM attempts WHERE delivery_id IN (
    SELECT id FROM deliveries WHERE event_id IN (SELECT value FROM json_each(?))) RETURNING number
"""
_END_DELIVERIES = """
DELETE FROM deliveries WHERE event_id IN (SELECT value FROM json_each(?)) RETURNING handler, submission_id
"""
# It goes with the last delivery; what an archive remembers stays with its files, as they may be asked for again.
_FORGET = """
DELETE FROM memory WHERE handler = ? AND submission_id = ?
AND NOT EXISTS (
    SELECT 1 FROM deliveries AS d WHERE d.submission_id = memory.submission_id AND d.handler = memory.handler)
AND NOT EXISTS (SELECT 1 FROM files AS f WHERE f.submission_id = memory.submission_id AND f.handler = memory.handler)
"""
_FREE_KEYS = """
DELETE FROM keys WHERE (client, provider, key) IN (
    SELECT client, provider, key FROM keys WHERE created_at <= ? LIMIT ? /*! FOR UPDATE SKIP LOCKED */) RETURNING key
"""
_COUNT_DELIVERIES = "SELECT count(*) AS count FROM deliveries WHERE event_id IN (SELECT value FROM json_each(?))"
_COUNT_ATTEMPTS = """
SELECT count(*) AS count FROM deliveries AS d JOIN attempts AS a ON a.delivery_id = d.id
WHERE d.event_id IN (SELECT value FROM json_each(?))
"""
_COUNT_KEYS = "SELECT count(*) AS count FROM keys WHERE created_at <= ?"


class _Rows(Protocol):
    async def rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Sequence[Row]: ...


@dataclass(frozen=True, slots=True)
class Batch:
    """At most so many rows behind the mark."""

    keep: Retention
    mark: Mark
    limit: int


@dataclass(frozen=True, slots=True)
class _Found:
    """What a batch looks at, those of it that can go, and where the next one goes on."""

    rows: Sequence[Row]
    going: list[Row]
    next: Mark | None


def read_tombstone(row: Row) -> Tombstone:
    return Tombstone(
        type=row["type"],
        submission_id=row["submission_id"],
        received_at=moment(row["received_at"]),
        pruned_at=moment(row["pruned_at"]),
    )


def until(now: int, kept: timedelta) -> int:
    """What came then, or before, is too old; in microseconds, and never before 1970, however long it is kept."""
    return max(now - length(kept), 0)


def first() -> Mark:
    return Mark(_TABLES[0])


async def prune(turn: Turn, batch: Batch) -> Pruned:
    if batch.mark.table == "keys":
        freed = await turn.rows(_FREE_KEYS, (turn.now - length(KEY_LIFE), batch.limit))
        return Pruned(keys=len(freed), next=batch.mark if len(freed) == batch.limit else None)
    found = await _find(turn, turn.now, batch)
    if found.going and not turn.alone:
        await hold(turn, found.going)
        # Somebody may have asked for one of them once more before: those that can still go are held.
        still = {row["id"] for row in (await _find(turn, turn.now, batch)).going}
        found = replace(found, going=[row for row in found.going if row["id"] in still])
    end = {"callbacks": _end_callbacks, "events": _end_events}[batch.mark.table]
    gone = await end(turn, ids(found.going)) if found.going else Pruned()
    return replace(gone, looked=len(found.rows), next=found.next)


async def count(reader: _Rows, now: int, batch: Batch) -> Pruned:
    """What `prune` would remove; `now` in microseconds."""
    if batch.mark.table == "keys":
        return Pruned(keys=await _number(reader, _COUNT_KEYS, now - length(KEY_LIFE)))
    found = await _find(reader, now, batch)
    going = len(found.going)
    if batch.mark.table == "callbacks":
        return Pruned(looked=len(found.rows), callbacks=going, next=found.next)
    given = to_json(ids(found.going))
    return Pruned(
        looked=len(found.rows),
        events=going,
        deliveries=await _number(reader, _COUNT_DELIVERIES, given),
        attempts=await _number(reader, _COUNT_ATTEMPTS, given),
        next=found.next,
    )


async def _find(reader: _Rows, now: int, batch: Batch) -> _Found:
    mark = batch.mark
    if mark.table == "callbacks":
        old = (until(now, batch.keep.callbacks), mark.at, mark.behind, batch.limit)
        rows, place = _that_fit(await reader.rows(OLD_CALLBACKS, old)), "id"
    else:
        place = "seq"
        rows = await reader.rows(
            OLD_EVENTS, (until(now, batch.keep.events), mark.at, int(mark.behind or -1), batch.limit)
        )
    going = [row for row in rows if not row["needed"]]
    if rows:
        # Also where these are the last ones: the next batch finds that out.
        return _Found(rows, going, Mark(mark.table, rows[-1]["received_at"], str(rows[-1][place])))
    return _Found(rows, going, Mark(_TABLES[_TABLES.index(mark.table) + 1]))


def _that_fit(rows: Sequence[Row]) -> Sequence[Row]:
    """Those whose bodies together are small enough; at least one."""
    size = 0
    for number, row in enumerate(rows):
        size += 0 if row["needed"] else row["size"]
        if number and size > _MOST_BYTES:
            return rows[:number]
    return rows


async def _number(reader: _Rows, sql: str, value: int | str) -> int:
    return int((await reader.rows(sql, (value,)))[0]["count"])


async def _end_callbacks(turn: Turn, going: list[str]) -> Pruned:
    await turn.rows(_EMPTY, (b"", turn.now, to_json(going)))
    return Pruned(callbacks=len(going))


async def _end_events(turn: Turn, going: list[str]) -> Pruned:
    given = (to_json(going),)
    attempts = await turn.rows(_END_ATTEMPTS, given)
    deliveries = await turn.rows(_END_DELIVERIES, given)
    told = {(row["handler"], row["submission_id"]) for row in deliveries if row["submission_id"] is not None}
    await turn.many(_FORGET, sorted(told))
    await turn.rows(_BURY, (turn.now, *given))
    return Pruned(events=len(going), deliveries=len(deliveries), attempts=len(attempts))
