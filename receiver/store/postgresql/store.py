"""The store in PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import datetime
from functools import partial
from typing import TypeVar

from receiver.events import Event
from receiver.store.postgresql import schema
from receiver.store.postgresql.clock import DatabaseClock
from receiver.store.postgresql.connections import Connection, Pool, connect
from receiver.store.postgresql.faults import OF_THE_DATABASE, unavailable
from receiver.store.postgresql.line import Line
from receiver.store.postgresql.reader import SharedReader
from receiver.store.postgresql.writer import SharedWriter
from receiver.store.records import Query
from receiver.store.sql.lists import CommitOrder
from receiver.store.sql.rows import micros
from receiver.store.sql.store import SqlStore
from receiver.store.sql.turn import Ring
from receiver.store.urls import shown_database

T = TypeVar("T")

# An event whose transaction is committed while an earlier one is under way is told a moment later: so many seconds. Who
# holds it up for longer is a stranger in the same server, and the slow look of whoever follows is soon enough.
_MOMENTS = (0.02, 0.04, 0.08, 0.16, 0.32)

_SETTLED = "e.xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_UNSETTLED = f"SELECT e.id FROM events AS e WHERE NOT {_SETTLED} LIMIT 1"  # noqa: S608 - constants


class PostgresStore(SqlStore):
    """`now` replaces the database's clock."""

    commit_order = CommitOrder(("xid", "seq"), settled=_SETTLED)

    def __init__(self, url: str, now: Callable[[], datetime] | None, new_id: Callable[[str], str]) -> None:
        self._url = url
        self._clock = DatabaseClock()
        clock = now or self._clock
        self._pool = Pool(url, self._clock.ask)
        # Nobody waits for the disk because of a ring.
        self._line = Line(partial(connect, url, synchronous_commit="off"), self._clock.ask, self._heard)
        self._writing = SharedWriter(self._pool, lambda: micros(clock()), self._tell)
        super().__init__(self._writing, SharedReader(self._pool, 2), SharedReader(self._pool, 1), clock, new_id)

    async def open(self) -> None:
        try:
            await self._alone(schema.check)
            await self._pool.open()
            await self._line.open()
        except OF_THE_DATABASE as error:
            await self.close()
            raise unavailable(shown_database(self._url), error) from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        await self._writing.close()
        await self._line.close()
        await self._pool.close()

    async def migrate(self) -> int:
        return await self._alone(schema.migrate)

    async def missing(self) -> int:
        return await self._alone(schema.missing)

    async def leads(self, task: str) -> bool:
        return await self._line.holds(f"receiver task {task}")

    async def abandon(self, owner: str | None = None, holding: Collection[str] = ()) -> int:
        # Others may live: their leases are theirs.
        return await super().abandon(owner, holding) if owner is not None else 0

    async def events_after(self, event_id: str | None, query: Query) -> list[Event]:
        for moment in _MOMENTS:
            found = await super().events_after(event_id, query)
            if found or not await self._searcher.rows(_UNSETTLED):
                return found
            await asyncio.sleep(moment)
        return await super().events_after(event_id, query)

    async def _alone(self, do: Callable[[Connection, str], Awaitable[T]]) -> T:
        """On a connection of its own, which is closed afterwards."""
        where = shown_database(self._url)
        try:
            connection = await connect(self._url)
        except OF_THE_DATABASE as error:
            raise unavailable(where, error) from error
        try:
            await self._clock.ask(connection)
            return await do(connection, where)
        except OF_THE_DATABASE as error:
            raise unavailable(where, error) from error
        finally:
            connection.terminate()

    def _tell(self, ring: Ring) -> None:
        self._ring(ring)
        self._line.tell(ring)

    def _heard(self, words: Iterable[str] | None) -> None:
        for ring in Ring if words is None else [ring for ring in Ring if ring in words]:
            self._ring(ring)
