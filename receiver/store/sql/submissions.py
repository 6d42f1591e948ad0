"""Changes of submissions: the callback, the new state and the events of one decision, in one transaction."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from receiver.errors import StoreUnavailable
from receiver.events import OWN_KINDS, Event, Submission
from receiver.stages import Change, Decide
from receiver.store.records import Callback
from receiver.store.sql.rows import (
    clean,
    event_row,
    micros,
    read_submission,
    submission_row,
    to_json,
)
from receiver.store.sql.turn import Ring, Row, Turn

MOST_BODIES = 100
MOST_BYTES = 64 * 2**20

_LOAD = """
SELECT id, doc AS submission, ask_at, callbacks, callback_bytes, callbacks_dropped FROM submissions
WHERE id IN (SELECT value FROM json_each(?)) /*! ORDER BY id FOR NO KEY UPDATE */
"""
# At most MOST_BODIES of each.
_KEPT = "SELECT id, submission_id, sha256 FROM callbacks WHERE submission_id IN (SELECT value FROM json_each(?))"
_INSERT = """
INSERT INTO submissions (id, provider, client, stage, task_id, created_at, ask_at, labels, search, doc,
                         callbacks, callback_bytes, callbacks_dropped)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_CREATE = f"{_INSERT} ON CONFLICT DO NOTHING"
_SAVE = f"""{_INSERT} ON CONFLICT (id) DO UPDATE SET
    provider = excluded.provider, client = excluded.client, stage = excluded.stage, task_id = excluded.task_id,
    ask_at = excluded.ask_at, labels = excluded.labels, search = excluded.search, doc = excluded.doc,
    callbacks = excluded.callbacks, callback_bytes = excluded.callback_bytes,
    callbacks_dropped = excluded.callbacks_dropped
"""
_KEEP = """
INSERT INTO callbacks (id, submission_id, sha256, via, headers, body, received_at, last_at, count, remark)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?)
"""
_COUNT = "UPDATE callbacks SET count = count + 1, last_at = ? WHERE submission_id = ? AND sha256 = ?"
_REMARK = "UPDATE callbacks SET remark = ? WHERE id = ?"
_ADD_EVENT = """
INSERT INTO events (id, type, level, submission_id, fact, rank, provider, client, stage, received_at, callback_id,
                    via, about, delivery_id, labels, search, doc)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_DUE = """
SELECT id, doc AS submission, ask_at FROM submissions WHERE ask_at <= ? ORDER BY ask_at LIMIT ?
/*! FOR NO KEY UPDATE SKIP LOCKED */
"""
_PUT_OFF = "UPDATE submissions SET ask_at = ? WHERE id IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A change that somebody waits for. `reread`: its callback is kept already, and read once more."""

    subject: str | Submission
    decide: Decide
    callback: Callback | None
    reread: bool = False

    @property
    def id(self) -> str:
        return clean(self.subject if isinstance(self.subject, str) else self.subject.id)


@dataclass(slots=True)
class _Account:
    """A submission as this transaction sees it, with what is kept of its callbacks; `row` is what it became here."""

    submission: Submission
    bodies: int = 0
    size: int = 0
    dropped: int = 0
    stored_ask_at: datetime | None = None
    row: tuple[Any, ...] | None = None
    dirty: bool = False


@dataclass(slots=True)
class _Book:
    """What one transaction has read and will write; `broken` are submissions that can't be read."""

    accounts: dict[str, _Account]
    broken: dict[str, StoreUnavailable]
    kept: dict[tuple[str, str], str]
    fresh: list[tuple[Any, ...]] = field(default_factory=list)
    repeated: list[tuple[Any, ...]] = field(default_factory=list)
    remarks: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[tuple[Any, ...]] = field(default_factory=list)


async def change(turn: Turn, items: list[Wanted]) -> list[Submission | Exception | None]:
    """All changes of a batch: read once, decided one after the other, written once."""
    digests = [hashlib.sha256(item.callback.body).hexdigest() if item.callback else "" for item in items]
    book = await _open(turn, items)
    answers = [_decide(book, item, digest) for item, digest in zip(items, digests, strict=True)]
    await _write(turn, book)
    return answers


async def _open(turn: Turn, items: list[Wanted]) -> _Book:
    rows = list(await turn.rows(_LOAD, (to_json([item.id for item in items]),)))
    known = {row["id"] for row in rows}
    if not turn.alone:
        rows += await _create(turn, items, known)
    # After the locks: what another process has kept meanwhile is seen.
    calling = [item.id for item in items if item.callback]
    found = await turn.rows(_KEPT, (to_json(calling),)) if calling else []
    book = _Book({}, {}, {(row["submission_id"], row["sha256"]): row["id"] for row in found})
    for row in rows:
        try:
            account = book.accounts[row["id"]] = _read_account(row)
            if row["id"] not in known:
                account.stored_ask_at = None
        except StoreUnavailable as error:
            book.broken[row["id"]] = error
    return book


async def _create(turn: Turn, items: list[Wanted], known: set[str]) -> Sequence[Row]:
    """Stores first what is unknown: another process may be about to store the same, and one of them has to wait."""
    fresh = {
        item.id: _account_row(_Account(item.subject))
        for item in items
        if isinstance(item.subject, Submission) and item.id not in known
    }
    await turn.many(_CREATE, [fresh[ident] for ident in sorted(fresh)])
    return await turn.rows(_LOAD, (to_json(list(fresh)),)) if fresh else []


def _read_account(row: Row) -> _Account:
    found = read_submission(row)
    return _Account(found, row["callbacks"], row["callback_bytes"], row["callbacks_dropped"], found.ask_at)


def _decide(book: _Book, item: Wanted, digest: str) -> Submission | Exception | None:
    if item.id in book.broken:
        return StoreUnavailable(*book.broken[item.id].args)
    account = book.accounts.get(item.id)
    if account is None:
        if isinstance(item.subject, str):
            return None
        account = book.accounts[item.id] = _Account(item.subject, dirty=True)
    duplicate = (item.id, digest) in book.kept and not item.reread
    try:
        change = item.decide(account.submission, duplicate)
        # Here, so that a record that can't be written fails as its decision would have.
        row = account.row if change.submission == account.submission else submission_row(change.submission)
    except Exception as error:  # noqa: BLE001 - the callback is kept whatever becomes of it
        _keep(book, item, digest, "error")
        return error
    callback_id = _keep(book, item, digest, change.remark)
    if row is not account.row:
        account.submission, account.row = change.submission, row
        account.dirty = True
    book.events += [_event(event, change, item.callback, callback_id) for event in change.events]
    return change.submission


def _keep(book: _Book, item: Wanted, digest: str, remark: str) -> str | None:
    """Keeps the body, or counts it; the id of the row that holds it, None where none does."""
    callback = item.callback
    if callback is None:
        return None
    if item.reread:
        book.remarks.append((clean(remark), callback.id))
        return callback.id
    received_at = micros(callback.received_at)
    known = book.kept.get((item.id, digest))
    if known is not None:
        book.repeated.append((received_at, item.id, digest))
        return known
    account = book.accounts[item.id]
    account.dirty = True
    if account.bodies >= MOST_BODIES or account.size + len(callback.body) > MOST_BYTES:
        account.dropped += 1
        return None
    account.bodies += 1
    account.size += len(callback.body)
    book.kept[item.id, digest] = callback.id
    headers = to_json(dict(callback.headers))
    row = (callback.id, item.id, digest, callback.via, headers, callback.body, received_at, received_at, clean(remark))
    book.fresh.append(row)
    return callback.id


def _event(event: Event, change: Change, callback: Callback | None, callback_id: str | None) -> tuple[Any, ...]:
    told_by_callback = callback is not None and (event.raw is None or event.kind not in OWN_KINDS)
    if not told_by_callback:
        return event_row(event, change.submission.revision, None)
    # Past the bounds nothing may grow: of what was not kept, an alarm of each type goes out once.
    once = event.type if callback_id is None and event.kind in OWN_KINDS else None
    bare = event if event.raw is None else replace(event, raw=None)
    return event_row(bare, change.submission.revision, callback_id, once)


async def _write(turn: Turn, book: _Book) -> None:
    dirty = [account for account in book.accounts.values() if account.dirty]
    await turn.many(_SAVE, [_account_row(account) for account in dirty])
    await turn.many(_KEEP, book.fresh)
    await turn.many(_COUNT, book.repeated)
    await turn.many(_REMARK, book.remarks)
    await turn.many(_ADD_EVENT, book.events)
    if book.events:
        turn.rings.add(Ring.OUTBOX)
    if any(account.submission.ask_at not in (None, account.stored_ask_at) for account in book.accounts.values()):
        turn.rings.add(Ring.ASKS)


def _account_row(account: _Account) -> tuple[Any, ...]:
    return (*(account.row or submission_row(account.submission)), account.bodies, account.size, account.dropped)


async def add_events(turn: Turn, events: Sequence[Event]) -> None:
    """Puts events of our own into the outbox; one that is there already stays as it is."""
    if events:
        await turn.many(_ADD_EVENT, [event_row(event, 0, None) for event in events])
        turn.rings.add(Ring.OUTBOX)


async def due_asks(turn: Turn, wanted: tuple[int, int]) -> Sequence[Row]:
    """At most so many whose time has come, as they were, each put off by so many microseconds."""
    limit, hold = wanted
    rows = await turn.rows(_DUE, (turn.now, limit))
    if rows:
        await turn.rows(_PUT_OFF, (turn.now + hold, to_json([row["id"] for row in rows])))
    return rows
