"""The database file: opened with its settings, locked for one process, migrated; errors as sentences."""

import fcntl
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiosqlite

from receiver.errors import StoreBusy, StoreUnavailable
from receiver.store.sql import scripts
from receiver.store.sql.scripts import Script

_PRAGMAS = (
    "PRAGMA busy_timeout = 10000",
    # Only for a new file. A callback writes three rows of about 2 kB: in pages of 4096 bytes each of them spills over.
    "PRAGMA page_size = 8192",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_size_limit = 67108864",
)


async def connect(path: Path) -> aiosqlite.Connection:
    """A connection without implicit transactions. Raises StoreUnavailable."""
    db = aiosqlite.connect(path, isolation_level=None)
    try:
        await db
        for pragma in _PRAGMAS:
            await db.execute_fetchall(pragma)
    except BaseException as error:
        await db.close()
        if isinstance(error, sqlite3.Error):
            raise unavailable(path, error) from error
        raise
    db.row_factory = sqlite3.Row
    return db


_SENTENCES = {
    sqlite3.SQLITE_NOTADB: "{path} is not a SQLite database: move it away, or name another file in `database`.",
    sqlite3.SQLITE_CANTOPEN: "{path} can't be opened: its folder must exist, and be writable for this user.",
    sqlite3.SQLITE_READONLY: "{path} can't be written: make it and its folder writable for this user.",
    sqlite3.SQLITE_FULL: "The disk that holds {path} is full: free some space; nothing was written.",
    sqlite3.SQLITE_BUSY: "{path} is held by another program: end whatever writes to it for so long.",
}


def unavailable(path: Path, error: Exception) -> StoreUnavailable:
    """What an error of SQLite means, in one sentence that says what to do."""
    if isinstance(error, StoreUnavailable):
        return StoreUnavailable(*error.args)
    # The low byte is the kind, the rest says more about it.
    sentence = _SENTENCES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if sentence is None:
        return StoreUnavailable(f"{path} can't be used now ({error}): check the disk, and run `receiver migrate`.")
    return StoreUnavailable(sentence.format(path=path))


def prepare(path: Path) -> None:
    """Makes the folder. Raises StoreUnavailable where the file can't be one."""
    if path.is_dir():
        raise StoreUnavailable(f"{path} is a folder: name a file in it in `database`.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"The folder {path.parent} can't be made: {error.strerror}.") from error


class Lock:
    """Held by the one process that serves this file, and let go by the system if it dies."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._database = path
        self._handle: int | None = None

    def take(self) -> None:
        """Raises StoreBusy where another process holds it, StoreUnavailable where the file can't be made."""
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreUnavailable(f"The lock file {self._path} can't be opened: {error.strerror}.") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise StoreBusy(
                f"Another `receiver serve` runs on {self._database}: end it first, or name another file in `database`."
            ) from error
        self._handle = handle

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


_KEEP_RUNS_WITH = """
INSERT INTO meta (name, value) VALUES ('schema_runs_with', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""


_Rows = Callable[[str], Awaitable[Iterable[Any]]]


async def schema_version(rows: _Rows) -> int:
    return int(next(iter(await rows("PRAGMA user_version")))[0])


async def check_version(rows: _Rows, path: Path) -> None:
    """Raises SchemaTooNew where a newer version has changed what this one relies on."""
    found = await schema_version(rows)
    scripts.check_version("sqlite", str(path), found, await _runs_with(rows) or found)


async def missing(rows: _Rows) -> int:
    """How many scripts have not been run."""
    found = await schema_version(rows)
    return sum(script.number > found for script in scripts.scripts("sqlite"))


async def _runs_with(rows: _Rows) -> int | None:
    """The oldest schema whose version still works on this one: the last script that was run has said so."""
    try:
        kept = list(await rows("SELECT value FROM meta WHERE name = 'schema_runs_with'"))
    except sqlite3.OperationalError:  # no table of ours
        return None
    return int(kept[0][0]) if kept else None


async def migrate(path: Path) -> int:
    """Runs what is missing, each script in a transaction of its own; returns how many. Raises StoreError."""
    db = await connect(path)
    try:
        await check_version(db.execute_fetchall, path)
        return sum([await _migrate(db, script) for script in scripts.scripts("sqlite")])
    except sqlite3.Error as error:
        raise unavailable(path, error) from error
    finally:
        await db.close()


async def _migrate(db: aiosqlite.Connection, script: Script) -> bool:
    await db.execute_fetchall("BEGIN IMMEDIATE")
    try:
        # Looked at inside the transaction: two processes may migrate at the same time.
        missing = await schema_version(db.execute_fetchall) < script.number
        for statement in _statements(script.text) if missing else ():
            await db.execute_fetchall(statement)
        if missing:
            await db.execute_fetchall(_KEEP_RUNS_WITH, (str(script.runs_with),))
            await db.execute_fetchall(f"PRAGMA user_version = {script.number}")
        await db.commit()
    except BaseException:
        with suppress(sqlite3.Error):
            await db.rollback()
        raise
    return missing


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
