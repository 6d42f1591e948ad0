"""What is wrong with a PostgreSQL is told in one sentence that says what to do and shows no password."""

import re
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from receiver.errors import ConfigError, StoreUnavailable
from receiver.store import open_store
from receiver.store.postgresql.faults import unavailable
from tests.contracts.store_kit import Ids, running
from tests.support.certificates import issue, server_context
from tests.support.postgresql import PASSWORD, Cluster
from tests.support.postgresql_tls import tls_front


def _but(url: str, **parts: str) -> str:
    return urlunsplit(urlsplit(url)._replace(**parts))


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Bound and not listened on: whoever connects is refused."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


async def _says(url: str) -> str:
    with pytest.raises(StoreUnavailable) as caught:
        async with running(open_store(url, None, Ids())):
            pass
    said = str(caught.value)
    assert PASSWORD not in said
    assert "hush" not in said
    return said


async def test_a_wrong_password(postgresql_url: str) -> None:
    parts = urlsplit(postgresql_url)
    said = await _says(_but(postgresql_url, netloc=f"receiver:hush@{parts.hostname}:{parts.port}"))
    assert re.fullmatch(r"PostgreSQL at 127\.0\.0\.1:\d+/\w+ refuses the user or the password: check .*\.", said)


async def test_no_such_database(postgresql_url: str) -> None:
    assert "has no database of this name: create it" in await _says(_but(postgresql_url, path="/nobodys"))


async def test_nobody_listens(closed_port: int) -> None:
    assert "refuses the connection" in await _says(f"postgres://u:hush@127.0.0.1:{closed_port}/d")


async def test_tls_is_used_and_checked(postgresql: Cluster, postgresql_url: str, tmp_path: Path) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_bytes(issue().authority)
    (tmp_path / "other.pem").write_bytes(issue("127.0.0.2").authority)
    async with tls_front(postgresql.port, server_context(issue(), tmp_path)) as front:
        name = postgresql_url.rpartition("/")[2]
        url = postgresql.url(name, port=front.port, options=f"sslmode=verify-full&sslrootcert={authority}")
        store = open_store(url.replace("postgresql://", "postgres://"), None, Ids())
        assert await store.migrate() > 0
        async with running(store):
            await store.ping()
        assert "certificate that is not trusted" in await _says(url.replace("authority.pem", "other.pem"))
    assert front.encrypted > 1
    assert front.refused == 0
    assert "offers no TLS" in await _says(postgresql.url(name, options="sslmode=require"))


async def test_a_database_that_was_not_migrated(postgresql_url: str) -> None:
    async with running(open_store(postgresql_url, None, Ids())) as store:
        for call in (store.counts(), store.ping()):
            with pytest.raises(StoreUnavailable, match="has not been migrated: run `receiver migrate`"):
                await call


async def test_a_closed_store_refuses(postgresql_url: str) -> None:
    store = open_store(postgresql_url, None, Ids())
    for call in (store.counts, store.ping):
        with pytest.raises(StoreUnavailable, match="closed"):
            await call()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (asyncpg.DiskFullError("x"), "has no room left on its disk"),
        (asyncpg.TooManyConnectionsError("x"), "has no connection left"),
        (asyncpg.ReadOnlySQLTransactionError("x"), "is a standby"),
        (asyncpg.CannotConnectNowError("x"), "is starting or stopping"),
        (asyncpg.ConnectionDoesNotExistError("x"), "has closed the connection"),
        (asyncpg.InsufficientPrivilegeError("x"), "make it the owner"),
        (TimeoutError(), "does not answer in time"),
        (OSError(113, "No route"), "can't be reached"),
        (asyncpg.UniqueViolationError("Key (id)=(secret-value) already exists"), "(23505): see its log"),
    ],
)
def test_errors_have_a_remedy(error: Exception, says: str) -> None:
    said = str(unavailable("PostgreSQL at h/d", error))
    assert said.startswith("PostgreSQL at h/d ")
    assert says in said
    assert "secret-value" not in said


def test_without_its_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("receiver.store.postgresql")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(ConfigError, match=re.escape("pip install 'suno-receiver[postgres]'")):
        open_store("postgresql://u:hush@h/d", None, Ids())
