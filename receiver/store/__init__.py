"""Everything that lasts. One interface (`base`), and a store for the database that the configuration names."""

from collections.abc import Callable
from datetime import datetime

from receiver.errors import ConfigError
from receiver.events import utc_now
from receiver.store.base import Store
from receiver.store.sqlite.store import SqliteStore
from receiver.store.urls import (
    POSTGRESQL,
    SQLITE,
    client_url,
    database_folder,
    database_secrets,
    shown_database,
    sqlite_path,
)

__all__ = ["Store", "database_folder", "database_secrets", "open_store", "shown_database", "sqlite_path"]


def open_store(
    url: str, now: Callable[[], datetime] | None, new_id: Callable[[str], str], *, exclusive: bool = True
) -> Store:
    """The store that a URL names, not yet open. `new_id` makes an id from its prefix.

    `now` replaces the clock of the database. `exclusive` is for the process that serves from a file; without it one may
    look and write beside a running one. Raises ConfigError.
    """
    if url.startswith(SQLITE):
        return SqliteStore(sqlite_path(url), now or utc_now, new_id, exclusive=exclusive)
    if url.startswith(POSTGRESQL):
        return _postgres(url, now, new_id)
    raise ConfigError(["database: not a database that is known: write sqlite:///data/receiver.db"])


def _postgres(url: str, now: Callable[[], datetime] | None, new_id: Callable[[str], str]) -> Store:
    try:
        from receiver.store.postgresql.store import PostgresStore  # noqa: PLC0415 - its client is an extra
    except ImportError as error:
        if error.name != "asyncpg":
            raise
        raise ConfigError(["database: PostgreSQL needs an extra: pip install 'suno-receiver[postgres]'"]) from None
    return PostgresStore(client_url(url), now, new_id)
