"""How attempts end: fenced by their lease, with all that follows for others."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from receiver.events import Event
from receiver.handler import RECEIPT, ArchivedFile
from receiver.store.records import Again, Claim, Dead, Delivered, Ended, HandlerState, Paused, Released
from receiver.store.sql.deliveries import NewId, hand_on
from receiver.store.sql.locks import hold, hold_pauses
from receiver.store.sql.order import place, settle, supersede
from receiver.store.sql.pauses import Pause, Resume, pause, postpone, resume
from receiver.store.sql.rows import clean, clean_or_none, dump, length, moment, to_json
from receiver.store.sql.submissions import add_events
from receiver.store.sql.turn import Ring, Turn
from receiver.tokens import file_id

_HELD = """
SELECT d.id, d.owner, d.attempts FROM json_each(?) AS given JOIN deliveries AS d ON d.id = given.value
WHERE d.state = 'running'
"""
_END = """
UPDATE deliveries SET state = ?, due_at = NULL, owner = NULL, lease_until = NULL, probe = FALSE,
    failures = failures + ?, receipt = coalesce(?, receipt), error = ?, bare = bare AND ? WHERE id = ?
"""
_DELIVERED_ONCE = """
SELECT DISTINCT delivery_id FROM attempts
WHERE outcome = 'delivered' AND delivery_id IN (SELECT value FROM json_each(?))
"""
_END_ATTEMPT = "UPDATE attempts SET ended_at = ?, outcome = ?, error = ? WHERE delivery_id = ? AND number = ?"
_KEEP_FILE = """
INSERT INTO files (id, handler, submission_id, result_id, role, key, size, sha256, media_type, link)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
    key = excluded.key, size = excluded.size, sha256 = excluded.sha256, media_type = excluded.media_type,
    link = excluded.link
"""
_ASK = """
UPDATE submissions SET ask_at = CASE WHEN ask_at < ?1 THEN ask_at ELSE ?1 END
WHERE task_id IS NOT NULL AND id IN (SELECT value FROM json_each(?2))
"""


@dataclass(frozen=True, slots=True)
class End:
    """`new_id` makes an id from its prefix, for what a fallback gets."""

    claim: Claim
    ended: Ended
    new_id: NewId


@dataclass(frozen=True, slots=True)
class _Written:
    """What is written of an ended attempt; `delay` in microseconds is for those that are given back."""

    state: str
    outcome: str
    failures: int = 0
    delay: int = 0
    error: str | None = None
    receipt: str | None = None
    edits: bool = False


async def end(turn: Turn, items: list[End]) -> list[bool]:
    """All ends of a batch. False where the lease was lost."""
    alone = any(isinstance(item.ended, Paused) or item.claim.probe for item in items)
    await hold_pauses(turn, alone=alone)
    events = [item.claim.event for item in items]
    await hold(turn, [{"submission_id": event.submission_id, "event_id": event.id} for event in events])
    fences = {
        (row["id"], row["owner"], row["attempts"])
        for row in await turn.rows(_HELD, (to_json([item.claim.id for item in items]),))
    }
    held: list[End] = []
    answers = []
    for item in items:
        fence = (item.claim.id, item.claim.owner, item.claim.attempt)
        answers.append(fence in fences)
        if fence in fences:
            # An attempt ends once, also when its end is told twice in one batch.
            fences.remove(fence)
            held.append(item)
    if held:
        await _write(turn, held)
    return answers


async def _write(turn: Turn, held: list[End]) -> None:
    held = await _without_failed_edits(turn, held)
    probing = [await _tell_handler(turn, item) for item in held]
    written = [(item.claim, _written(item, probe)) for item, probe in zip(held, probing, strict=True)]
    await turn.many(
        _END,
        [
            (row.state, row.failures, row.receipt, clean_or_none(row.error), row.edits, claim.id)
            for claim, row in written
        ],
    )
    await turn.many(
        _END_ATTEMPT,
        [(turn.now, row.outcome, clean_or_none(row.error), claim.id, claim.attempt) for claim, row in written],
    )
    await turn.many(_KEEP_FILE, _file_rows(held))
    await add_events(turn, [event for item in held if (event := _alarm(item.ended)) is not None])
    await _ask(turn, held)
    await _hand_on(turn, held)
    await _move_on(turn, written)


async def _without_failed_edits(turn: Turn, held: list[End]) -> list[End]:
    """What was delivered once stays so, also where an edit of it fails for good: nobody has to be told in its place."""
    dead = to_json([item.claim.id for item in held if isinstance(item.ended, Dead)])
    rows = await turn.rows(_DELIVERED_ONCE, (dead,)) if dead != "[]" else []
    delivered = {row["delivery_id"] for row in rows}
    return [
        replace(item, ended=Delivered(resumed=item.ended.resumed, error=item.ended.error))
        if isinstance(item.ended, Dead) and item.claim.id in delivered
        else item
        for item in held
    ]


async def _move_on(turn: Turn, written: Iterable[tuple[Claim, _Written]]) -> None:
    given_back = {claim.id: turn.now + row.delay for claim, row in written if row.state == "pending"}
    if given_back:
        over = await supersede(turn, given_back)
        await place(turn, {ident: due for ident, due in given_back.items() if ident not in over})
    await settle(turn, [claim.id for claim, _ in written])
    # Also after a delivery: its handler has room for one more.
    turn.rings.add(Ring.DELIVERIES)


async def _tell_handler(turn: Turn, item: End) -> bool:
    """What the end says about the target; True where it was a probe of a handler that stays paused."""
    claim, ended = item.claim, item.ended
    match ended:
        case Paused():
            state = HandlerState(
                name=claim.handler,
                paused_at=moment(turn.now),
                reason=ended.error,
                probe_at=moment(turn.now + length(ended.probe_in)),
            )
            begun = await pause(turn, Pause(state, ended.event))
            if not begun and claim.probe:
                await postpone(turn, claim.handler, length(ended.probe_in))
            return claim.probe
        case Again(resumed=None) if claim.probe:
            await postpone(turn, claim.handler, length(ended.delay))
            return bool(await turn.rows("SELECT 1 FROM handlers WHERE name = ?", (claim.handler,)))
        case Delivered() | Dead() | Again() if claim.probe:
            await resume(turn, Resume(claim.handler, ended.resumed))
    return False


def _written(item: End, probing: bool) -> _Written:
    match item.ended:
        case Delivered(receipt=receipt, edits=edits, error=error):
            kept = dump(RECEIPT, receipt) if receipt else None
            return _Written("delivered", "dead" if error else "delivered", error=error, receipt=kept, edits=edits)
        case Again(delay=delay, error=error):
            return _Written("pending", "again", failures=0 if probing else 1, delay=length(delay), error=error)
        case Dead(error=error):
            return _Written("dead", "dead", failures=1, error=error)
        case Paused(error=error):
            return _Written("pending", "paused", error=error)
        case Released():
            return _Written("pending", "released")


def _alarm(ended: Ended) -> Event | None:
    return ended.event if isinstance(ended, Dead) else None


def _file_rows(held: Iterable[End]) -> list[tuple[Any, ...]]:
    return [
        _file_row(item.claim, file)
        for item in held
        if isinstance(item.ended, Delivered) and item.ended.receipt
        for file in item.ended.receipt.files
    ]


def _file_row(claim: Claim, file: ArchivedFile) -> tuple[Any, ...]:
    submission_id = claim.event.submission_id
    return (
        file_id(claim.handler, submission_id or "", file.result_id, file.role),
        claim.handler,
        clean_or_none(submission_id),
        clean(file.result_id),
        clean(file.role),
        clean(file.key),
        file.size,
        file.sha256,
        clean(file.media_type),
        clean(file.link),
    )


async def _hand_on(turn: Turn, held: Iterable[End]) -> None:
    """What died goes to the fallback of its handler."""
    for item in held:
        if isinstance(item.ended, Dead) and item.ended.fallback:
            await hand_on(turn, [(item.claim.event.id, item.ended.fallback)], item.new_id)


async def _ask(turn: Turn, held: Iterable[End]) -> None:
    stale = [item.claim.event.submission_id for item in held if isinstance(item.ended, Again) and item.ended.stale]
    if stale:
        await turn.rows(_ASK, (turn.now, to_json(stale)))
        turn.rings.add(Ring.ASKS)
