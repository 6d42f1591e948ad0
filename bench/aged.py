"""Songs of long ago, in bulk: one is made through the store as it comes, and its rows are written again and again."""

import asyncio
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg

from bench.seeds import callbacks, intake, operation, sqlite
from receiver.events import new_id, utc_now
from receiver.routing import Plan
from receiver.store.records import Delivered, Terms
from receiver.store.sqlite.store import SqliteStore

# Of one song: three bodies, three events, two deliveries with an attempt each. Its submission stays.
ROWS = 10
_PLANS = (Plan(handler="lines"), Plan(handler="archive"))
_TABLES = ("submissions", "callbacks", "events", "deliveries", "attempts")
_FLAGS = frozenset({"stop", "probe", "bare", "handed_on"})
_NUMBERED = frozenset({"seq"})  # by the database
_AT_ONCE = 2000
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Model:
    """The rows of a song by table, and the ids that another one has in their place."""

    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    ids: Sequence[str]


def fill(url: str, songs: int, oldest: timedelta, youngest: timedelta) -> None:
    """So many songs, evenly from `oldest` to `youngest`, into a database that is migrated and that nobody uses."""
    model = asyncio.run(_model())
    if url.startswith("sqlite:"):
        _into_file(Path(url.removeprefix("sqlite:///")), model, songs, (oldest, youngest))
    else:
        asyncio.run(_into_server(url, model, songs, (oldest, youngest)))


async def _model() -> _Model:
    with TemporaryDirectory() as place:
        path = Path(place) / "model.db"
        store = sqlite(path)
        await store.migrate()
        await store.open()
        try:
            ids = await _live(store)
        finally:
            await store.close()
        with closing(sqlite3.connect(path)) as db:
            db.row_factory = sqlite3.Row
            rows = {table: [dict(row) for row in db.execute(f"SELECT * FROM {table}")] for table in _TABLES}
    found = [row["id"] for table in _TABLES[:-1] for row in rows[table]]
    return _Model(rows, [*found, ids])


async def _live(store: SqliteStore) -> str:
    """One song, as it comes; its task id."""
    door, task = intake(store), os.urandom(16).hex()
    submission = await store.add(door.expect("suno", operation()))
    for body in callbacks(task):
        await door.receive(submission.id, {"content-type": "application/json"}, body)
    await store.route([(event, _PLANS if event.stage == "complete" else ()) for event in await store.unrouted(9)])
    terms = {plan.handler: Terms(concurrency=9) for plan in _PLANS}
    for claim in await store.claim("bench", _HOUR, terms, 9):
        await store.end(claim, Delivered())
    return task


def _songs(model: _Model, songs: int, ages: tuple[timedelta, timedelta]) -> Iterator[dict[str, list[tuple[Any, ...]]]]:
    """Rows of many songs at once, by table."""
    now, (oldest, youngest) = utc_now(), ages
    begun = 0
    while begun < songs:
        many: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _TABLES}
        for number in range(begun, min(begun + _AT_ONCE, songs)):
            age = oldest - (oldest - youngest) * (number / songs)
            words = {ident: _another(ident, now - age) for ident in model.ids}
            for table, rows in model.rows.items():
                many[table] += [tuple(_aged(row, words, age // timedelta(microseconds=1))) for row in rows]
        begun += _AT_ONCE
        yield many


def _another(ident: str, moment: Any) -> str:
    prefix, _, rest = ident.rpartition("_")
    return new_id(prefix, moment, os.urandom(10)) if prefix else os.urandom(len(rest) // 2).hex()


def _aged(row: Mapping[str, Any], words: Mapping[str, str], age: int) -> Iterator[Any]:
    for name, value in row.items():
        if name in _NUMBERED:
            continue
        if name in _FLAGS:
            yield bool(value)
        elif name.endswith("_at") and value is not None:
            yield value - age
        elif isinstance(value, str):
            yield _replaced(value, words)
        elif isinstance(value, bytes):
            yield _replaced(value.decode(), words).encode()
        else:
            yield value


def _replaced(text: str, words: Mapping[str, str]) -> str:
    for old, new in words.items():
        text = text.replace(old, new)
    return text


def _columns(model: _Model, table: str) -> list[str]:
    return [name for name in model.rows[table][0] if name not in _NUMBERED]


def _into_file(path: Path, model: _Model, songs: int, ages: tuple[timedelta, timedelta]) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA synchronous = OFF")
        for many in _songs(model, songs, ages):
            for table, rows in many.items():
                columns = _columns(model, table)
                marks = ", ".join("?" * len(columns))
                db.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)
            db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def _into_server(url: str, model: _Model, songs: int, ages: tuple[timedelta, timedelta]) -> None:
    db = await asyncpg.connect(url, server_settings={"search_path": "receiver", "synchronous_commit": "off"})
    try:
        for many in _songs(model, songs, ages):
            for table, rows in many.items():
                await db.copy_records_to_table(table, records=rows, columns=_columns(model, table))
    finally:
        await db.close()
