"""The store over any SQL database: hands every write to the writer and every look to a reader."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from receiver.events import Event, Submission
from receiver.routing import Plan
from receiver.stages import Change, Decide
from receiver.store.base import Bell
from receiver.store.bells import LocalBell
from receiver.store.records import (
    Attempt,
    Callback,
    Claim,
    DeliveryRow,
    Ended,
    HandlerState,
    KeptCallback,
    KeptKey,
    KeptReply,
    Key,
    Mark,
    Page,
    Presence,
    Process,
    Pruned,
    Query,
    Retention,
    StoredFile,
    Terms,
    Tombstone,
)
from receiver.store.sql import (
    claims,
    deliveries,
    due,
    ends,
    health,
    kept,
    keys,
    lists,
    loads,
    notes,
    pauses,
    presence,
    pruning,
    submissions,
)
from receiver.store.sql.rows import (
    clean,
    length,
    micros,
    moment,
    moment_or_none,
    read_delivery,
    read_event,
    read_submission,
    to_json,
)
from receiver.store.sql.turn import Reader, Ring, Row, Writer, each
from receiver.store.sql.unreadable import Unreadable

# Ops are told apart by what they are, so each is made once.
_CLAIM, _ABANDON, _BURY = each(claims.claim), each(claims.abandon), each(claims.bury)
_SET_ASIDE = each(deliveries.set_aside)
_REPLAY, _REDELIVER = each(deliveries.replay), each(deliveries.redeliver)
_PAUSE, _RESUME, _PROBE = each(pauses.pause), each(pauses.resume), each(pauses.probe)
_SETTING, _PING, _HEARTBEAT = each(notes.setting), each(notes.ping), each(notes.heartbeat)
_PRESENT = each(presence.present)
_TAKE_KEY, _KEEP_REPLY = each(keys.take), each(keys.keep)
_PRUNE = each(pruning.prune)
_EMIT, _DUE_ASKS = each(submissions.add_events), each(submissions.due_asks)

_SUBMISSION = "SELECT id, created_at, doc AS submission, ask_at FROM submissions"
_BY_TASK = f"""
{_SUBMISSION} WHERE task_id = ?1 AND (CAST(?2 AS TEXT) IS NULL OR provider = ?2) ORDER BY created_at DESC, id DESC
"""


class SqlStore:
    """`now` is the clock of the database; `new_id` makes an id from its prefix.

    Searches may take long: they have a reader of their own.
    """

    commit_order: lists.CommitOrder

    def __init__(
        self,
        writer: Writer,
        reader: Reader,
        searcher: Reader,
        now: Callable[[], datetime],
        new_id: Callable[[str], str],
    ) -> None:
        self.outbox: Bell = LocalBell()
        self.deliveries: Bell = LocalBell()
        self.asks: Bell = LocalBell()
        self.news: Bell = LocalBell()
        self._writer = writer
        self._reader = reader
        self._searcher = searcher
        self.now = now
        self._new_id = new_id
        self._unreadable = Unreadable()

    def _ring(self, ring: Ring) -> None:
        {Ring.OUTBOX: self.outbox, Ring.DELIVERIES: self.deliveries, Ring.ASKS: self.asks}[ring].ring()
        if ring is Ring.OUTBOX:
            self.news.ring()

    async def ping(self) -> None:
        await self._writer.run(_PING, None)

    async def setting(self, name: str, make: Callable[[], str]) -> str:
        return await self._writer.run(_SETTING, notes.Setting(name, make))

    async def present(self, process: Process, *, ending: bool = False) -> None:
        await self._writer.run(_PRESENT, presence.Word(process, ending))

    async def processes(self) -> list[Presence]:
        return [presence.read_presence(row) for row in await self._reader.rows(presence.PROCESSES)]

    async def change(
        self, subject: str | Submission, decide: Decide, callback: Callback | None = None
    ) -> Submission | None:
        return await self._writer.run(submissions.change, submissions.Wanted(subject, decide, callback))

    async def reread(self, known: KeptCallback, decide: Decide) -> Submission | None:
        wanted = submissions.Wanted(known.submission_id, decide, known.callback, reread=True)
        return await self._writer.run(submissions.change, wanted)

    async def kept_callbacks(
        self, after: str | None, limit: int, *, since: datetime | None = None, unread: bool = False
    ) -> list[KeptCallback]:
        values = (after or "", micros(since) if since else 0, unread, limit)
        return [kept.read_kept(row) for row in await self._searcher.rows(kept.KEPT, values)]

    async def add(self, submission: Submission) -> Submission:
        return await self.change(submission, _as_it_is) or submission

    async def take_key(self, key: Key, submission: Submission) -> KeptKey | None:
        return await self._writer.run(_TAKE_KEY, keys.Taking(key, submission))

    async def keep_reply(self, submission_id: str, reply: KeptReply | None) -> None:
        await self._writer.run(_KEEP_REPLY, keys.Answer(submission_id, reply))

    async def submission(self, submission_id: str) -> Submission | None:
        rows = await self._reader.rows(f"{_SUBMISSION} WHERE id = ?", (clean(submission_id),))
        return read_submission(rows[0]) if rows else None

    async def by_task(self, task_id: str, provider: str | None = None) -> list[Submission]:
        rows = await self._reader.rows(_BY_TASK, (clean(task_id), provider))
        return self._unreadable.leave_out(rows, read_submission)

    async def due_asks(self, limit: int, hold: timedelta) -> list[Submission]:
        rows = await self._writer.run(_DUE_ASKS, (limit, length(hold)))
        return self._unreadable.leave_out(rows, read_submission)

    async def next_ask(self) -> datetime | None:
        rows = await self._reader.rows("SELECT min(ask_at) AS at FROM submissions WHERE ask_at IS NOT NULL")
        return moment_or_none(rows[0]["at"])

    async def unrouted(self, limit: int) -> list[Event]:
        while rows := await self._reader.rows(lists.UNROUTED, (limit,)):
            found = self._unreadable.leave_out(rows, read_event)
            if len(found) == len(rows):
                return found
            readable = {event.id for event in found}
            await self._writer.run(_SET_ASIDE, [row["id"] for row in rows if row["id"] not in readable])
        return []

    async def route(self, plans: Sequence[tuple[Event, Sequence[Plan]]]) -> None:
        await self._writer.run(deliveries.route, deliveries.Routing(plans, self._new_id))

    async def emit(self, events: Sequence[Event]) -> None:
        await self._writer.run(_EMIT, events)

    async def claim(
        self,
        owner: str,
        lease: timedelta,
        terms: Mapping[str, Terms],
        most: int,
        holding: Collection[str] = (),
    ) -> list[Claim]:
        ids = await self._writer.run(_CLAIM, claims.Wish(owner, length(lease), terms, most, self._new_id, holding))
        if not ids:
            return []
        given = to_json(ids)
        rows = await self._reader.rows(loads.LEASED, (given, owner))
        needy = any(row["needs"] != "[]" for row in rows)
        receipts = await self._reader.rows(loads.RECEIPTS, (given,)) if needy else ()
        around = loads.Claimed(receipts, await self._reader.rows(loads.FILES, (given,)))
        found = await self._unreadable.leave_out_large(rows, around.read)
        if len(found) < len(rows):
            readable = {claim.id for claim in found}
            await self._writer.run(_BURY, [row["id"] for row in rows if row["id"] not in readable])
        return found

    async def heartbeat(self, claims: Sequence[Claim], lease: timedelta) -> None:
        await self._writer.run(_HEARTBEAT, notes.Beat(tuple(claims), length(lease)))

    async def end(self, claim: Claim, ended: Ended) -> bool:
        return await self._writer.run(ends.end, ends.End(claim, ended, self._new_id))

    async def abandon(self, owner: str | None = None, holding: Collection[str] = ()) -> int:
        return await self._writer.run(_ABANDON, claims.Abandon(owner, holding))

    async def next_due(self, terms: Mapping[str, Terms] | None = None) -> datetime | None:
        names = None if terms is None else to_json(list(terms))
        wakes = [(await self._reader.rows(due.WAKES, (names,)))[0]["at"]]
        for name, due_at in due.open_handlers(await self._reader.rows(due.PENDING), terms).items():
            wakes.append(await self._after_rate(name, due_at, (terms or {}).get(name)))
        known = [at for at in wakes if at is not None]
        return moment(min(known)) if known else None

    async def _after_rate(self, handler: str, due_at: int, limit: Terms | None) -> int:
        if limit is None or limit.rate is None:
            return due_at
        rows = await self._reader.rows(due.NTH_START, (handler, due.soon(micros(self.now())), limit.rate.count - 1))
        return due.after_rate(due_at, limit, rows[0]["started_at"] if rows else None)

    async def handlers(self) -> list[HandlerState]:
        rows = await self._reader.rows("SELECT * FROM handlers ORDER BY name")
        return [
            HandlerState(
                name=row["name"],
                paused_at=moment(row["paused_at"]),
                reason=row["reason"],
                probe_at=moment_or_none(row["probe_at"]),
                probes=row["probes"],
            )
            for row in rows
        ]

    async def pause(self, state: HandlerState, event: Event) -> bool:
        return await self._writer.run(_PAUSE, pauses.Pause(state, event))

    async def resume(self, name: str, event: Event) -> bool:
        return await self._writer.run(_RESUME, pauses.Resume(name, event))

    async def probe(self, name: str) -> None:
        await self._writer.run(_PROBE, name)

    async def redeliver(self, delivery_id: str, *, again: bool = False, new_id: str = "") -> DeliveryRow | None:
        copy_id = new_id or self._new_id("dlv")
        row = await self._writer.run(_REDELIVER, deliveries.Redelivery(delivery_id, again, copy_id))
        return None if row is None else read_delivery(row)

    async def replay(self, event_id: str, plan: Plan, delivery_id: str) -> bool:
        return await self._writer.run(_REPLAY, deliveries.Replay(event_id, plan, delivery_id))

    async def save_progress(self, claim: Claim, value: Mapping[str, Any]) -> None:
        await self._writer.run(notes.save_progress, notes.Progress(claim, value))

    async def recall(self, handler: str, submission_id: str) -> dict[str, Any]:
        rows = await self._reader.rows(
            "SELECT value FROM memory WHERE handler = ? AND submission_id = ?", (clean(handler), clean(submission_id))
        )
        found: dict[str, Any] = json.loads(rows[0]["value"]) if rows else {}
        return found

    async def remember(self, handler: str, submission_id: str, value: Mapping[str, Any]) -> None:
        await self._writer.run(notes.remember, notes.Memory(handler, submission_id, value))

    async def submissions(self, query: Query) -> Page[Submission]:
        page = await self._page(lists.submissions(query))
        return Page(self._unreadable.leave_out(page.data, read_submission), page.next)

    async def events(self, query: Query) -> Page[Event]:
        page = await self._page(lists.events(query))
        return Page(await self._unreadable.leave_out_large(page.data, read_event), page.next)

    async def events_after(self, event_id: str | None, query: Query) -> list[Event]:
        place = None
        if event_id is not None:
            rows = await self._searcher.rows(self.commit_order.place, (clean(event_id),))
            place = [rows[0][name] for name in self.commit_order.columns] if rows else None
        page = await self._page(lists.events_after(self.commit_order, place, query))
        found = await self._unreadable.leave_out_large(page.data, read_event)
        # Whoever follows asks for what comes behind the last one that it got.
        if page.next and not found:
            return await self.events_after(event_id, replace(query, cursor=page.next))
        return found

    async def delivery_rows(self, query: Query) -> Page[DeliveryRow]:
        page = await self._page(lists.deliveries(query))
        return Page(self._unreadable.leave_out(page.data, read_delivery), page.next)

    async def _page(self, listing: lists.Listing) -> Page[Row]:
        return listing.cut(await self._searcher.rows(listing.sql, listing.values))

    async def delivery(self, delivery_id: str) -> DeliveryRow | None:
        rows = await self._reader.rows("SELECT * FROM deliveries WHERE id = ?", (clean(delivery_id),))
        return read_delivery(rows[0]) if rows else None

    async def undelivered(self, handlers: Collection[str], age: timedelta, limit: int) -> list[DeliveryRow]:
        until = micros(self.now() - age)
        values = (until, json.dumps(sorted(handlers)), limit)
        return self._unreadable.leave_out(await self._searcher.rows(lists.UNDELIVERED, values), read_delivery)

    async def attempts(self, delivery_id: str) -> list[Attempt]:
        rows = await self._reader.rows(
            "SELECT * FROM attempts WHERE delivery_id = ? ORDER BY number", (clean(delivery_id),)
        )
        return [
            Attempt(
                number=row["number"],
                started_at=moment(row["started_at"]),
                ended_at=moment_or_none(row["ended_at"]),
                outcome=row["outcome"],
                error=row["error"],
            )
            for row in rows
        ]

    async def event(self, event_id: str) -> Event | None:
        found = self._unreadable.leave_out(await self._reader.rows(lists.ONE_EVENT, (clean(event_id),)), read_event)
        return found[0] if found else None

    async def file(self, file_id: str) -> StoredFile | None:
        rows = await self._reader.rows("SELECT * FROM files WHERE id = ?", (clean(file_id),))
        if not rows:
            return None
        row = rows[0]
        return StoredFile(handler=row["handler"], submission_id=row["submission_id"], file=loads.read_file(row))

    async def prune(self, keep: Retention, mark: Mark | None, limit: int, *, dry_run: bool = False) -> Pruned:
        batch = pruning.Batch(keep, mark or pruning.first(), limit)
        if dry_run:
            return await pruning.count(self._searcher, micros(self.now()), batch)
        return await self._writer.run(_PRUNE, batch)

    async def prunable(self, keep: Retention) -> int:
        now = micros(self.now())
        until = (pruning.until(now, keep.callbacks), pruning.until(now, keep.events))
        return int((await self._searcher.rows(pruning.PRUNABLE, until))[0]["count"])

    async def tombstone(self, event_id: str) -> Tombstone | None:
        rows = await self._reader.rows(pruning.TOMBSTONE, (clean(event_id),))
        return pruning.read_tombstone(rows[0]) if rows else None

    async def counts(self) -> Mapping[str, int]:
        return lists.count_all(await self._searcher.rows(lists.COUNTS))

    async def open_handlers(self) -> list[str]:
        return [row["handler"] for row in await self._reader.rows(health.OPEN_HANDLERS)]

    async def has_dead(self) -> bool:
        return bool((await self._reader.rows(health.HAS_DEAD))[0]["found"])


def _as_it_is(current: Submission, _: bool) -> Change:
    return Change(submission=current)
