"""Deliveries are born here: from a route, from a replay, or again by hand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.events import Event, Via
from receiver.routing import Plan
from receiver.store.sql.locks import held, hold_pauses
from receiver.store.sql.order import place, settle, supersede
from receiver.store.sql.rows import clean, length, to_json
from receiver.store.sql.turn import Row, Turn

Plans = Sequence[tuple[Event, Sequence[Plan]]]
NewId = Callable[[str], str]

_UNROUTED = """
SELECT id, id AS event_id, type, submission_id, rank FROM events
WHERE id IN (SELECT value FROM json_each(?)) AND routed_at IS NULL
"""
_ADD = """
INSERT INTO deliveries (id, event_id, event_type, submission_id, rank, handler, needs, stop, state, waiting_for,
                        created_at, due_at, wait_until)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_ROUTED = "UPDATE events SET routed_at = ? WHERE id IN (SELECT value FROM json_each(?))"
_OF_EVENTS = """
SELECT id, type, submission_id, rank, via, about FROM events WHERE id IN (SELECT value FROM json_each(?))
"""
_SIBLINGS = """
SELECT DISTINCT d.id FROM json_each(?) AS given
JOIN deliveries AS born ON born.id = given.value
JOIN deliveries AS d ON d.submission_id = born.submission_id AND d.handler = born.handler
WHERE d.state IN ('waiting', 'pending')
"""
_EVENT = "SELECT id, id AS event_id, type, submission_id, rank FROM events WHERE id = ? AND pruned_at IS NULL"
_READY = "SELECT id FROM deliveries WHERE state = 'pending' AND id IN (SELECT value FROM json_each(?))"
_ONE = "SELECT * FROM deliveries WHERE id = ?"
_FRESH = """
UPDATE deliveries SET state = 'pending', waiting_for = NULL, cause = NULL, failures = 0, due_at = ? WHERE id = ?
"""
_COPY = """
INSERT INTO deliveries (id, event_id, event_type, submission_id, rank, handler, needs, stop, state, created_at,
                        due_at, copy)
SELECT CAST(? AS TEXT), event_id, event_type, submission_id, rank, handler, needs, stop, 'pending',
    CAST(? AS BIGINT), CAST(? AS BIGINT),
    (SELECT max(copy) + 1 FROM deliveries AS other
     WHERE other.event_id = deliveries.event_id AND other.handler = deliveries.handler)
FROM deliveries WHERE id = ?
"""


@dataclass(frozen=True, slots=True)
class Routing:
    """Plans of one call, and where new ids come from."""

    plans: Plans
    new_id: NewId


@dataclass(frozen=True, slots=True)
class Redelivery:
    delivery_id: str
    again: bool
    new_id: str


@dataclass(frozen=True, slots=True)
class Replay:
    event_id: str
    plan: Plan
    delivery_id: str


async def route(turn: Turn, items: list[Routing]) -> list[None]:
    """All plans of a batch; an event that is routed already is left alone."""
    plans = {event.id: (item, chosen) for item in reversed(items) for event, chosen in reversed(item.plans)}
    ids = to_json(list(plans))
    await hold_pauses(turn)
    events = await held(turn, _UNROUTED, (ids,))
    rows = [
        _born(turn.now, event, plan, item.new_id("dlv"))
        for event in events
        for item, chosen in (plans[event["id"]],)
        for plan in chosen
    ]
    await turn.many(_ADD, rows)
    await turn.rows(_ROUTED, (turn.now, to_json([event["id"] for event in events])))
    await _bring_in(turn, [row[0] for row in rows])
    return [None] * len(items)


async def _bring_in(turn: Turn, born: list[str]) -> None:
    if not born:
        return
    given = (to_json(born),)
    over = await supersede(turn, born, even_if_over=True)
    over += await supersede(turn, [row["id"] for row in await turn.rows(_SIBLINGS, given)])
    ready = [row["id"] for row in await turn.rows(_READY, given)]
    await place(turn, dict.fromkeys(ready, turn.now))
    await settle(turn, [*born, *over])


def _born(now: int, event: Row, plan: Plan, delivery_id: str) -> tuple[Any, ...]:
    needy = bool(plan.needs)
    return (
        delivery_id,
        event["id"],
        event["type"],
        event["submission_id"],
        event["rank"],
        plan.handler,
        to_json(plan.needs),
        plan.stop,
        "waiting" if needy else "pending",
        "need" if needy else None,
        now,
        None if needy else now,
        now + length(plan.wait) if needy else None,
    )


async def replay(turn: Turn, wanted: Replay) -> bool:
    await hold_pauses(turn)
    events = await held(turn, _EVENT, (clean(wanted.event_id),))
    had = "SELECT 1 FROM deliveries WHERE event_id = ? AND handler = ?"
    if not events or await turn.rows(had, (events[0]["id"], wanted.plan.handler)):
        return False
    await turn.many(_ADD, [_born(turn.now, events[0], wanted.plan, wanted.delivery_id)])
    await _bring_in(turn, [wanted.delivery_id])
    return True


async def hand_on(turn: Turn, fallbacks: Sequence[tuple[str, str]], new_id: NewId) -> None:
    """Gives events, by their ids, to fallbacks that never had them. Nobody stands in for a rehearsal, or for an alarm
    about itself.
    """
    found = await turn.rows(_OF_EVENTS, (to_json([event_id for event_id, _ in fallbacks]),))
    events = {row["id"]: row for row in found if row["via"] != Via.SIMULATED}
    rows = [
        _born(turn.now, events[event_id], Plan(handler=handler), new_id("dlv"))
        for event_id, handler in fallbacks
        if event_id in events and events[event_id]["about"] != handler
    ]
    await turn.many(_ADD, rows)
    await _bring_in(turn, [row[0] for row in rows])


async def set_aside(turn: Turn, event_ids: list[str]) -> None:
    """Events that can't be read leave the outbox: nobody could be told of them, and the next ones have to go."""
    await turn.rows(_ROUTED, (turn.now, to_json(event_ids)))


async def redeliver(turn: Turn, wanted: Redelivery) -> Row | None:
    """Asked for by a person: it goes out, also behind a later stage."""
    await hold_pauses(turn)
    found = await held(turn, _ONE, (clean(wanted.delivery_id),))
    if not found:
        return None
    row = found[0]
    if row["state"] in {"dead", "discarded"}:
        await turn.rows(_FRESH, (turn.now, row["id"]))
        due = row["id"]
    elif row["state"] == "delivered" and wanted.again:
        await turn.rows(_COPY, (wanted.new_id, turn.now, turn.now, row["id"]))
        due = wanted.new_id
    else:
        return row
    await place(turn, {due: turn.now})
    return (await turn.rows(_ONE, (due,)))[0]
