"""What holds for an installation holds however many processes it has."""

import asyncio
import json
from collections import Counter
from functools import partial
from pathlib import Path

from tests.support.listener import Listener, listening
from tests.support.peers import Exchange, Peer, answer, serve
from tests.support.postgresql import Cluster
from tests.support.process import ROOT
from tests.support.voyage import Plan, Voyage, under_way
from tests.support.workers import until

SONGS = 40
STATUS = (ROOT / "tests/samples/sunoapi/music/status.complete.success.json").read_text()
TASK = "6f1c0e52a9d84b7f"


async def tell_songs(voyage: Voyage) -> None:
    await asyncio.gather(*(voyage.provider.tell(f"task-{number}") for number in range(SONGS)))


async def until_told(listener: Listener, handler: str, count: int) -> None:
    await until(lambda: sum(one.handler == handler for one in listener.told) >= count, 60)


async def test_the_concurrency_of_a_handler_holds_over_all_workers(tmp_path: Path, postgresql: Cluster) -> None:
    async with listening(takes=0.1) as target:
        plan = Plan(("web", "worker", "worker"), {"one": target.handler("one", concurrency=3)}, stages=("complete",))
        async with under_way(tmp_path, postgresql, plan) as voyage:
            await tell_songs(voyage)
            await voyage.until_drained()
            await voyage.judge(target)
            busy = [sum('"attempt"' in line for line in member.said) for member in voyage.fleet.members]
    assert target.most == {"one": 3}
    assert len(target.told) == SONGS
    assert busy[0] == 0
    assert min(busy[1:]) > 0, "one worker did it all"


async def test_the_rate_of_a_handler_holds_over_all_workers(tmp_path: Path, postgresql: Cluster) -> None:
    async with listening() as target:
        handlers = {"slow": target.handler("slow", rate="10/1h"), "free": target.handler("free")}
        plan = Plan(("web", "worker", "worker"), handlers, stages=("complete",))
        async with under_way(tmp_path, postgresql, plan) as voyage:
            await tell_songs(voyage)
            await until_told(target, "free", SONGS)
            await until_told(target, "slow", 10)
            # Every worker has had a reason to look again.
            await voyage.provider.tell("task-last")
            await until_told(target, "free", SONGS + 1)
    assert Counter(one.handler for one in target.told) == {"free": SONGS + 1, "slow": 10}


async def test_the_reconciler_asks_once_for_each_task_and_is_replaced_when_killed(
    tmp_path: Path, postgresql: Cluster
) -> None:
    async def status(exchange: Exchange) -> bool:
        task_id = exchange.request.target.rpartition("taskId=")[2]
        return await answer(STATUS.replace(TASK, task_id).encode())(exchange)

    async with listening() as target, serve(status) as provider:
        plan = Plan(("serve", "serve", "serve"), {"one": target.handler("one")}, provider={"base_url": provider.url})
        async with under_way(tmp_path, postgresql, plan) as voyage:
            for number, member in enumerate(voyage.fleet.members):
                tasks = [f"task-{number}-{count}" for count in range(10)]
                await asyncio.gather(*(register(voyage, task) for task in tasks))
                await until(partial(has_asked, provider, 10 * (number + 1)), 60)
                await voyage.until_drained()
                # Whichever of them asked, it is gone in the end; those that are left go on.
                member.kill()
            await voyage.until_drained()
            asked = Counter(seen.target for seen in provider.seen)
            told = Counter(one.task_id for one in target.told)
    assert set(asked.values()) == {1}
    assert len(asked) == 30
    assert dict.fromkeys(told, 1) == dict(told)


def has_asked(provider: Peer, count: int) -> bool:
    return len(provider.seen) >= count


async def register(voyage: Voyage, task_id: str) -> None:
    wish = {"provider": "suno", "operation": "generate", "task_id": task_id}
    answered = await voyage.fleet.request(voyage.fleet.webs[-1], "POST", "/v1/submissions", wish)
    assert answered.status == 201, json.dumps(answered.json())
