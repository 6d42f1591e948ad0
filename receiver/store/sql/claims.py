"""Claims: what is due is leased to a worker, within the terms of its handler; lost leases are taken back."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from receiver.store.records import PATIENCE, Terms
from receiver.store.sql.deliveries import NewId, hand_on
from receiver.store.sql.due import soon
from receiver.store.sql.locks import held, hold_names, hold_pauses
from receiver.store.sql.order import discard, place, settle, supersede
from receiver.store.sql.rows import length, to_json
from receiver.store.sql.turn import Ring, Row, Turn

_TAKE_BACK = """
UPDATE deliveries SET state = 'pending', owner = NULL, lease_until = NULL, probe = FALSE, failures = failures + ?
WHERE id IN (SELECT value FROM json_each(?))
"""
_END_ATTEMPTS = """
UPDATE attempts SET ended_at = ?, outcome = ? WHERE outcome = 'running' AND delivery_id IN (
    SELECT value FROM json_each(?))
"""
_LOST = "SELECT id, owner, event_id, submission_id FROM deliveries WHERE state = 'running' AND lease_until <= ?"
_RUNNING = """
SELECT id, event_id, submission_id FROM deliveries WHERE state = 'running' AND id IN (SELECT value FROM json_each(?))
"""
_OWNED = """
SELECT id, event_id, submission_id FROM deliveries
WHERE state = 'running' AND (CAST(?1 AS TEXT) IS NULL OR owner = ?1)
  AND id NOT IN (SELECT value FROM json_each(?2))
"""
_RENEW = "UPDATE deliveries SET lease_until = ? WHERE id IN (SELECT value FROM json_each(?))"
_WAITED = """
SELECT id, stop, event_id, submission_id FROM deliveries WHERE waiting_for = 'need' AND wait_until <= ?
"""
_BUSY = """
SELECT given.key AS handler,
    (SELECT count(*) FROM deliveries AS d WHERE d.handler = given.key AND d.state = 'running') AS running,
    CASE WHEN given.value IS NULL THEN 0 ELSE (
        SELECT count(*) FROM attempts AS a WHERE a.handler = given.key
          AND a.started_at > CAST(given.value AS BIGINT) AND a.started_at <= :soon) END AS started
FROM json_each(:since) AS given
"""
# The oldest; but an alarm or a rehearsal can't tell of the pause, so before it is told another goes first.
_PROBES = """
SELECT coalesce(
    CASE WHEN NOT h.told THEN (
        SELECT d.id FROM deliveries AS d JOIN events AS e ON e.id = d.event_id
        WHERE d.handler = h.name AND d.waiting_for = 'pause' AND e.level <> 'problem'
          AND coalesce(e.via, '') <> 'simulated'
        ORDER BY d.created_at, d.id LIMIT 1) END,
    (SELECT d.id FROM deliveries AS d WHERE d.handler = h.name AND d.waiting_for = 'pause'
     ORDER BY d.created_at, d.id LIMIT 1)) AS id
FROM handlers AS h
WHERE h.probe_at <= ? AND h.name IN (SELECT value FROM json_each(?)) AND NOT EXISTS (
    SELECT 1 FROM deliveries AS r WHERE r.handler = h.name AND r.state = 'running' AND r.probe)
"""
# For one handler, from its part of the index alone, however much waits elsewhere; what others move now is left. What a
# handler is told of a submission, it is told one after the other: it may keep one message for all of it.
DUE = """
SELECT * FROM (
    SELECT d.id, d.handler, d.submission_id, d.rank, d.due_at, d.created_at FROM deliveries AS d
    WHERE d.handler = ? AND d.state = 'pending' AND d.due_at <= ? AND NOT EXISTS (
        SELECT 1 FROM deliveries AS other
        WHERE other.submission_id = d.submission_id AND other.handler = d.handler AND other.state = 'running')
    ORDER BY d.due_at LIMIT ? /*! FOR UPDATE OF d SKIP LOCKED */) AS due
"""
_LEASE = """
UPDATE deliveries SET state = 'running', waiting_for = NULL, due_at = NULL, owner = :owner,
    lease_until = :until, attempts = attempts + 1, probe = id IN (SELECT value FROM json_each(:probes)),
    bare = EXISTS (
        SELECT 1 FROM json_each(deliveries.needs) AS need WHERE NOT EXISTS (
            SELECT 1 FROM deliveries AS n
            WHERE n.event_id = deliveries.event_id AND n.handler = need.value AND n.state = 'delivered'))
WHERE id IN (SELECT value FROM json_each(:ids)) /*! AND state IN ('pending', 'waiting') */
RETURNING id
"""
_TO_HAND_ON = """
SELECT d.id, d.event_id, d.submission_id, given.value AS fallback FROM json_each(:fallbacks) AS given
JOIN handlers AS h ON h.name = given.key AND h.paused_at <= :since
CROSS JOIN deliveries AS d
WHERE d.handler = h.name AND d.waiting_for = 'pause' AND NOT d.handed_on AND d.created_at <= :since
ORDER BY d.created_at LIMIT 100
"""
_HANDED_ON = "UPDATE deliveries SET handed_on = TRUE WHERE id IN (SELECT value FROM json_each(?))"
# Whoever asked for a rehearsal, or for a delivery once more, waits for it.
_PUT_OFF = """
UPDATE deliveries SET due_at = (
    SELECT CAST(given.value AS BIGINT) FROM json_each(:until) AS given WHERE given.key = deliveries.handler)
WHERE id IN (
    SELECT d.id FROM json_each(:until) AS given CROSS JOIN deliveries AS d CROSS JOIN events AS e
    WHERE d.handler = given.key AND d.state = 'pending' AND d.due_at <= :now AND d.copy = 0
      AND e.id = d.event_id AND e.level <> 'problem' AND coalesce(e.via, '') <> 'simulated'
    /*! FOR UPDATE OF d SKIP LOCKED */)
"""
_REST = """
UPDATE handlers SET probe_at = CAST(given.value AS BIGINT) FROM json_each(:until) AS given
WHERE handlers.name = given.key AND handlers.probe_at <= :now
"""
_START = """
INSERT INTO attempts (delivery_id, number, handler, started_at, outcome)
SELECT id, attempts, handler, CAST(? AS BIGINT), 'running' FROM deliveries WHERE id IN (SELECT value FROM json_each(?))
"""
_BURY = """
UPDATE deliveries SET state = 'dead', owner = NULL, lease_until = NULL, probe = FALSE,
    error = 'its event can not be read by this version'
WHERE state = 'running' AND id IN (SELECT value FROM json_each(?))
"""


# Handlers whose deliveries are looked for in one statement.
_TOGETHER = 50


@dataclass(frozen=True, slots=True)
class Wish:
    """What a worker asks for. `new_id` makes an id from its prefix, for what a fallback gets."""

    owner: str
    lease: int
    terms: Mapping[str, Terms]
    most: int
    new_id: NewId
    holding: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Abandon:
    """The leases of one owner, or of all, without those on deliveries of `holding`."""

    owner: str | None
    holding: Collection[str] = ()


async def claim(turn: Turn, wish: Wish) -> list[str]:
    """Leases what is due, and answers the ids in the order in which they go."""
    await hold_pauses(turn)
    await _look_at_leases(turn, wish)
    await _end_waits(turn)
    await _hand_on(turn, wish)
    # From here on what runs at these handlers, and what has started, is counted by one claim at a time.
    await hold_names(turn, "handler", wish.terms)
    await _keep_quiet(turn, wish)
    probes = await _probes(turn, wish)
    chosen = [*probes, *await _due(turn, wish)][: wish.most]
    if not chosen:
        return []
    ids = to_json(chosen)
    lease = {"owner": wish.owner, "until": turn.now + wish.lease, "probes": to_json(probes), "ids": ids}
    leased = {row["id"] for row in await turn.rows(_LEASE, lease)}
    await turn.rows(_START, (turn.now, to_json(list(leased))))
    return [ident for ident in chosen if ident in leased]


async def _look_at_leases(turn: Turn, wish: Wish) -> None:
    """A lease that ran out is taken back; but a clock that jumped ends nothing that its owner still runs."""
    rows = await held(turn, _LOST, (turn.now,))
    mine = {row["id"] for row in rows if row["owner"] == wish.owner and row["id"] in wish.holding}
    if mine:
        await turn.rows(_RENEW, (turn.now + wish.lease, to_json(list(mine))))
    await take_back(turn, [row["id"] for row in rows if row["id"] not in mine], "lease lost", spent=1)


async def bury(turn: Turn, ids: list[str]) -> None:
    """Leased deliveries whose events can't be read become dead letters: no try of this version would do better."""
    await hold_pauses(turn)
    rows = await held(turn, _RUNNING, (to_json(ids),))
    ids = [row["id"] for row in rows]
    given = to_json(ids)
    await turn.rows(_BURY, (given,))
    await turn.rows(_END_ATTEMPTS, (turn.now, "dead", given))
    await settle(turn, ids)
    turn.rings.add(Ring.DELIVERIES)


async def take_back(turn: Turn, ids: Sequence[str], outcome: str, *, spent: int) -> None:
    """Running deliveries become due at once; `spent` is how many of their retries that costs."""
    if not ids:
        return
    given = to_json(list(ids))
    await turn.rows(_TAKE_BACK, (spent, given))
    await turn.rows(_END_ATTEMPTS, (turn.now, outcome, given))
    over = set(await supersede(turn, ids))
    await place(turn, {ident: turn.now for ident in ids if ident not in over})
    await settle(turn, ids)


async def abandon(turn: Turn, wanted: Abandon) -> int:
    await hold_pauses(turn)
    ids = [row["id"] for row in await held(turn, _OWNED, (wanted.owner, to_json(list(wanted.holding))))]
    # A process that dies often must not spend the retries of what it happened to run.
    await take_back(turn, ids, "lease lost", spent=0)
    return len(ids)


async def _end_waits(turn: Turn) -> None:
    rows = await held(turn, _WAITED, (turn.now,))
    stopped = [row["id"] for row in rows if row["stop"]]
    await place(turn, {row["id"]: turn.now for row in rows if not row["stop"]})
    if stopped:
        await discard(turn, stopped)
        await settle(turn, stopped)


async def _hand_on(turn: Turn, wish: Wish) -> None:
    fallbacks = {name: terms.fallback for name, terms in wish.terms.items() if terms.fallback}
    if not fallbacks:
        return
    given = {"fallbacks": to_json(fallbacks), "since": turn.now - length(PATIENCE)}
    rows = await held(turn, _TO_HAND_ON, given)
    if rows:
        await turn.rows(_HANDED_ON, (to_json([row["id"] for row in rows]),))
        await hand_on(turn, [(row["event_id"], row["fallback"]) for row in rows], wish.new_id)


async def _keep_quiet(turn: Turn, wish: Wish) -> None:
    until = {name: turn.now + length(terms.quiet) for name, terms in wish.terms.items() if terms.quiet}
    if until:
        given = {"until": to_json(until), "now": turn.now}
        await turn.rows(_PUT_OFF, given)
        await turn.rows(_REST, given)


async def _probes(turn: Turn, wish: Wish) -> list[str]:
    rows = await turn.rows(_PROBES, (turn.now, to_json(list(wish.terms))))
    return [row["id"] for row in rows if row["id"] is not None]


async def _due(turn: Turn, wish: Wish) -> list[str]:
    free = await _free(turn, wish.terms)
    # Some of them may be blocked by the order of their submission, so more than there is room for.
    most = min(wish.most, 2 * max(free.values(), default=0) + 10)
    rows: list[Row] = []
    names = list(free)
    for some in (names[start : start + _TOGETHER] for start in range(0, len(names), _TOGETHER)):
        rows += await turn.rows(due_of(len(some)), [value for name in some for value in (name, turn.now, most)])
    return pick(rows, free)


@cache
def due_of(handlers: int) -> str:
    """What is due of so many handlers; for each its name, the time, and how many at most."""
    return " UNION ALL ".join([DUE] * handlers)


async def _free(turn: Turn, terms: Mapping[str, Terms]) -> dict[str, int]:
    """How many more attempts of each handler may start now; handlers at their limit are left out."""
    since = {name: turn.now - length(limit.rate.period) if limit.rate else None for name, limit in terms.items()}
    free = {}
    for row in await turn.rows(_BUSY, {"since": to_json(since), "soon": soon(turn.now)}):
        wanted = terms[row["handler"]]
        room = wanted.concurrency - row["running"]
        free[row["handler"]] = min(room, wanted.rate.count - row["started"]) if wanted.rate else room
    return {name: room for name, room in free.items() if room > 0}


def pick(rows: Iterable[Row], free: Mapping[str, int]) -> list[str]:
    """Oldest first within a handler, handlers in turn, one delivery of a submission at a time."""
    taken: dict[str, list[str]] = {}
    stages: set[tuple[str, str]] = set()
    for row in sorted(rows, key=lambda row: (row["due_at"], row["rank"] or 0, row["created_at"], row["id"])):
        mine = taken.setdefault(row["handler"], [])
        stage = (row["submission_id"] or "", row["handler"])
        ordered = row["submission_id"] is not None
        if len(mine) >= free[row["handler"]] or (ordered and stage in stages):
            continue
        mine.append(row["id"])
        if ordered:
            stages.add(stage)
    turns = [(place, ident) for ids in taken.values() for place, ident in enumerate(ids)]
    return [ident for _, ident in sorted(turns, key=lambda turn: turn[0])]
