"""Everything that lasts. One interface (`base`), and a store for the database that the configuration names."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

from receiver.errors import ConfigError
from receiver.store.base import Store
from receiver.store.sqlite.store import SqliteStore

_SQLITE = "sqlite:///"


def open_store(url: str, now: Callable[[], datetime], new_id: Callable[[str], str], *, exclusive: bool = True) -> Store:
    """The store that a URL names, not yet open. `new_id` makes an id from its prefix.

    `exclusive` is for the process that serves; without it one may look and write beside a running one.
    Raises ConfigError.
    """
    if url.startswith(_SQLITE):
        return SqliteStore(sqlite_path(url), now, new_id, exclusive=exclusive)
    if url.startswith(("postgresql://", "postgres://")):
        raise ConfigError(
            ["database: this version has no PostgreSQL store: name a file, as in sqlite:///data/receiver.db"]
        )
    raise ConfigError(["database: not a database that is known: write sqlite:///data/receiver.db"])


def sqlite_path(url: str) -> Path:
    """The file of `sqlite:///relative.db` or `sqlite:////absolute.db`. Raises ConfigError."""
    name = unquote(url.removeprefix(_SQLITE))
    if not name or name == ":memory:" or "?" in name or "\0" in name:
        raise ConfigError(["database: SQLite needs the name of a file and no options: sqlite:///data/receiver.db"])
    return Path(name)
