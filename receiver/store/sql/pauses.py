"""Pauses of handlers: kept across restarts, begun once, ended by a probe or by hand."""

from dataclasses import dataclass

from receiver.events import Event
from receiver.store.records import HandlerState
from receiver.store.sql.locks import hold_pauses
from receiver.store.sql.rows import clean, clean_or_none, micros, micros_or_none
from receiver.store.sql.submissions import add_events
from receiver.store.sql.turn import Ring, Turn

_BEGIN = """
INSERT INTO handlers (name, paused_at, reason, probe_at, probes) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING RETURNING name
"""
_TELL = "UPDATE handlers SET told = TRUE WHERE name = ? AND NOT told RETURNING name"
_HOLD = """
UPDATE deliveries SET state = 'waiting', waiting_for = 'pause', due_at = NULL WHERE handler = ? AND state = 'pending'
"""
_LET_GO = """
UPDATE deliveries SET state = 'pending', waiting_for = NULL, due_at = ? WHERE handler = ? AND waiting_for = 'pause'
"""


@dataclass(frozen=True, slots=True)
class Pause:
    state: HandlerState
    event: Event | None


@dataclass(frozen=True, slots=True)
class Resume:
    name: str
    event: Event | None


async def pause(turn: Turn, wanted: Pause) -> bool:
    """False where it was paused before: the first reason stays. Of the events the first one goes out, once a pause."""
    await hold_pauses(turn, alone=True)
    state = wanted.state
    paused_at = turn.now if state.paused_at is None else micros(state.paused_at)
    row = (clean(state.name), paused_at, clean_or_none(state.reason), micros_or_none(state.probe_at), state.probes)
    begun = bool(await turn.rows(_BEGIN, row))
    if wanted.event and await turn.rows(_TELL, (clean(state.name),)):
        await add_events(turn, [wanted.event])
    if not begun:
        return False
    await turn.rows(_HOLD, (state.name,))
    # Whoever sleeps until the next delivery is due has to wake for the probe.
    turn.rings.add(Ring.DELIVERIES)
    return True


async def resume(turn: Turn, wanted: Resume) -> bool:
    await hold_pauses(turn, alone=True)
    if not await turn.rows("DELETE FROM handlers WHERE name = ? RETURNING name", (clean(wanted.name),)):
        return False
    await turn.rows(_LET_GO, (turn.now, wanted.name))
    await add_events(turn, [wanted.event] if wanted.event else [])
    turn.rings.add(Ring.DELIVERIES)
    return True


async def postpone(turn: Turn, name: str, probe_in: int) -> None:
    """A probe failed: the next one comes after so many microseconds."""
    await turn.rows(
        "UPDATE handlers SET probes = probes + 1, probe_at = ? WHERE name = ?", (turn.now + probe_in, clean(name))
    )


async def probe(turn: Turn, name: str) -> None:
    await turn.rows("UPDATE handlers SET probe_at = ? WHERE name = ?", (turn.now, clean(name)))
    turn.rings.add(Ring.DELIVERIES)
