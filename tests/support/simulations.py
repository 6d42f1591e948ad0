"""A simulator without time or network: its client, and the receiver that it calls back."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from receiver.errors import Unreachable
from receiver.outbound import Answer, Http
from receiver.simulator import Script, Simulator, Task

NOW = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
NOW_MS = 1_795_249_800_000
CALLBACK = "http://receiver.test/callbacks/secret-token"
KEY = {"authorization": "Bearer key-of-the-test"}


class Receiver(Http):
    """Answers callbacks in turn with these statuses, the last one for ever; None is no answer."""

    def __init__(self, *statuses: int | None) -> None:
        self.statuses = statuses or (200,)
        self.bodies: list[Any] = []
        self.urls: set[str] = set()
        self.watch: Callable[[], Awaitable[None]] | None = None

    async def request(
        self, method: str, url: str, *, json: Any = None, content: Any = None, **_: Mapping[str, str] | timedelta | None
    ) -> Answer:
        assert method == "POST"
        self.urls.add(url)
        self.bodies.append(content.decode() if json is None else json)
        if self.watch is not None:
            await self.watch()
        status = self.statuses[min(len(self.bodies), len(self.statuses)) - 1]
        if status is None:
            raise Unreachable("receiver.test reset the connection")
        return Answer(status=status, headers={}, body=b"")

    @property
    def stages(self) -> list[str]:
        return [body["data"]["callbackType"] for body in self.bodies]


@dataclass
class Bench:
    """A simulator without time, its client, and the receiver that it calls."""

    simulator: Simulator
    client: httpx2.AsyncClient
    receiver: Receiver
    pauses: list[float]

    async def post(self, path: str = "/api/v1/generate", **fields: Any) -> httpx2.Response:
        body = {"prompt": "rain", "callBackUrl": CALLBACK, **fields}
        return await asyncio.wait_for(self.client.post(path, json=body, headers=KEY), 5)

    async def run(self, path: str = "/api/v1/generate", **fields: Any) -> Task:
        """A task whose callbacks have all been sent."""
        reply = await self.post(path, **fields)
        await self.simulator.drain()
        return self.simulator.tasks[reply.json()["data"]["taskId"]]

    async def status(self, task_id: str) -> Any:
        reply = await self.client.get("/api/v1/generate/record-info", params={"taskId": task_id}, headers=KEY)
        assert reply.status_code == 200
        return reply.json()["data"]


@asynccontextmanager
async def bench(*statuses: int | None, api_key: str | None = None, **script: Any) -> AsyncIterator[Bench]:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    receiver = Receiver(*statuses)
    simulator = Simulator(
        script=Script(**script),
        http=receiver,
        base_url="http://suno.test/",
        entropy=random.Random(7),
        api_key=api_key,
        sleep=sleep,
        now=lambda: NOW,
    )
    transport = httpx2.ASGITransport(simulator.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://suno.test") as client:
        yield Bench(simulator, client, receiver, pauses)
    await asyncio.wait_for(simulator.close(), 5)


async def never(seconds: float) -> None:
    """A sleep that nothing but a cancellation ends."""
    await asyncio.Event().wait()
