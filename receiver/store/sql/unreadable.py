"""Rows that this version can't read: told once, and left out, so that the rest goes on."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from receiver.errors import StoreUnavailable
from receiver.store.sql.turn import Row

T = TypeVar("T")

# Bodies of more bytes than this are parsed in a thread: the loop has callbacks to answer meanwhile.
_LARGE = 256 * 1024

_log = logging.getLogger(__name__)


class Unreadable:
    """Knows which rows were told of, so that a list that is looked at often says it once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def leave_out(self, rows: Sequence[Row], read: Callable[[Row], T]) -> list[T]:
        """What could be read, in order; `read` raises StoreUnavailable for what can't be."""
        found = []
        for row in rows:
            try:
                found.append(read(row))
            except StoreUnavailable as error:
                self._tell(row["id"], error)
        return found

    async def leave_out_large(self, rows: Sequence[Row], read: Callable[[Row], T]) -> list[T]:
        """The same for rows with a `body`."""
        if sum(len(row["body"] or b"") for row in rows) > _LARGE:
            return await asyncio.to_thread(self.leave_out, rows, read)
        return self.leave_out(rows, read)

    def _tell(self, ident: str, error: StoreUnavailable) -> None:
        if ident not in self._told:
            self._told.add(ident)
            _log.error("left out: %s", error)
