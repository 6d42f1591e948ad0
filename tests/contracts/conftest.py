"""Every store, opened on a fresh database, with a clock that stands still."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.store import open_store
from receiver.store.base import Store
from tests.contracts.store_kit import Clock, Ids


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    return f"sqlite:///{tmp_path}/receiver.db"


@pytest.fixture
async def store(store_url: str, clock: Clock) -> AsyncIterator[Store]:
    opened = open_store(store_url, clock, Ids())
    await opened.migrate()
    await opened.open()
    yield opened
    await opened.close()
