"""A provider that calls back about songs as real ones do: stage after stage, again until it is answered 200."""

import asyncio
import contextlib
import hashlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from receiver.errors import Outcome
from receiver.outbound import Http

STAGES = ("text", "first", "complete")
_SENDERS = 6
_PATIENCE = timedelta(seconds=15)
# How many songs one sender has at most, and how long it rests before it calls again, in seconds.
_SONGS = 500
_REST = (0.02, 0.2)


def body(task_id: str, stage: str) -> bytes:
    track = {"id": f"{task_id}-a", "title": "Night Ferry"}
    if stage != "text":
        track["audio_url"] = "https://cdn.example/a.mp3"
    data = {"callbackType": stage, "task_id": task_id, "data": [track]}
    return json.dumps({"code": 200, "msg": "ok", "data": data}).encode()


def digest(task_id: str, stage: str) -> str:
    return hashlib.sha256(body(task_id, stage)).hexdigest()


@dataclass
class SongProvider:
    """`urls` are the receivers, one of which takes each call; `path` is a standing callback URL of theirs.

    `away` are those that can commit nothing now: one that answers 200 meanwhile is in `wrong`.
    """

    urls: Sequence[str]
    path: str
    stages: Sequence[str] = STAGES
    answered: set[tuple[str, str]] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    away: frozenset[str] = frozenset()
    wrong: list[str] = field(default_factory=list)
    _http: Http = field(default_factory=Http)
    _dice: random.Random = field(default_factory=lambda: random.Random(7))
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _changes: int = 0

    def mark_away(self, *urls: str) -> None:
        """Only after they have lost their database; without urls before they get it back."""
        self.away = frozenset(urls)
        self._changes += 1

    async def aclose(self) -> None:
        await self._http.close()

    async def tell(self, task_id: str) -> None:
        for stage in self.stages:
            while 200 not in await self._call(task_id, stage):  # noqa: ASYNC110 - a provider knows no better
                await asyncio.sleep(self._dice.uniform(*_REST))
            self.answered.add((task_id, stage))

    async def _call(self, task_id: str, stage: str) -> list[int]:
        """One in four calls goes to two receivers at once, or to one twice."""
        times = 2 if self._dice.random() < 0.25 else 1
        return await asyncio.gather(*(self._send(self._dice.choice(self.urls), task_id, stage) for _ in range(times)))

    async def _send(self, url: str, task_id: str, stage: str) -> int:
        away, changes = url in self.away, self._changes
        try:
            content = body(task_id, stage)
            status = (await self._http.request("POST", url + self.path, content=content, timeout=_PATIENCE)).status
        except Outcome:
            status = 0
        self.statuses[status] += 1
        if status == 200 and away and changes == self._changes:
            self.wrong.append(f"{url} answered 200 for {task_id} {stage}")
        return status

    async def _sender(self, name: int) -> None:
        for number in range(_SONGS):
            if self._stopping.is_set():
                return
            await self.tell(f"task-{name}-{number}")
            await asyncio.sleep(self._dice.uniform(*_REST) / 10)

    @contextlib.asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """Senders that call steadily; at the end each one finishes its song, within a minute."""
        senders = [asyncio.create_task(self._sender(number)) for number in range(_SENDERS)]
        try:
            yield
            self._stopping.set()
            async with asyncio.timeout(60):
                await asyncio.gather(*senders)
        finally:
            for sender in senders:
                sender.cancel()
            await asyncio.gather(*senders, return_exceptions=True)
