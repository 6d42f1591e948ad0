import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from receiver.api import stream_hub
from receiver.api.stream_hub import Listener, News, Over
from receiver.errors import Rejection, StoreUnavailable
from receiver.events import Event
from tests.support.hubs import event, station

SOON, LONG = timedelta(milliseconds=20), timedelta(seconds=5)


def everything(_: Event) -> bool:
    return True


async def ids(listener: Listener, count: int) -> list[str]:
    found = [await listener.next(LONG) for _ in range(count)]
    return [news.event.id for news in found if news]


async def test_who_listens_hears_what_is_stored_later_in_the_order_of_the_commits(tmp_path: Path) -> None:
    async with station(tmp_path) as here:
        await here.emit("evt_9")
        async with here.hub.listen(everything) as listener:
            assert listener.position == "evt_9"
            for ident in ("evt_5", "evt_1", "evt_7"):
                await here.emit(ident)
            assert await ids(listener, 3) == ["evt_5", "evt_1", "evt_7"]
            assert await listener.next(SOON) is None


async def test_however_many_listen_each_event_is_read_once_and_its_json_made_once(tmp_path: Path) -> None:
    async with station(tmp_path) as here:
        async with here.hub.listen(everything) as one, here.hub.listen(everything) as other:
            await here.emit(*(f"evt_{number:03}" for number in range(100)))
            first = [await one.next(LONG) for _ in range(100)]
            second = [await other.next(LONG) for _ in range(100)]
        assert here.store.read == 100
        assert all(a is b for a, b in zip(first, second, strict=True))
        assert first[0] is not None
        assert first[0].json is first[0].json


async def test_nothing_is_read_where_nobody_listens(tmp_path: Path) -> None:
    async with station(tmp_path) as here:
        await here.emit("evt_1")
        async with here.hub.listen(everything) as listener:
            await here.emit("evt_2")
            assert await ids(listener, 1) == ["evt_2"]
        before = len(here.store.looks)
        await here.emit("evt_3")
        await asyncio.sleep(0.05)
        assert len(here.store.looks) == before
        async with here.hub.listen(everything) as listener:
            assert listener.position == "evt_3"
            assert await listener.next(SOON) is None


async def test_only_what_is_wanted_is_heard(tmp_path: Path) -> None:
    async with station(tmp_path) as here, here.hub.listen(lambda event: event.client == "app") as listener:
        await here.emit("evt_1", client="web")
        await here.emit("evt_2", client="app")
        assert await ids(listener, 1) == ["evt_2"]


async def test_a_database_that_fails_for_a_moment_loses_nothing(tmp_path: Path) -> None:
    async with station(tmp_path) as here:
        here.store.failures = [StoreUnavailable("busy")]
        async with here.hub.listen(everything) as listener:
            await here.emit("evt_1")
            assert await ids(listener, 1) == ["evt_1"]


async def test_another_process_is_heard_at_the_next_look(tmp_path: Path) -> None:
    async with station(tmp_path) as here:
        here.hub._look = SOON
        async with here.hub.listen(everything) as listener:
            await here.emit("evt_1")
            await ids(listener, 1)
            here.kit.store.news.ring = lambda: None  # type: ignore[method-assign]  # as if another process had it
            await here.emit("evt_2")
            assert await ids(listener, 1) == ["evt_2"]


async def test_one_more_than_the_most_is_refused_with_what_to_do(tmp_path: Path) -> None:
    async with station(tmp_path, most=1) as here, here.hub.listen(everything):
        with pytest.raises(Rejection, match="Look again in a few seconds") as refused:
            async with here.hub.listen(everything):
                pass
        assert (refused.value.status, refused.value.headers) == (503, {"retry-after": "5"})


async def test_the_stop_ends_who_listens_and_who_comes_later(tmp_path: Path) -> None:
    async with station(tmp_path) as here, here.hub.listen(everything) as before:
        here.hub.stop()
        assert await before.next(LONG) is None
        async with here.hub.listen(everything) as after:
            assert await after.next(LONG) is None
        assert (before.over, after.over) == (Over.STOPPED, Over.STOPPED)


@pytest.mark.parametrize(("bound", "value"), [("_MOST_BEHIND", 3), ("_MOST_BYTES", 1500)])
async def test_who_is_too_far_behind_is_ended_and_the_others_go_on(
    bound: str, value: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_hub, bound, value)
    async with station(tmp_path) as here, here.hub.listen(everything) as slow, here.hub.listen(everything) as quick:
        for number in range(5):
            await here.emit(f"evt_{number}")
            assert await ids(quick, 1) == [f"evt_{number}"]
        assert (slow.over, quick.over) == (Over.SLOW, None)
        assert await slow.next(LONG) is None


def test_one_event_may_be_as_large_as_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_hub, "_MOST_BYTES", 10)
    listener = Listener(everything)
    listener.tell(News(event("evt_1", raw="x" * 100)))
    assert listener.over is None


async def test_who_is_turned_away_hears_only_what_is_told_afterwards() -> None:
    listener = Listener(everything)
    listener.tell(News(event("evt_1")))
    listener.turn_away()
    listener.tell(News(event("evt_2")))
    listener.hear()
    listener.tell(News(event("evt_3")))
    assert await ids(listener, 1) == ["evt_3"]
