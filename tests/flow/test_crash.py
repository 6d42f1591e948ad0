import asyncio
import contextlib
import json
import random
import signal
import sqlite3
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

from receiver.errors import Unreachable
from tests.support.process import Running, serving, write_config

ROUNDS = 20
SENDERS = 8


def song(task_id: str) -> bytes:
    data = {
        "callbackType": "complete",
        "task_id": task_id,
        "data": [{"id": f"{task_id}-a", "title": "Night Ferry", "audio_url": "https://cdn.example/a.mp3"}],
    }
    return json.dumps({"code": 200, "msg": "ok", "data": data}).encode()


async def standing_url(running: Running) -> str:
    wish = {"provider": "suno", "operation": "generate", "standing": True}
    answer = await running.request("POST", "/v1/callback-urls", wish)
    assert answer.status == 201, answer.body
    return str(urlsplit(answer.json()["url"]).path)


async def call_until_killed(running: Running, path: str, tasks: "asyncio.Queue[str]", answered: set[str]) -> None:
    with contextlib.suppress(Unreachable):
        while True:
            task_id = await tasks.get()
            answer = await running.http.request("POST", running.url + path, content=song(task_id))
            if answer.status == 200:
                answered.add(task_id)


def undone(path: Path) -> int:
    """How many events wait to be routed, and deliveries to end."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        queries = (
            "SELECT count(*) FROM events WHERE routed_at IS NULL",
            "SELECT count(*) FROM deliveries WHERE state IN ('waiting', 'pending', 'running')",
        )
        return sum(int(database.execute(query).fetchone()[0]) for query in queries)


async def test_nothing_answered_is_lost_and_nothing_told_twice_however_often_it_is_killed(tmp_path: Path) -> None:
    sink = tmp_path / "sink"
    config = write_config(
        tmp_path,
        secret="0123456789abcdef0123456789abcdef",
        providers={"suno": {"type": "sunoapi", "api_key": "key"}},
        handlers={"sink": {"type": "tests.support.sink:Sink", "file": str(sink), "concurrency": 20}},
        routes=[{"when": {"type": "music.complete"}, "handlers": ["sink"]}],
    )
    dice = random.Random(7)
    tasks: asyncio.Queue[str] = asyncio.Queue()
    for number in range(100_000):
        tasks.put_nowait(f"task-{number}")
    answered: set[str] = set()
    path = ""
    for _ in range(ROUNDS):
        async with serving(config) as running:
            path = path or await standing_url(running)
            senders = [asyncio.create_task(call_until_killed(running, path, tasks, answered)) for _ in range(SENDERS)]
            await asyncio.sleep(dice.uniform(0.02, 0.3))
            await running.end(signal.SIGKILL)
            await asyncio.gather(*senders)

    assert len(answered) > ROUNDS * 2
    async with serving(config) as running:
        async with asyncio.timeout(60):
            while undone(tmp_path / "receiver.db"):  # noqa: ASYNC110 - another process works on it
                await asyncio.sleep(0.1)
        assert await running.end(signal.SIGTERM) == 0

    with contextlib.closing(sqlite3.connect(tmp_path / "receiver.db")) as database:
        told = Counter(
            row[0] for row in database.execute("SELECT doc ->> 'task_id' FROM events WHERE type = 'music.complete'")
        )
    delivered = Counter(line.split()[1] for line in sink.read_text().splitlines())
    assert answered - told.keys() == set(), "answered 200 and lost"
    assert [task for task, times in told.items() if times > 1] == [], "one fact, two events"
    assert told.keys() - delivered.keys() == set(), "an event that nobody was told"
    repeated = sum(times - 1 for times in delivered.values())
    assert repeated <= ROUNDS * 20, "more repeats than attempts can have been running at the kills"
