"""The store in one SQLite file."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from receiver.store.sql.lists import CommitOrder
from receiver.store.sql.rows import micros
from receiver.store.sql.store import SqlStore
from receiver.store.sql.turn import Turn, each
from receiver.store.sqlite import file
from receiver.store.sqlite.reader import FileReader
from receiver.store.sqlite.writer import FileWriter


class SqliteStore(SqlStore):
    """`exclusive` is for the one process that serves: it holds the lock file. Others may work beside it."""

    commit_order = CommitOrder(("seq",))

    def __init__(
        self, path: Path, now: Callable[[], datetime], new_id: Callable[[str], str], *, exclusive: bool = True
    ) -> None:
        self._path = path
        self._lock = file.Lock(path) if exclusive else None
        failed = partial(file.unavailable, path)
        connect = partial(file.connect, path)
        self._parts = (
            FileWriter(connect, lambda: micros(now()), failed, self._ring),
            FileReader(connect, failed),
            FileReader(connect, failed),
        )
        super().__init__(*self._parts, now, new_id)

    async def open(self) -> None:
        file.prepare(self._path)
        if self._lock is not None:
            self._lock.take()
        try:
            for part in self._parts:
                await part.open()
            await self._writer.run(_CHECK, self._path)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        for part in self._parts:
            await part.close()
        if self._lock is not None:
            self._lock.release()

    async def migrate(self) -> int:
        file.prepare(self._path)
        return await file.migrate(self._path)

    async def missing(self) -> int:
        return await self._writer.run(_MISSING, None)

    async def leads(self, task: str) -> bool:
        """Always: whoever serves holds the lock file."""
        return True


async def _check(turn: Turn, path: Path) -> None:
    """Inside a transaction, so that a file that can't be written is found before the first callback comes."""
    await file.check_version(turn.rows, path)


async def _missing(turn: Turn, _: None) -> int:
    return await file.missing(turn.rows)


_CHECK, _MISSING = each(_check), each(_missing)
