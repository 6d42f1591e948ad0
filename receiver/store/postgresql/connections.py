"""Connections: how one is made, and a few that are shared."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg

from receiver.errors import StoreUnavailable
from receiver.store.postgresql.faults import unavailable
from receiver.store.urls import shown_database

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Borrowed: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

SCHEMA = "receiver"
# Small plans of hosts allow twenty in all: three processes then fit, each with one more that stays.
MOST = 5
# Seconds: for a new connection, and for everything that is done in one go.
CONNECT, PATIENCE = 5.0, 10.0

_SETTINGS = {
    "application_name": "receiver",
    "search_path": SCHEMA,
    # 200 means committed, whatever the server's default is.
    "synchronous_commit": "on",
    # Every statement finds its rows by an index. A plan that was made while a table was empty must not scan it later.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    # Whoever hangs, or whose machine is gone, lets go of its locks.
    "statement_timeout": "15000",
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "15000",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


_POOL: dict[str, Any] = {
    "min_size": 0,
    "max_size": MOST,
    "timeout": CONNECT,
    "command_timeout": PATIENCE,
    "max_inactive_connection_lifetime": 60,
    "max_queries": 10_000_000,
    "statement_cache_size": 500,
    "max_cached_statement_lifetime": 0,
    "server_settings": _SETTINGS,
}


async def connect(url: str, **settings: str) -> Connection:
    """A connection of its own. Raises what asyncpg does."""
    return await asyncpg.connect(url, timeout=CONNECT, command_timeout=PATIENCE, server_settings=_SETTINGS | settings)


async def _leave(_: object) -> None:
    """Whatever is set is set for a transaction alone: there is nothing to undo, and a question is saved."""


class Pool:
    """The connections of one process. It survives a restart of the server: what is broken is made anew when asked."""

    def __init__(self, url: str, greet: Callable[[Connection], Coroutine[Any, Any, None]]) -> None:
        self._url = url
        self._greet = greet
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Makes no connection yet."""
        self._pool = await asyncpg.create_pool(self._url, init=self._greet, reset=_leave, **_POOL)

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            # What is under way was awaited by whoever closes; a server that is away must not hold the stop up.
            pool.terminate()

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[Borrowed]:
        """One connection, for as long as PATIENCE at most. Raises what asyncpg does, or TimeoutError."""
        if self._pool is None:
            raise StoreUnavailable("The store is closed: this process is starting or stopping.")
        async with asyncio.timeout(PATIENCE):
            held = await self._pool.acquire()
            try:
                yield held
            except (OSError, TimeoutError, EOFError, asyncpg.InterfaceError, asyncio.CancelledError):
                # Nobody knows what it is still doing: another is quickly made.
                held.terminate()
                raise
            finally:
                await self._pool.release(held)

    def failed(self, error: BaseException) -> StoreUnavailable:
        return unavailable(shown_database(self._url), error)
