"""What tests of any folder may ask for."""

from collections.abc import Iterator

import pytest

from tests.support.postgresql import Cluster, fresh_database, running


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """One server for each process of the test run, started by the first test that asks; it forgets when killed."""
    with running() as cluster:
        yield cluster


@pytest.fixture
def postgresql_url(postgresql: Cluster) -> Iterator[str]:
    """An empty database of the test's own."""
    with fresh_database(postgresql) as url:
        yield url
