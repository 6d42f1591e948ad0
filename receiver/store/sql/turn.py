"""One transaction, and what is done in it, as every database offers it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol, TypeVar

A = TypeVar("A")
R = TypeVar("R")


class Ring(StrEnum):
    """Which bell rings once the transaction is on disk."""

    OUTBOX = "outbox"
    DELIVERIES = "deliveries"
    ASKS = "asks"


class Row(Protocol):
    """What a statement found, by the names of its columns."""

    def __getitem__(self, name: str, /) -> Any: ...


class Turn(Protocol):
    """One transaction. `now` is its time in microseconds, `rings` are the bells to ring after its commit.

    `alone` says that no other transaction writes meanwhile, so that there is nothing to lock.
    """

    alone: bool
    now: int
    rings: set[Ring]

    async def rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Sequence[Row]: ...

    async def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None: ...


# Writes of one kind, in the order in which they came; an answer may be an error of its own.
Op = Callable[[Turn, list[A]], Awaitable[Sequence[R | Exception]]]


def each(write: Callable[[Turn, A], Awaitable[R]]) -> Op[A, R]:
    """An op that does one write after the other."""

    async def run(turn: Turn, items: list[A]) -> list[R | Exception]:
        return [await write(turn, item) for item in items]

    return run


class Writer(Protocol):
    """Does what waits, commits it, and only then answers it."""

    async def run(self, op: Op[A, R], item: A) -> R:
        """The answer, after its commit. Raises StoreUnavailable, or what the op answers for this item alone."""


class Reader(Protocol):
    """Reads beside the writer, and waits for no write."""

    async def rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Sequence[Row]:
        """Raises StoreUnavailable."""


def ids(rows: Iterable[Row]) -> list[str]:
    """The `id` of each row."""
    return [row["id"] for row in rows]
