"""Reads on connections of the pool."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from receiver.store.postgresql.connections import PATIENCE, Pool
from receiver.store.postgresql.dialect import bind
from receiver.store.postgresql.faults import OF_THE_DATABASE
from receiver.store.sql.turn import Row


class SharedReader:
    """At most `most` statements at once: what may take long leaves connections for the rest.

    PATIENCE counts from when it was asked: behind a database that hangs nobody queues for long.
    """

    def __init__(self, pool: Pool, most: int) -> None:
        self._pool = pool
        self._room = asyncio.Semaphore(most)

    async def rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Sequence[Row]:
        """Raises StoreUnavailable."""
        text, values = bind(sql, parameters)
        try:
            async with asyncio.timeout(PATIENCE), self._room, self._pool.borrow() as connection:
                return await connection.fetch(text, *values)
        except OF_THE_DATABASE as error:
            raise self._pool.failed(error) from error
