"""A copy of the file at one moment, while others write it."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from receiver.errors import StoreUnavailable
from receiver.store.sqlite import backup
from receiver.store.sqlite.backup import copy

_ROWS = "SELECT count(*), total(number) FROM rows"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """Held open in WAL mode, as by a running receiver; several times as large as what is copied in one step."""
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE rows (number INTEGER, filling BLOB)")
        db.executemany("INSERT INTO rows VALUES (?, ?)", [(number, bytes(100_000)) for number in range(200)])
        db.commit()
        yield path


def ignore(done: int, total: int) -> None:
    pass


def test_somebody_who_writes_all_the_time_does_not_make_it_begin_anew(database: Path, tmp_path: Path) -> None:
    steps: list[int] = []

    def write(done: int, total: int) -> None:
        steps.append(done)
        with closing(sqlite3.connect(database)) as db, db:
            db.execute("INSERT INTO rows VALUES (1, x'')")

    target = tmp_path / "copy.db"
    copy(database, target, write)
    assert len(steps) > 3
    assert steps == sorted(steps)
    with closing(sqlite3.connect(target)) as db:
        assert db.execute(_ROWS).fetchone() == (200, sum(range(200)))
    with closing(sqlite3.connect(database)) as db:
        assert db.execute(_ROWS).fetchone()[0] == 200 + len(steps)


def test_a_writer_does_not_wait_for_it(database: Path, tmp_path: Path) -> None:
    begun, written = threading.Event(), threading.Event()

    def wait(done: int, total: int) -> None:
        begun.set()
        assert written.wait(20)

    thread = threading.Thread(target=copy, args=(database, tmp_path / "copy.db", wait))
    thread.start()
    assert begun.wait(20)
    with closing(sqlite3.connect(database, timeout=0)) as db, db:
        db.execute("DELETE FROM rows WHERE number > 100")
    written.set()
    thread.join(60)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as db:
        assert db.execute(_ROWS).fetchone()[0] == 200


def test_what_is_broken_off_leaves_nothing(database: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())

    def stop(done: int, total: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        copy(database, tmp_path / "copy.db", stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_copy_that_is_damaged_is_not_kept(database: Path, tmp_path: Path) -> None:
    fill = backup._fill

    def spoil(source: Path, part: Path, tell: backup.Tell) -> None:
        fill(source, part, tell)
        with part.open("r+b") as file:
            file.seek(part.stat().st_size // 2)
            file.write(b"\xff" * 8192)

    before = sorted(path.name for path in tmp_path.iterdir())
    with patch.object(backup, "_fill", spoil), pytest.raises(StoreUnavailable, match="The copy is damaged"):
        copy(database, tmp_path / "copy.db", ignore)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("not a database, but long enough to be read as one " * 20)
    with pytest.raises(StoreUnavailable, match="could not be copied"):
        copy(tmp_path / "a.db", tmp_path / "copy.db", ignore)
    assert not (tmp_path / "copy.db").exists()


def test_a_name_of_any_form_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "what? 50% #1.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE rows (number INTEGER)")
    copy(path, tmp_path / "a ?copy%.db", ignore)
    with closing(sqlite3.connect(tmp_path / "a ?copy%.db")) as db:
        assert db.execute("SELECT count(*) FROM rows").fetchone() == (0,)
