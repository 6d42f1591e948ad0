import asyncio

import pytest

from receiver.errors import StoreUnavailable
from receiver.store.sqlite.lookups import Lookups


class Shelf:
    """Knows every id but `nothing`, and waits for its turn."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.turn = asyncio.Event()
        self.broken = False

    async def find(self, ids: list[str]) -> dict[str, str]:
        self.asked.append(ids)
        await self.turn.wait()
        if self.broken:
            raise StoreUnavailable("The disk is gone.")
        return {ident: ident.upper() for ident in ids if ident != "nothing"}


async def begun(lookups: Lookups[str], *ids: str) -> list[asyncio.Task[str | None]]:
    tasks = [asyncio.create_task(lookups.get(ident)) for ident in ids]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_looks_that_come_while_one_runs_are_answered_by_one_statement() -> None:
    shelf = Shelf()
    lookups = Lookups(shelf.find)
    first = await begun(lookups, "a")
    others = await begun(lookups, "b", "c", "b", "nothing")
    shelf.turn.set()
    assert await asyncio.gather(*first, *others) == ["A", "B", "C", "B", None]
    assert shelf.asked == [["a"], ["b", "c", "nothing"]]


async def test_a_cancelled_caller_does_not_cancel_another_who_wants_the_same() -> None:
    shelf = Shelf()
    lookups = Lookups(shelf.find)
    leaving, staying = await begun(lookups, "a", "a")
    leaving.cancel()
    shelf.turn.set()
    assert await staying == "A"


async def test_a_failure_reaches_everyone_and_the_next_look_works() -> None:
    shelf = Shelf()
    lookups = Lookups(shelf.find)
    shelf.broken = True
    tasks = await begun(lookups, "a", "b")
    shelf.turn.set()
    for task in tasks:
        with pytest.raises(StoreUnavailable):
            await task
    shelf.broken = False
    assert await lookups.get("a") == "A"
