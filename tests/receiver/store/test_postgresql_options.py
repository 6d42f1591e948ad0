"""What hosts and people write behind the ? of a database's address: used, left out, or told."""

import asyncpg
import pytest

from receiver.errors import StoreUnavailable
from receiver.store import open_store
from receiver.store.postgresql.faults import unavailable
from receiver.store.urls import client_url
from tests.contracts.store_kit import Ids, running
from tests.support.postgresql import PASSWORD

ADDRESS = "postgresql://me:secret@db.example.com/songs"
OPTIONS = [
    ("", ""),
    ("?sslmode=require", "?sslmode=require"),
    ("?sslmode=require&channel_binding=require", "?sslmode=require"),
    ("?channel_binding=require&sslmode=require", "?sslmode=require"),
    ("?connect_timeout=10&keepalives=1&keepalives_idle=30", ""),
    ("?gssencmode=disable&sslsni=1&tcp_user_timeout=9&application_name=x", "?application_name=x"),
    ("?host=/run/postgresql", "?host=/run/postgresql"),
]


@pytest.mark.parametrize(("given", "kept"), OPTIONS, ids=[row[0] or "none" for row in OPTIONS])
def test_options_for_other_clients_are_left_out(given: str, kept: str) -> None:
    assert client_url(ADDRESS + given) == ADDRESS + kept


async def test_an_address_as_hosts_give_it_connects(postgresql_url: str) -> None:
    url = f"{postgresql_url}?sslmode=prefer&channel_binding=require&connect_timeout=10"
    async with running(open_store(url, None, Ids())) as store:
        assert await store.missing()


WRONG = [
    ("pgbouncer=true", "does not know an option in `database`: take out what follows the ?"),
    ("sslmode=verify-full", "sslmode=verify-full wants sslrootcert=FILE"),
    ("sslmode=strict", "can't use these options"),
]


@pytest.mark.parametrize(("option", "expected"), WRONG, ids=[row[0] for row in WRONG])
async def test_an_option_that_can_not_be_used_is_told(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch, option: str, expected: str
) -> None:
    # No authority of whoever runs this.
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    assert issubclass(asyncpg.ClientConfigurationError, asyncpg.InterfaceError)
    with pytest.raises(StoreUnavailable) as caught:
        async with running(open_store(f"{postgresql_url}?{option}", None, Ids())):
            pass
    assert expected in str(caught.value)
    assert PASSWORD not in str(caught.value)


# What PgBouncer says in transaction mode: at once, or, told to ignore settings, at the second statement.
POOLED = [
    asyncpg.ProtocolViolationError("unsupported startup parameter: search_path"),
    asyncpg.DuplicatePreparedStatementError('prepared statement "__asyncpg_stmt_1__" already exists'),
    asyncpg.InvalidSQLStatementNameError('prepared statement "__asyncpg_stmt_1__" does not exist'),
]


@pytest.mark.parametrize("error", POOLED, ids=[type(error).__name__ for error in POOLED])
def test_a_pooler_between_is_told(error: asyncpg.PostgresError) -> None:
    assert "is behind a pooler" in str(unavailable("PostgreSQL at db.example.com/songs", error))
