"""In every store: whoever follows the events is woken by each commit that brings some, beside the one who routes."""

import asyncio
from datetime import timedelta

import pytest

from receiver.events import Stage
from receiver.store.base import Store
from receiver.store.records import Query
from tests.contracts.store_kit import a_submission, an_alarm, becomes, keep

LONG = timedelta(hours=1)


@pytest.mark.parametrize("by", ["a change", "an event of ours"])
async def test_both_are_woken_when_an_event_is_stored(by: str, store: Store) -> None:
    if by == "a change":
        await store.change(a_submission(), becomes(Stage.TEXT, "music.text"))
    else:
        await store.emit([an_alarm("disk.low")])
    await asyncio.wait_for(store.news.wait(LONG), 5)
    assert len(await store.events_after(None, Query())) == 1
    await asyncio.wait_for(store.outbox.wait(LONG), 5)


async def test_a_change_without_an_event_wakes_nobody(store: Store) -> None:
    await store.change(a_submission(), keep)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(store.news.wait(LONG), 0.05)
