"""The store speaks TLS as its URL says."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.errors import StoreUnavailable
from receiver.store import open_store
from receiver.store.base import Store
from tests.support.certificates import issue, server_context
from tests.support.postgresql import PASSWORD, Cluster
from tests.support.postgresql_tls import TlsFront, tls_front


@pytest.fixture
async def front(postgresql: Cluster, tmp_path: Path) -> AsyncIterator[TlsFront]:
    async with tls_front(postgresql.port, server_context(issue(), tmp_path)) as made:
        yield made


@pytest.fixture
def plain_url(postgresql_url: str, postgresql: Cluster, front: TlsFront) -> str:
    return postgresql_url.replace(f":{postgresql.port}/", f":{front.port}/")


def store_at(url: str) -> Store:
    numbers = itertools.count()
    return open_store(url, None, lambda prefix: f"{prefix}_{next(numbers)}")


def trusting(authority: bytes, folder: Path) -> str:
    path = folder / "authority.pem"
    path.write_bytes(authority)
    return f"sslmode=verify-full&sslrootcert={path}"


async def test_a_store_trusts_the_authority_that_its_url_names(plain_url: str, front: TlsFront, tmp_path: Path) -> None:
    store = store_at(f"{plain_url}?{trusting(issue().authority, tmp_path)}")
    await store.migrate()
    await store.open()
    await store.ping()
    await store.close()
    assert (front.encrypted > 1, front.refused) == (True, 0)


async def test_a_store_that_requires_tls_gets_it(plain_url: str, front: TlsFront) -> None:
    assert await store_at(f"{plain_url}?sslmode=require").migrate() > 0
    assert (front.encrypted > 0, front.refused) == (True, 0)


async def test_another_authority_is_refused_and_nothing_is_told_of_the_password(plain_url: str, tmp_path: Path) -> None:
    store = store_at(f"{plain_url}?{trusting(issue('127.0.0.2').authority, tmp_path)}")
    with pytest.raises(StoreUnavailable, match="certificate") as refused:
        await store.open()
    assert PASSWORD not in str(refused.value)


async def test_a_server_without_tls_is_refused_where_it_is_required(postgresql_url: str) -> None:
    with pytest.raises(StoreUnavailable):
        await store_at(f"{postgresql_url}?sslmode=require").open()
