"""The database's clock, as it is read here: what it said last, and what has passed since."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

_SAYS = "SELECT clock_timestamp()"


class Asked(Protocol):
    async def fetchval(self, query: str, /) -> Any: ...


class DatabaseClock:
    """Right to half of the time that the question took. Before the first answer it is this machine's clock."""

    def __init__(self) -> None:
        self._said = datetime.now(UTC)
        self._heard = time.monotonic()

    def __call__(self) -> datetime:
        return self._said + timedelta(seconds=time.monotonic() - self._heard)

    async def ask(self, connection: Asked) -> None:
        begun = time.monotonic()
        said = await connection.fetchval(_SAYS)
        ended = time.monotonic()
        self._said, self._heard = said, (begun + ended) / 2
