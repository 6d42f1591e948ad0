"""What the URL of a database says: where it lies, what may be shown of it, and what may not."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from receiver.errors import ConfigError

SQLITE = "sqlite:///"
POSTGRESQL = ("postgresql://", "postgres://")

# Hosts write them for libpq into the addresses that they give; to our client they would be settings of the server.
_OF_LIBPQ = re.compile(r"(?:channel_binding|connect_timeout|keepalives\w*|tcp_user_timeout|gssencmode|sslsni)=.*")
_PASSWORD_IN_OPTIONS = re.compile(r"[?&](?:ssl)?password=([^&]*)")


def sqlite_path(url: str) -> Path:
    """The file of `sqlite:///relative.db` or `sqlite:////absolute.db`. Raises ConfigError."""
    name = unquote(url.removeprefix(SQLITE))
    if not name or name == ":memory:" or "?" in name or "\0" in name:
        raise ConfigError(["database: SQLite needs the name of a file and no options: sqlite:///data/receiver.db"])
    return Path(name)


def database_folder(url: str) -> Path | None:
    """Where the file of a database lies that is this machine's; None where it is a server's. Raises ConfigError."""
    return sqlite_path(url).parent if url.startswith(SQLITE) else None


def client_url(url: str) -> str:
    """The address without the options that our client does not know."""
    address, _, options = url.partition("?")
    kept = "&".join(option for option in options.split("&") if _OF_LIBPQ.fullmatch(option) is None)
    return f"{address}?{kept}" if kept else address


def shown_database(url: str) -> str:
    """What a user is told of it: the path of its file, or the server and the name, never the password."""
    if url.startswith(SQLITE):
        return str(sqlite_path(url).absolute())
    parts = urlsplit(url)
    return f"PostgreSQL at {parts.netloc.rpartition('@')[2] or 'the local socket'}{parts.path}"


def database_secrets(url: str) -> tuple[str, ...]:
    """What must not be shown of it: its passwords, as they are written and as they are."""
    if url.startswith(SQLITE):
        return ()
    given = [urlsplit(url).netloc.rpartition("@")[0].partition(":")[2], *_PASSWORD_IN_OPTIONS.findall(url)]
    return tuple({text for password in given if password for text in (password, unquote(password))})
