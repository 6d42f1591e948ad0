"""A worker on a real store: handlers that note what they get, submissions that reach stages, bounded waits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Literal

from pydantic import PrivateAttr

from receiver.events import Stage
from receiver.handler import Delivery, Handler, Receipt
from receiver.stages import Report, reported
from receiver.worker import Worker
from tests.support.kit import Kit
from tests.support.stages import complete, first, moment, text

Does = Callable[[Delivery], Awaitable[Receipt | None]]
REPORTS = {Stage.TEXT: text, Stage.FIRST: first, Stage.COMPLETE: complete}


class Recording(Handler):
    """Notes what it gets; then does what the test says."""

    type: Literal["recording"] = "recording"
    _seen: list[Delivery] = PrivateAttr(default_factory=list)
    _does: Does | None = PrivateAttr(default=None)

    @property
    def seen(self) -> list[Delivery]:
        return self._seen

    async def handle(self, delivery: Delivery) -> Receipt | None:
        self._seen.append(delivery)
        return await self._does(delivery) if self._does else None


def recording(does: Does | None = None, **fields: Any) -> Recording:
    made = Recording(**fields)
    made._does = does
    return made


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await task


async def until(true: Callable[[], Any], seconds: float = 10) -> None:
    """Waits for something that another task brings about; bounded."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.005)


async def until_due(house: Kit, true: Callable[[], Any]) -> None:
    """As `until`, for what the moved clock made due: nobody rings for that."""

    def ring_and_look() -> Any:
        house.store.deliveries.ring()
        return true()

    await until(ring_and_look)


async def until_state(house: Kit, state: str, attempts: int | None = None, handler: str | None = None) -> None:
    """Waits until the newest delivery (of this handler) is in this state, after so many attempts; bounded."""
    async with asyncio.timeout(10):
        while True:
            rows = [row for row in await house.deliveries() if handler in (None, row.handler)]
            if rows and rows[-1].state == state and attempts in (None, rows[-1].attempts):
                return
            await asyncio.sleep(0.005)


async def reach(house: Kit, submission_id: str, report: Report) -> None:
    at = replace(moment(now=house.clock()), new_id=house.new_id)
    await house.store.change(submission_id, lambda current, _: reported(current, report, at))


async def happen(house: Kit, *stages: Stage) -> str:
    """A submission that has reached these stages; returns its id."""
    submission = await house.expect(task_id="task-1")
    for stage in stages:
        await reach(house, submission.id, REPORTS[stage]())
    return submission.id
