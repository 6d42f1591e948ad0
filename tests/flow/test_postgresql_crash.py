"""Two to four receivers on one PostgreSQL, while one after the other is taken away."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.cut_proxy import cut_proxy
from tests.support.fleet import Member
from tests.support.listener import listening
from tests.support.postgresql import Cluster, running
from tests.support.voyage import Plan, Voyage, under_way
from tests.support.workers import until

KILLS, CONCURRENCY = 8, 8
HANDLERS = ("one", "two")
# Both kinds of process, and both in one.
FLEETS = {"two webs, two workers": ("web", "web", "worker", "worker"), "two in one": ("serve", "serve")}


@pytest.fixture
def durable() -> Iterator[Cluster]:
    with running(durable=True) as cluster:
        yield cluster


def most_repeats(losses: int) -> int:
    """As many attempts can have been running when a process lost its database or its life."""
    return losses * CONCURRENCY * len(HANDLERS)


async def until_answered(voyage: Voyage, more: int) -> None:
    """Waits until the provider was answered 200 so many times more; bounded."""
    wanted = len(voyage.provider.answered) + more
    await until(lambda: len(voyage.provider.answered) >= wanted, 60)


@pytest.mark.parametrize("commands", FLEETS.values(), ids=FLEETS)
async def test_any_receiver_may_be_killed_at_any_moment(
    tmp_path: Path, durable: Cluster, commands: tuple[str, ...]
) -> None:
    dice = random.Random(11)
    async with listening() as target:
        handlers = {name: target.handler(name, concurrency=CONCURRENCY) for name in HANDLERS}
        async with under_way(tmp_path, durable, Plan(commands, handlers)) as voyage:
            async with voyage.provider.calling():
                for _ in range(KILLS):
                    await until_answered(voyage, dice.randrange(5, 60))
                    dice.choice(voyage.fleet.members).kill()
            await voyage.until_drained()
            await voyage.judge(target)
            assert sum(member.starts for member in voyage.fleet.members) > len(commands) + KILLS / 2
            assert target.repeats() <= most_repeats(KILLS)


async def test_the_database_may_be_killed_and_nobody_needs_a_restart(tmp_path: Path, durable: Cluster) -> None:
    async with listening() as target:
        handlers = {name: target.handler(name, concurrency=CONCURRENCY) for name in HANDLERS}
        plan = Plan(FLEETS["two webs, two workers"], handlers)
        async with under_way(tmp_path, durable, plan) as voyage:
            urls = [member.url for member in voyage.fleet.webs]
            async with voyage.provider.calling():
                for _ in range(3):
                    await until_answered(voyage, 40)
                    await asyncio.to_thread(durable.kill)
                    voyage.provider.mark_away(*urls)
                    await voyage.fleet.until_ready(503)
                    voyage.provider.mark_away()
                    await asyncio.to_thread(durable.start)
                    await voyage.fleet.until_ready()
                await until_answered(voyage, 40)
            await voyage.until_drained()
            await voyage.judge(target)
            assert [member.starts for member in voyage.fleet.members] == [1] * 4
            assert voyage.provider.statuses[503] > 0
            assert target.repeats() <= most_repeats(3 * 2)


async def test_the_network_to_the_database_may_stall_and_be_cut(tmp_path: Path, durable: Cluster) -> None:
    async with AsyncExitStack() as stack:
        target = await stack.enter_async_context(listening())
        proxies = [await stack.enter_async_context(cut_proxy(durable.port)) for _ in range(4)]
        handlers = {name: target.handler(name, concurrency=CONCURRENCY) for name in HANDLERS}
        plan = Plan(("web", "web", "worker", "worker"), handlers, proxies)
        voyage = await stack.enter_async_context(under_way(tmp_path, durable, plan))
        webs = voyage.fleet.webs
        async with voyage.provider.calling():
            await until_answered(voyage, 40)
            for proxy in proxies[::2]:
                proxy.stall()
            await one_away(voyage, webs[0])
            for proxy in proxies[::2]:
                await proxy.heal()
            await voyage.fleet.until_ready()
            for proxy in proxies:
                proxy.cut()
            voyage.provider.mark_away(*(member.url for member in webs))
            await voyage.fleet.until_ready(503)
            voyage.provider.mark_away()
            for proxy in proxies:
                await proxy.heal()
            await voyage.fleet.until_ready()
            await until_answered(voyage, 40)
        await voyage.until_drained()
        await voyage.judge(target)
        assert [member.starts for member in voyage.fleet.members] == [1] * 4
        assert target.repeats() <= most_repeats(6)


async def one_away(voyage: Voyage, member: Member) -> None:
    """The network of one web stalls: it says so, and answers nothing 200; the others go on."""
    voyage.provider.mark_away(member.url)
    await voyage.fleet.until_ready(503, [member])
    # Whoever meets the stalled one waits for long, and then goes to another.
    await until_answered(voyage, 8)
    voyage.provider.mark_away()
