"""Rows that this version can't read: left out and told once, and everything else goes on."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from receiver.errors import StoreUnavailable
from receiver.events import Event, Stage, Submission
from receiver.routing import Plan
from receiver.store.records import Claim, Delivered, Query
from receiver.store.sql import loads
from receiver.store.sqlite.store import SqliteStore
from tests.contracts.store_kit import (
    BOTH,
    LEASE,
    SECOND,
    TEAM,
    Clock,
    Ids,
    a_callback,
    a_receipt,
    an_alarm,
    becomes,
    keep,
    nested,
    one_claim,
    routed,
    running,
    stored,
)

HUSH = "a value that no log may show"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(path, Clock(), Ids())
    await made.migrate()
    async with running(made):
        yield made


def spoil(path: Path, table: str, ident: str, doc: str = f'{{"id": "{HUSH}"}}', column: str = "doc") -> None:
    with closing(sqlite3.connect(path)) as db, db:
        assert db.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (doc, ident)).rowcount == 1


@pytest.mark.parametrize("doc", ["{}", f'{{"id": "{HUSH}", "level": "loud"}}', nested(300)], ids=["old", "new", "deep"])
async def test_an_event_leaves_the_outbox_and_every_list(
    path: Path, store: SqliteStore, caplog: pytest.LogCaptureFixture, doc: str
) -> None:
    alarms = [an_alarm("disk.low") for _ in range(3)]
    await store.emit(alarms)
    spoil(path, "events", alarms[0].id, doc)
    assert await store.unrouted(1) == [alarms[1]]
    assert await store.unrouted(10) == alarms[1:]
    for _ in range(2):
        assert (await store.events(Query())).data == alarms[:0:-1]
    assert await store.events_after(None, Query(limit=1)) == [alarms[1]]
    assert await store.event(alarms[0].id) is None
    assert [alarms[0].id in record.message for record in caplog.records] == [True]
    assert HUSH not in caplog.text


async def test_an_outbox_of_nothing_else_is_emptied(path: Path, store: SqliteStore) -> None:
    alarm = an_alarm("disk.low")
    await store.emit([alarm])
    spoil(path, "events", alarm.id)
    assert await store.unrouted(10) == []
    assert (await store.counts())["unrouted"] == 0


async def test_a_submission_is_left_out_of_lists_and_its_own_look_says_why(path: Path, store: SqliteStore) -> None:
    bad, fine = await stored(store), await stored(store)
    spoil(path, "submissions", bad.id)
    assert (await store.submissions(Query())).data == [fine]
    assert await store.by_task("task-1") == [fine]
    with pytest.raises(StoreUnavailable, match=f"{bad.id} can't be read by this version") as caught:
        await store.submission(bad.id)
    assert HUSH not in str(caught.value)


async def test_a_change_of_it_fails_alone(path: Path, store: SqliteStore) -> None:
    bad, fine = await stored(store), await stored(store)
    spoil(path, "submissions", bad.id)
    answers = await asyncio.gather(
        *(store.change(one, keep, a_callback()) for one in (bad, bad.id, fine)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [StoreUnavailable, StoreUnavailable, Submission]
    with closing(sqlite3.connect(path)) as db:
        assert HUSH in db.execute("SELECT doc FROM submissions WHERE id = ?", (bad.id,)).fetchone()[0]


async def test_an_ask_of_it_is_put_off_and_the_others_are_asked(path: Path, store: SqliteStore) -> None:
    bad, fine = await stored(store), await stored(store)
    for one in (bad, fine):
        await store.change(one.id, becomes(Stage.TEXT))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE submissions SET ask_at = 1")
    spoil(path, "submissions", bad.id)
    assert [one.id for one in await store.due_asks(10, SECOND)] == [fine.id]
    assert await store.due_asks(10, SECOND) == []


async def spoiled_claims(path: Path, store: SqliteStore, table: str) -> tuple[Event, list[Claim]]:
    """A finished song of which the event or the submission is spoilt, claimed after another."""
    fine, bad = await stored(store), await stored(store)
    await routed(store, fine, "music.complete", [Plan(handler="team")])
    event = await routed(store, bad, "music.complete", [Plan(handler="team"), Plan(handler="mail", needs=("team",))])
    spoil(path, table, event.id if table == "events" else bad.id)
    return event, await store.claim("me", LEASE, TEAM, 10)


async def test_a_delivery_of_an_unreadable_event_is_a_dead_letter_and_the_others_go(
    path: Path, store: SqliteStore
) -> None:
    event, claims = await spoiled_claims(path, store, "events")
    assert [claim.event.id == event.id for claim in claims] == [False]
    rows = {row.handler: row for row in (await store.delivery_rows(Query(event_id=event.id))).data}
    assert (rows["team"].state, rows["team"].error) == ("dead", "its event can not be read by this version")
    assert [one.outcome for one in await store.attempts(rows["team"].id)] == ["dead"]
    assert rows["mail"].state == "pending"


async def test_a_delivery_goes_on_without_a_submission_that_cannot_be_read(path: Path, store: SqliteStore) -> None:
    event, claims = await spoiled_claims(path, store, "submissions")
    assert {claim.event.id == event.id: claim.submission is None for claim in claims} == {False: False, True: True}


async def test_a_lease_that_another_took_meanwhile_is_not_read(store: SqliteStore) -> None:
    await routed(store, await stored(store), "music.complete", [Plan(handler="team")])
    claim = await one_claim(store)
    found = [await store._reader.rows(loads.LEASED, (f'["{claim.id}"]', owner)) for owner in ("me", "other")]
    assert [len(rows) for rows in found] == [1, 0]


@pytest.mark.parametrize(("column", "word"), [("receipt", "{}"), ("receipt", '"'), ("state", "sleeping")])
async def test_a_delivery_that_cannot_be_read_is_left_out_of_lists(
    path: Path, store: SqliteStore, column: str, word: str
) -> None:
    plans = [Plan(handler="archive"), Plan(handler="team", needs=("archive",))]
    await routed(store, await stored(store), "music.complete", plans)
    archive = await one_claim(store, BOTH)
    await store.end(archive, Delivered(a_receipt()))
    spoil(path, "deliveries", archive.id, '{"files": 1}' if word == "{}" else word, column)
    assert [row.handler for row in (await store.delivery_rows(Query())).data] == ["team"]
    with pytest.raises(StoreUnavailable, match=archive.id):
        await store.delivery(archive.id)
    assert (await one_claim(store)).receipts == {}
