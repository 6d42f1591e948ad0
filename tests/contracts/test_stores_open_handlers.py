"""What health looks at in every store: whose deliveries are open, and whether any is dead."""

from receiver.routing import Plan
from receiver.store.base import Store
from receiver.store.records import Dead, Delivered
from tests.contracts.store_kit import LEASE, TEAM, a_delivery, broken, one_claim, routed, stored


async def test_handlers_with_pending_or_paused_deliveries_are_open(store: Store) -> None:
    assert await store.open_handlers() == []
    await a_delivery(store)
    await store.end(await one_claim(store), broken())
    for names in (("a", "z"), ("b", "team"), ("b",)):
        await routed(store, await stored(store), "music.complete", [Plan(handler=name) for name in names])
    assert await store.open_handlers() == ["a", "b", "team", "z"]


async def test_handlers_whose_deliveries_have_ended_are_not_open(store: Store) -> None:
    await a_delivery(store)
    await a_delivery(store)
    kept, lost = await store.claim("me", LEASE, TEAM, 10)
    await store.end(kept, Delivered())
    assert not await store.has_dead()
    await store.end(lost, Dead("it says no"))
    assert (await store.open_handlers(), await store.has_dead()) == ([], True)


async def test_one_who_waits_for_a_dead_need_is_open_as_soon_as_it_may_run(store: Store) -> None:
    plans = [Plan(handler="team"), Plan(handler="gone", needs=("team",))]
    await routed(store, await stored(store), "music.complete", plans)
    assert await store.open_handlers() == ["team"]
    await store.end(await one_claim(store), Delivered())
    assert await store.open_handlers() == ["gone"]
