"""Every statement of a sweep finds its rows by an index, however much there is."""

import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from receiver.events import Stage
from receiver.store.records import Mark, Retention
from receiver.store.sql import pruning
from receiver.store.sqlite.store import SqliteStore
from tests.contracts.store_kit import Clock, Ids, a_callback, becomes, running, stored
from tests.contracts.store_kit import keep as told_nothing

STATEMENTS = sorted(
    name
    for name, value in vars(pruning).items()
    if isinstance(value, str) and re.match(r"\s*(SELECT|UPDATE|DELETE)\b", value)
)


@pytest.mark.parametrize("name", STATEMENTS)
async def test_no_table_is_scanned(tmp_path: Path, name: str) -> None:
    await SqliteStore(tmp_path / "a.db", Clock(), Ids()).migrate()
    statement = getattr(pruning, name)
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        values = tuple([1] * statement.count("?"))
        steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert [step for step in steps if step.startswith("SEARCH")]
    assert not [step for step in steps if re.match(r"SCAN (?!CONSTANT|json_each)|USE TEMP", step)]


async def test_what_somebody_wrote_is_in_no_row_any_more(tmp_path: Path) -> None:
    clock = Clock()
    store = SqliteStore(tmp_path / "a.db", clock, Ids())
    await store.migrate()
    async with running(store):
        submission = await stored(store)
        await store.change(submission.id, becomes(Stage.TEXT, "music.text"), a_callback(b'{"lyrics": "a dark sea"}'))
        await store.route([(event, []) for event in await store.unrouted(9)])
        clock.go(timedelta(days=90))
        keep = Retention(events=timedelta(days=90), callbacks=timedelta(days=90))
        for table in ("callbacks", "events"):
            await store.prune(keep, Mark(table), 9)
        await store.change(submission.id, told_nothing, a_callback(b'{"lyrics": "a dark sea"}'))
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        db.row_factory = sqlite3.Row
        (callback,) = db.execute("SELECT * FROM callbacks")
        (event,) = db.execute("SELECT * FROM events")
    assert (callback["body"], callback["headers"], callback["count"]) == (b"", "{}", 2)
    assert (event["doc"], event["search"], event["labels"]) == ("{}", "", None)
    assert (event["fact"], event["submission_id"]) == ("text", submission.id)


async def test_the_old_ones_are_counted_without_looking_at_their_rows(tmp_path: Path) -> None:
    await SqliteStore(tmp_path / "a.db", Clock(), Ids()).migrate()
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {pruning.PRUNABLE}", (1, 1))]
    found = [step for step in steps if step.startswith("SEARCH")]
    assert len(found) == sum("USING COVERING INDEX" in step for step in found) == 2


def test_there_are_statements() -> None:
    assert len(STATEMENTS) > 10


def test_postgresql_finds_nothing_to_hash() -> None:
    # An EXISTS beside the columns is answered there from all rows of a table, once a statement.
    assert "EXISTS" not in pruning.OLD_CALLBACKS + pruning.OLD_EVENTS
