import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from receiver.cli.desk import until_calm, until_final
from receiver.cli.source import Source
from receiver.outbound import Answer


class Turns:
    """Gives each of these in turn, the last one for ever."""

    def __init__(self, given: Sequence[Any]) -> None:
        self.given = given
        self.asked = 0

    async def next(self) -> Any:
        self.asked += 1
        return self.given[min(self.asked, len(self.given)) - 1]

    async def send(self, method: str, target: str, body: bytes | None) -> Answer:
        assert (method, target) == ("GET", "/v1/submissions/sub_1")
        return Answer(status=200, headers={}, body=json.dumps(await self.next()).encode())


async def changes(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def silence() -> AsyncIterator[int]:
    await asyncio.Event().wait()
    yield 0


@pytest.mark.parametrize("last", ["complete", "failed", "rejected", "lost"])
async def test_it_looks_until_the_submission_is_final(last: str) -> None:
    views = [{"stage": stage} for stage in ("accepted", "text", last, "never")]
    told: list[Any] = []
    assert await until_final(Source(Turns(views).send, live=True), "sub_1", told.append, changes(9), 0) == views[2]
    assert told == views[:3]


async def test_it_looks_on_where_nothing_tells_any_more() -> None:
    views = [{"stage": stage} for stage in ("accepted", "text", "complete")]
    source = Source(Turns(views).send, live=True)
    assert await until_final(source, "sub_1", lambda _: None, changes(1), 0) == views[2]


async def test_it_does_not_look_where_nothing_changes() -> None:
    turns = Turns([{"stage": "accepted"}])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await until_final(Source(turns.send, live=True), "sub_1", lambda _: None, silence(), 0)
    assert turns.asked == 1


@pytest.mark.parametrize(
    ("busy", "looks"),
    [([0], 3), ([1, 1, 0], 5), ([0, 1, 0], 5), ([0, 0, 1, 0], 6)],
    ids=["calm", "busy first", "routed late", "routed later"],
)
async def test_it_looks_until_nothing_more_is_expected(busy: list[int], looks: int) -> None:
    turns = Turns(busy)
    assert await until_calm(turns.next, bool, 0) == 0
    assert turns.asked == looks
