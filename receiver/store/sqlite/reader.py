"""A connection that only reads: it waits for no writer."""

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import aiosqlite

from receiver.errors import StoreUnavailable


class FileReader:
    """`failed` words an error of the database."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[aiosqlite.Connection]],
        failed: Callable[[Exception], StoreUnavailable],
    ) -> None:
        self._connect = connect
        self._failed = failed
        self._db: aiosqlite.Connection | None = None

    async def open(self) -> None:
        self._db = await self._connect()

    async def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with suppress(sqlite3.Error):
                await db.close()

    async def rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[sqlite3.Row]:
        """Raises StoreUnavailable."""
        if self._db is None:
            raise StoreUnavailable("The store is closed: this process is starting or stopping.")
        try:
            return list(await self._db.execute_fetchall(sql, parameters))
        except sqlite3.Error as error:
            raise self._failed(error) from error
