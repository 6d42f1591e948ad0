"""A copy of the database file as it is at one moment, made while others read and write it."""

import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from receiver.errors import StoreUnavailable

_PAGES = 1024
_PATIENCE_S = 10.0

# How many pages are copied, and how many there are. What it raises breaks the copy off.
Tell = Callable[[int, int], None]


def copy(database: Path, target: Path, tell: Tell) -> None:
    """Copies, checks the copy, and only then gives it its name. Blocks. Raises StoreUnavailable, FileExistsError."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise StoreUnavailable(f"{target} can't be written: {error.strerror}.") from None
    os.close(handle)
    part = Path(name)
    try:
        _fill(database, part, tell)
        _check(part)
        _sync(part)
        _name(part, target)
        with suppress(OSError):  # not every file system syncs folders
            _sync(target.parent)
    finally:
        for path in (part, *(part.with_name(part.name + end) for end in ("-journal", "-wal", "-shm"))):
            path.unlink(missing_ok=True)


def _fill(database: Path, part: Path, tell: Tell) -> None:
    place = f"file:{quote(str(database.absolute()))}?mode=rw"
    try:
        source = sqlite3.connect(place, uri=True, timeout=_PATIENCE_S, isolation_level=None)
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{database} can't be read: {error}.") from None
    with closing(source), closing(sqlite3.connect(part, isolation_level=None)) as into:
        try:
            into.execute("PRAGMA synchronous = OFF")
            # One look at the file: without it the copy would begin anew whenever somebody writes.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            source.backup(into, pages=_PAGES, progress=lambda _, left, total: tell(total - left, total))
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{database} could not be copied: {error}. Nothing was kept.") from None


def _check(part: Path) -> None:
    with closing(sqlite3.connect(f"file:{quote(str(part))}?mode=ro&immutable=1", uri=True)) as db:
        try:
            said = [row[0] for row in db.execute("PRAGMA integrity_check(1)")]
        except sqlite3.Error as error:
            said = [str(error)]
    if said != ["ok"]:
        raise StoreUnavailable(f"The copy is damaged, and so may be the database: {said[0]}. Nothing was kept.")


def _name(part: Path, target: Path) -> None:
    try:
        # A rename would replace what somebody has put there meanwhile.
        target.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        part.rename(target)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
