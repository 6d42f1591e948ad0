"""The target of `webhook` handlers: notes what each was told, in the order of arrival, and how many came at once."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.peers import Exchange, Peer, answer, serve

_RANKS = {"music.text": 1, "music.first": 2, "music.complete": 3}


@dataclass(frozen=True, slots=True)
class Told:
    handler: str
    task_id: str
    type: str
    delivery_id: str


@dataclass
class Listener:
    """`takes` is how many seconds it needs for each. `most` is the greatest number at once, by handler."""

    takes: float = 0.0
    told: list[Told] = field(default_factory=list)
    running: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    peer: Peer = field(default_factory=Peer)

    def handler(self, name: str, **fields: Any) -> dict[str, Any]:
        return {"type": "webhook", "url": f"{self.peer.url}/{name}", **fields}

    async def reply(self, exchange: Exchange) -> bool:
        request = exchange.request
        name, event = request.target.strip("/"), request.json()
        self.told.append(Told(name, event["task_id"], event["type"], request.headers["webhook-id"]))
        self.running[name] += 1
        self.most[name] = max(self.most[name], self.running[name])
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.running[name] -= 1
        return await answer()(exchange)

    def repeats(self) -> int:
        """How many came that had come before."""
        return len(self.told) - len({one.delivery_id for one in self.told})

    def backwards(self) -> list[Told]:
        """Those that came after a later stage of the same song at the same handler."""
        reached: dict[tuple[str, str], int] = {}
        wrong = []
        for one in self.told:
            song, rank = (one.handler, one.task_id), _RANKS[one.type]
            if rank < reached.get(song, 0):
                wrong.append(one)
            reached[song] = max(rank, reached.get(song, 0))
        return wrong


@contextlib.asynccontextmanager
async def listening(takes: float = 0.0) -> AsyncIterator[Listener]:
    listener = Listener(takes)
    async with serve(listener.reply) as peer:
        listener.peer = peer
        yield listener
