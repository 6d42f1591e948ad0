"""Several stores on one PostgreSQL at once: what one process promises holds over all of them."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from itertools import pairwise

import pytest

from receiver.events import DeliveryState, Event, Stage, Submission
from receiver.handler import Receipt
from receiver.routing import Plan
from receiver.stages import Change
from receiver.store import open_store
from receiver.store.base import Store
from receiver.store.records import Again, Claim, Dead, Delivered, Ended, KeptCallback, Key, Query, Released, Terms
from receiver.units import Rate
from tests.contracts.store_kit import (
    LEASE,
    START,
    Ids,
    a_callback,
    a_submission,
    an_event,
    becomes,
    broken,
    new_id,
    running,
)

SUBMISSIONS, STORES = 30, 3
OPEN = (DeliveryState.WAITING, DeliveryState.PENDING, DeliveryState.RUNNING)
KINDS = ("music.text", "music.first", "music.complete", "music.updated")
PLANS = (
    Plan(handler="archive"),
    Plan(handler="team", needs=("archive",), wait=timedelta(seconds=2)),
    Plan(handler="mail", needs=("archive",), wait=timedelta(seconds=1), stop=True),
)
TERMS = {"archive": Terms(concurrency=3), "team": Terms(concurrency=2), "mail": Terms(concurrency=50)}


@pytest.fixture
async def stores(postgresql_url: str) -> AsyncIterator[list[Store]]:
    async with AsyncExitStack() as stack:
        made: list[Store] = [open_store(postgresql_url, None, Ids()) for _ in range(STORES)]
        await asyncio.gather(*(store.migrate() for store in made))
        yield [await stack.enter_async_context(running(store)) for store in made]


@dataclass
class Watched:
    """What is seen from outside: who runs when, and what each handler was handed of each submission, in order."""

    running: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    held: set[tuple[str, str]] = field(default_factory=set)
    doubled: list[str] = field(default_factory=list)
    handed: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def begin(self, claim: Claim) -> None:
        place = _place(claim)
        if place in self.held:
            self.doubled.append(claim.id)
        self.held.add(place)
        self.running[claim.handler] += 1
        self.most[claim.handler] = max(self.most[claim.handler], self.running[claim.handler])
        self.handed.setdefault(place, []).append(claim.event.type)

    def end(self, claim: Claim) -> None:
        self.held.discard(_place(claim))
        self.running[claim.handler] -= 1


def _place(claim: Claim) -> tuple[str, str]:
    """What is handed out one after the other: all of a submission at a handler."""
    return claim.event.submission_id or claim.id, claim.handler


async def _tell(stores: list[Store], submission: Submission, chance: random.Random) -> None:
    """Every stage arrives at one store or another, twice, the stages in order."""
    for kind in KINDS:
        decide = becomes(Stage.COMPLETE, kind, revision=int(kind == "music.updated"))
        body = new_id("b").encode()
        await asyncio.gather(
            *(store.change(submission.id, decide, a_callback(body)) for store in chance.sample(stores, 2))
        )
        await asyncio.sleep(0)


async def _route(store: Store, done: asyncio.Event) -> None:
    while not done.is_set():
        events = await store.unrouted(20)
        await store.route([(event, PLANS) for event in events])
        if not events:
            await asyncio.sleep(0.005)


def _outcome(chance: random.Random) -> Ended:
    return chance.choices(
        (Delivered(Receipt()), Again(timedelta(), "later"), Dead("gone"), Released(), broken()), (12, 3, 1, 1, 1)
    )[0]


async def _deliver(store: Store, owner: str, watched: Watched, done: asyncio.Event, chance: random.Random) -> None:
    async def attempt(claim: Claim) -> None:
        await asyncio.sleep(chance.random() / 200)
        # Before it is written: afterwards another may begin at once.
        watched.end(claim)
        assert await store.end(claim, _outcome(chance))

    tasks: set[asyncio.Task[None]] = set()
    while not done.is_set() or tasks:
        claims = await store.claim(owner, LEASE, TERMS, 10)
        for claim in claims:
            watched.begin(claim)
            tasks.add(asyncio.create_task(attempt(claim)))
        if tasks:
            ended, tasks = await asyncio.wait(tasks, timeout=0.005, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        else:
            await asyncio.sleep(0.005)
        for state in await store.handlers():
            await store.resume(state.name, an_event("handler.resumed"))


async def _settled(store: Store) -> None:
    """Until nothing is unrouted and nothing waits or runs; what is stuck is told."""
    async with asyncio.timeout(60):
        while True:
            counts = await store.counts()
            if not counts["unrouted"] and not any(counts[state] for state in OPEN):
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("seed", range(3))
async def test_order_concurrency_and_ends_hold_over_all(stores: list[Store], seed: int) -> None:
    chance = random.Random(seed)
    watched, done = Watched(), asyncio.Event()
    submissions = [a_submission() for _ in range(SUBMISSIONS)]
    # The same submission is stored by all of them at once.
    await asyncio.gather(*(store.add(one) for one in submissions for store in stores))
    loops = [asyncio.create_task(_route(store, done)) for store in stores]
    loops += [
        asyncio.create_task(_deliver(store, f"worker-{number}", watched, done, random.Random(seed + number)))
        for number, store in enumerate(stores)
    ]
    try:
        await asyncio.gather(*(_tell(stores, one, chance) for one in submissions))
        await _settled(stores[0])
    finally:
        done.set()
        await asyncio.gather(*loops)
    assert watched.doubled == []
    assert watched.most["archive"] <= 3
    assert watched.most["team"] <= 2
    assert await _kinds(stores[0]) == dict.fromkeys(KINDS, SUBMISSIONS)
    for handed in watched.handed.values():
        # One that is tried again may come twice; a later one never comes before.
        places = [KINDS.index(kind) for kind in handed if kind in KINDS]
        assert all(earlier <= later for earlier, later in pairwise(places)), handed
    kept = [row async for row in _callbacks(stores[0])]
    assert len(kept) == SUBMISSIONS * len(KINDS)
    assert {row.count for row in kept} == {2}


async def _kinds(store: Store) -> dict[str, int]:
    found: list[Event] = []
    cursor = None
    while True:
        page = await store.events(Query(limit=500, cursor=cursor))
        found += page.data
        cursor = page.next
        if cursor is None:
            return dict(Counter(event.type for event in found if event.type in KINDS))


async def _callbacks(store: Store) -> AsyncIterator[KeptCallback]:
    for one in await store.kept_callbacks(None, 1000):
        yield one


async def test_a_submission_that_all_store_at_once_loses_no_change(stores: list[Store]) -> None:
    def asked(current: Submission, _: bool) -> Change:
        return Change(submission=replace(current, asks=current.asks + 1))

    for _ in range(10):
        one = a_submission()
        await asyncio.gather(*(store.change(one, asked) for store in stores))
        found = await stores[0].submission(one.id)
        assert found is not None
        assert found.asks == STORES


async def test_a_key_is_taken_once(stores: list[Store]) -> None:
    for number in range(10):
        key = Key(client="app", provider="suno", key=f"k{number}", digest="d")
        mine = [a_submission() for _ in stores]
        taken = await asyncio.gather(*(store.take_key(key, one) for store, one in zip(stores, mine, strict=True)))
        assert [kept is None for kept in taken].count(True) == 1
        winner = mine[taken.index(None)]
        assert {kept.submission_id for kept in taken if kept} == {winner.id}


async def test_a_setting_is_made_once(stores: list[Store]) -> None:
    makers = [partial(str, number) for number in range(STORES)]
    for name in map(str, range(20)):
        made = await asyncio.gather(*(store.setting(name, make) for store, make in zip(stores, makers, strict=True)))
        assert len(set(made)) == 1


async def test_what_is_due_to_be_asked_is_asked_by_one(stores: list[Store]) -> None:
    for _ in range(10):
        due = [replace(a_submission(new_id("task")), ask_at=START) for _ in range(30)]
        await asyncio.gather(*(stores[0].add(one) for one in due))
        asked = await asyncio.gather(*(store.due_asks(20, timedelta(hours=1)) for store in stores))
        asked.append(await stores[0].due_asks(100, timedelta(hours=1)))
        assert Counter(one.id for some in asked for one in some) == {one.id: 1 for one in due}


async def test_a_bell_rings_in_every_process(stores: list[Store]) -> None:
    waits = [asyncio.create_task(store.outbox.wait(timedelta(minutes=1))) for store in stores]
    news = [asyncio.create_task(store.news.wait(timedelta(minutes=1))) for store in stores]
    await stores[0].emit([an_event("disk.low")])
    async with asyncio.timeout(10):
        await asyncio.gather(*waits, *news)


async def test_a_rate_holds_over_all(stores: list[Store]) -> None:
    for handler in ("a", "b", "c", "d", "e", "f", "g", "h"):
        terms = {handler: Terms(concurrency=50, rate=Rate(7, timedelta(hours=1)))}
        await asyncio.gather(*(stores[0].emit([an_event("disk.low")]) for _ in range(20)))
        await stores[0].route([(event, [Plan(handler=handler)]) for event in await stores[0].unrouted(50)])
        wishes = (store.claim(f"w{index}", LEASE, terms, 50) for index, store in enumerate(stores))
        assert sum(map(len, await asyncio.gather(*wishes))) == 7


async def test_one_process_leads_and_another_takes_over(stores: list[Store]) -> None:
    assert [await store.leads("pruner") for store in stores] == [True, False, False]
    assert [await store.leads("reconciler") for store in reversed(stores)] == [True, False, False]
    assert await stores[0].leads("pruner")
    await stores[0].close()
    async with asyncio.timeout(10):
        while not await stores[1].leads("pruner"):  # noqa: ASYNC110 - the server lets go of a lock without a word
            await asyncio.sleep(0.05)
    assert not await stores[2].leads("pruner")


async def test_nobody_takes_the_leases_of_others(stores: list[Store]) -> None:
    await stores[0].emit([an_event("disk.low")])
    await stores[0].route([(event, [Plan(handler="team")]) for event in await stores[0].unrouted(50)])
    (claim,) = await stores[0].claim("w0", LEASE, {"team": Terms(concurrency=1)}, 5)
    assert await stores[1].abandon() == 0
    assert await stores[1].abandon("w1") == 0
    assert await stores[0].end(claim, Delivered())


async def test_followers_miss_nothing_that_commits_late(stores: list[Store]) -> None:
    """Numbers are given out before their commits: whoever follows the last number alone misses some."""
    told = [[an_event("disk.low") for _ in range(60)] for _ in stores]
    done = asyncio.Event()

    async def tell(store: Store, events: list[Event]) -> None:
        for event in events:
            await store.emit([event])

    async def follow(store: Store) -> list[str]:
        seen: list[str] = []
        while not done.is_set() or len(seen) < STORES * 60:
            found = await store.events_after(seen[-1] if seen else None, Query(limit=20))
            seen += [event.id for event in found]
            if not found:
                await store.news.wait(timedelta(milliseconds=50))
        return seen

    async with asyncio.timeout(60):
        followers = [asyncio.create_task(follow(store)) for store in stores]
        await asyncio.gather(*(tell(store, events) for store, events in zip(stores, told, strict=True)))
        done.set()
        orders = await asyncio.gather(*followers)
    assert {tuple(seen) for seen in orders} == {tuple(orders[0])}
    assert sorted(orders[0]) == sorted(event.id for events in told for event in events)
