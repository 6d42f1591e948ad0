"""Submissions that wait for their callbacks, made through the store in bulk, and the callbacks that fit them."""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import SecretStr

from bench.common import SECRET, sqlite_url
from receiver.app import fresh_id
from receiver.events import Stage, Submission, utc_now
from receiver.intake import Intake
from receiver.providers.base import Operation, Provider
from receiver.providers.sunoapi import SunoApi
from receiver.stages import Decide
from receiver.store import open_store
from receiver.store.base import Store
from receiver.store.records import Callback
from receiver.store.sqlite.store import SqliteStore
from receiver.tokens import Scope, Signer

_STAGES = ("text", "first", "complete")
_AT_ONCE = 2000
_TASK = "TASK" * 8
_LYRICS = "[Verse]\\nLanterns on the water, engines turning slow\\nEvery light we follow was lit so long ago\\n" * 2


@dataclass(frozen=True, slots=True)
class Seed:
    """A callback that can come: the path of its capability URL, and its task."""

    path: str
    task_id: str

    def body(self) -> bytes:
        return BODY.replace(_TASK, self.task_id).encode()


def callbacks(task_id: str) -> list[bytes]:
    """The three bodies by which a song comes, each stage with both tracks."""
    bodies = [json.loads(Seed("", task_id).body()) for _ in _STAGES]
    for body, stage in zip(bodies, _STAGES, strict=True):
        body["data"]["callbackType"] = stage
    return [json.dumps(body).encode() for body in bodies]


def _track(number: int) -> dict[str, object]:
    place = f"https://musicfile.example/{_TASK}-{number}"
    return {
        "id": f"{_TASK}-{number}",
        "audio_url": f"{place}.mp3",
        "source_audio_url": f"https://cdn1.example/{_TASK}-{number}.mp3",
        "stream_audio_url": f"{place}-stream",
        "source_stream_audio_url": f"https://cdn1.example/{_TASK}-{number}-stream.mp3",
        "image_url": f"{place}.jpeg",
        "source_image_url": f"https://cdn2.example/image_{_TASK}-{number}.jpeg",
        "prompt": _LYRICS,
        "model_name": "chirp-v4",
        "title": "Night Ferry",
        "tags": "indie folk, warm, slow, acoustic guitar",
        "createTime": "2026-03-14 10:22:31",
        "duration": 198.44,
    }


_DATA = {"callbackType": "complete", "task_id": _TASK, "data": [_track(1), _track(2)]}
# A finished song as sunoapi.org tells of it, with a place where the task id goes.
BODY = json.dumps({"code": 200, "msg": "All generated successfully.", "data": _DATA})


def around_task() -> list[str]:
    """The texts between the places where the task id goes."""
    return BODY.split(_TASK)


def signer() -> Signer:
    return Signer([SECRET])


def provider() -> Provider:
    return SunoApi.model_validate({"type": "sunoapi", "api_key": SecretStr("bench-key"), "deadline": "1d"})


def operation() -> Operation:
    return provider().operation("generate")


def intake(store: Store) -> Intake:
    return Intake(store=store, providers={"suno": provider()}, new_id=fresh_id, callback_limit=8 * 2**20)


def sqlite(path: Path) -> SqliteStore:
    """The file's store, beside a server or before one."""
    store = open_store(sqlite_url(path), utc_now, fresh_id, exclusive=False)
    assert isinstance(store, SqliteStore)
    return store


class Memory(SqliteStore):
    """The store taken out: the same decisions on a submission from memory, and nothing is written."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, utc_now, fresh_id, exclusive=False)
        self._expected = _accepted(intake(self))

    async def change(
        self, subject: str | Submission, decide: Decide, callback: Callback | None = None
    ) -> Submission | None:
        known = subject if isinstance(subject, Submission) else replace(self._expected, id=subject)
        return decide(known, False).submission


async def plant(url: str, count: int) -> list[Seed]:
    """So many accepted submissions in this database, with the task ids that the provider's replies gave them."""
    store = open_store(url, utc_now, fresh_id, exclusive=False)
    await store.open()
    try:
        await store.migrate()
        seeds: list[Seed] = []
        while len(seeds) < count:
            seeds += await _plant_some(store, min(_AT_ONCE, count - len(seeds)))
        return seeds
    finally:
        await store.close()


async def _plant_some(store: Store, count: int) -> list[Seed]:
    door, sign = intake(store), signer()
    made = [replace(_accepted(door), task_id=os.urandom(16).hex()) for _ in range(count)]
    await asyncio.gather(*(store.add(one) for one in made))
    return [Seed(f"/callbacks/{sign.mint(Scope.CALLBACK, one.id)}", one.task_id or "") for one in made]


def _accepted(door: Intake) -> Submission:
    expected = door.expect("suno", operation())
    return replace(expected, stage=Stage.ACCEPTED, client="app", labels={"project": "bench"})


def write_seeds(path: Path, seeds: Sequence[Seed]) -> None:
    path.write_text("".join(f"{seed.path} {seed.task_id}\n" for seed in seeds))
