"""The bounds on kept bodies in the SQLite store."""

import sqlite3
from pathlib import Path

import pytest

from receiver.store.sql import submissions
from receiver.store.sqlite.store import SqliteStore
from tests.contracts.store_kit import Clock, Ids, a_callback, keep, running, stored


@pytest.mark.parametrize(
    ("bound", "value"),
    [pytest.param("MOST_BODIES", 2, id="bodies"), pytest.param("MOST_BYTES", 11, id="bytes")],
)
async def test_past_the_bounds_bodies_are_counted_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(submissions, bound, value)
    store = SqliteStore(tmp_path / "a.db", Clock(), Ids())
    await store.migrate()
    async with running(store):
        known = await stored(store)
        for body in (b"body1", b"body2", b"body3", b"body3", b"body1"):
            await store.change(known.id, keep, a_callback(body))
    db = sqlite3.connect(tmp_path / "a.db")
    assert db.execute("SELECT body, count FROM callbacks ORDER BY id").fetchall() == [(b"body1", 2), (b"body2", 1)]
    counted = db.execute("SELECT callbacks, callback_bytes, callbacks_dropped FROM submissions").fetchall()
    db.close()
    assert counted == [(2, 10, 2)]


def test_the_bounds_are_those_that_are_promised() -> None:
    assert (submissions.MOST_BODIES, submissions.MOST_BYTES) == (100, 64 * 1024 * 1024)
