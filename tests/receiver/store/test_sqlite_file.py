"""The file of the SQLite store: one server at a time, and a sentence for whatever is wrong with it."""

import re
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from receiver.errors import ConfigError, ReceiverError, SchemaTooNew, StoreBusy, StoreUnavailable
from receiver.events import SUBMISSION
from receiver.store import open_store, sql, sqlite_path
from receiver.store.records import Query
from receiver.store.sql import claims, due, lists, loads, order
from receiver.store.sql.rows import dump
from receiver.store.sql.scripts import scripts
from receiver.store.sqlite.store import SqliteStore
from receiver.store.sqlite.writer import FileWriter
from tests.contracts.store_kit import Clock, Ids, a_submission, keep, running


def a_store(path: Path, *, exclusive: bool = True) -> SqliteStore:
    return SqliteStore(path, Clock(), Ids(), exclusive=exclusive)


async def test_a_second_server_on_the_same_file_is_refused(tmp_path: Path) -> None:
    first, second = a_store(tmp_path / "a.db"), a_store(tmp_path / "a.db")
    says = rf"Another `receiver serve` runs on {re.escape(str(tmp_path))}/a\.db"
    async with running(first):
        with pytest.raises(StoreBusy, match=says):
            async with running(second):
                pass
    async with running(second):
        assert await second.migrate() == len(scripts("sqlite"))


async def test_a_command_works_beside_a_running_server(tmp_path: Path) -> None:
    server, command = a_store(tmp_path / "a.db"), a_store(tmp_path / "a.db", exclusive=False)
    await server.migrate()
    async with running(server), running(command):
        submission = a_submission()
        await command.change(submission, keep)
        assert await server.submission(submission.id) == submission


async def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    store = a_store(tmp_path / "new" / "deep" / "a.db")
    assert await store.migrate() == len(scripts("sqlite"))
    assert (tmp_path / "new" / "deep" / "a.db").exists()


def _a_folder(path: Path) -> None:
    path.mkdir()


def _text(path: Path) -> None:
    path.write_text("not a database, but long enough to be read as one " * 20)


def _in_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("a file where a folder should be")


def _newer(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()


@pytest.mark.parametrize(
    ("spoil", "error", "says"),
    [
        pytest.param(_a_folder, StoreUnavailable, "is a folder: name a file", id="folder"),
        pytest.param(_text, StoreUnavailable, "is not a SQLite database: move it away", id="text"),
        pytest.param(_in_a_file, StoreUnavailable, "can't be made", id="parent"),
        pytest.param(_newer, SchemaTooNew, "newer version .schema 99", id="newer"),
    ],
)
async def test_a_file_that_cannot_be_used_says_what_to_do(
    tmp_path: Path, spoil: object, error: type[ReceiverError], says: str
) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "a.db"
    assert callable(spoil)
    spoil(path)
    with pytest.raises(error, match=says):
        async with running(a_store(path)):
            pass
    with pytest.raises(error, match=says):
        await a_store(path).migrate()


async def test_a_newer_schema_that_runs_with_ours_is_used(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = a_store(path)
    await store.migrate()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
        db.execute("UPDATE meta SET value = ? WHERE name = 'schema_runs_with'", (scripts("sqlite")[-1].number,))
    db.close()
    async with running(store):
        assert await store.migrate() == 0
        await store.ping()


async def test_a_database_of_the_first_version_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = a_store(tmp_path / "a.db")
    every = scripts("sqlite")
    with monkeypatch.context() as first:
        first.setattr(sql.scripts, "scripts", lambda _: every[:1])
        await store.migrate()
    kept = replace(a_submission(), labels={"mood": "calm"})
    with sqlite3.connect(tmp_path / "a.db") as db:
        row = (kept.id, kept.provider, kept.stage, 1, "", dump(SUBMISSION, kept))
        db.execute(
            "INSERT INTO submissions (id, provider, stage, created_at, search, doc) VALUES (?, ?, ?, ?, ?, ?)", row
        )
    db.close()
    assert await store.migrate() == len(every) - 1
    async with running(store):
        assert await store.submission(kept.id) == kept
        assert (await store.submissions(Query(labels={"mood": "calm"}))).data == [kept]


async def test_the_version_before_still_runs_on_a_schema_that_only_grew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = a_store(tmp_path / "a.db")
    await store.migrate()
    first = scripts("sqlite")[:1]
    monkeypatch.setattr(sql.scripts, "scripts", lambda _: first)
    async with running(store):
        kept = await store.add(a_submission())
        assert await store.submission(kept.id) == kept


async def test_a_refused_open_lets_go_of_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    _newer(path)
    with pytest.raises(SchemaTooNew):
        async with running(a_store(path)):
            pass
    path.unlink()
    async with running(a_store(path)) as store:
        assert await store.migrate() == len(scripts("sqlite"))


async def test_a_database_that_was_not_migrated_says_so(tmp_path: Path) -> None:
    async with running(a_store(tmp_path / "a.db")) as store:
        with pytest.raises(StoreUnavailable, match="run `receiver migrate`"):
            await store.change(a_submission(), keep)
        with pytest.raises(StoreUnavailable, match="run `receiver migrate`"):
            await store.events(Query())


async def test_a_closed_store_refuses(tmp_path: Path) -> None:
    store = a_store(tmp_path / "a.db")
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.ping()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.counts()


async def test_every_commit_waits_for_the_disk(tmp_path: Path) -> None:
    store = a_store(tmp_path / "a.db")
    async with running(store):
        writer = store._writer
        assert isinstance(writer, FileWriter)
        db = writer._db
        assert db is not None
        assert [row[0] for row in await db.execute_fetchall("PRAGMA journal_mode")] == ["wal"]
        assert [row[0] for row in await db.execute_fetchall("PRAGMA synchronous")] == [2]


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///data/receiver.db", "data/receiver.db"),
        ("sqlite:////var/lib/r.db", "/var/lib/r.db"),
        ("sqlite:///a%20b.db", "a b.db"),
    ],
)
def test_a_url_names_a_file(url: str, path: str) -> None:
    assert sqlite_path(url) == Path(path)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///a.db?mode=ro",
        "sqlite://a.db",
        "mysql://u:hush@h",
    ],
)
def test_a_url_of_no_store_is_a_mistake_that_shows_no_secret(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(url, Clock(), Ids())
    assert str(caught.value).startswith("database: ")
    assert "hush" not in str(caught.value)


def _plan(path: Path, sql: str, values: tuple[Any, ...] | dict[str, Any]) -> list[str]:
    db = sqlite3.connect(path)
    try:
        return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    finally:
        db.close()


@pytest.mark.parametrize(
    ("sql", "values", "index"),
    [
        pytest.param(claims.due_of(2), ("a", 1, 9, "b", 1, 9), "deliveries_due (handler=?", id="due"),
        pytest.param(claims._PUT_OFF, {"until": "{}", "now": 1}, "deliveries_due (handler=?", id="quiet"),
        pytest.param(claims._TO_HAND_ON, {"fallbacks": "{}", "since": 1}, "deliveries_to_hand_on", id="fallback"),
        pytest.param(
            order._SUPERSEDE, {"ids": "[]", "even_if_over": 0}, "sqlite_autoindex_deliveries_1 (id=?", id="superseded"
        ),
        pytest.param(due.PENDING, (), "deliveries_due (handler=?", id="next-due"),
        pytest.param(lists.UNROUTED, (5,), "events_to_route", id="outbox"),
        pytest.param(loads.LEASED, ("[]", "me"), "sqlite_autoindex_deliveries_1 (id=?", id="leased"),
        pytest.param(loads.RECEIPTS, ("[]",), "deliveries_2 (event_id=? AND handler=?)", id="receipts"),
        pytest.param(loads.FILES, ("[]",), "files_by_submission (submission_id=?)", id="files"),
        pytest.param(lists.UNDELIVERED, (1, "[]", 5), "events_by_delivery (delivery_id=?)", id="expiring"),
    ],
)
async def test_a_long_queue_is_not_scanned(
    tmp_path: Path, sql: str, values: tuple[Any, ...] | dict[str, Any], index: str
) -> None:
    path = tmp_path / "a.db"
    await a_store(path).migrate()
    steps = _plan(path, sql, values)
    assert any(index in step for step in steps)
    assert not [step for step in steps if re.match(r"SCAN (d|x|e|r)\b(?!.*USING)", step)]
