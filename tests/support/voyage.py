"""A fleet of receivers on one PostgreSQL, a provider that calls it and a target that it tells; and the verdict."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.cut_proxy import CutProxy
from tests.support.fleet import Fleet, Member, sailing
from tests.support.listener import Listener
from tests.support.postgresql import Cluster
from tests.support.process import command, write_config
from tests.support.song_provider import STAGES, SongProvider, digest

_UNDONE = """
SELECT (SELECT count(*) FROM events WHERE routed_at IS NULL),
    (SELECT count(*) FROM deliveries WHERE state NOT IN ('delivered', 'dead', 'discarded'))"""
_EVENTS = "SELECT doc::json ->> 'task_id', stage FROM events WHERE type LIKE 'music.%'"
_DELIVERIES = """
SELECT d.id, d.handler, d.state, coalesce(d.cause, ''), e.stage, e.doc::json ->> 'task_id'
FROM deliveries AS d JOIN events AS e ON e.id = d.event_id WHERE e.type LIKE 'music.%'"""


@dataclass
class Plan:
    """What sails: `commands` are those of the processes; `proxies`, where given, stand before the database."""

    commands: Sequence[str]
    handlers: Mapping[str, Any]
    proxies: Sequence[CutProxy] = ()
    provider: Mapping[str, Any] = field(default_factory=dict)
    stages: Sequence[str] = STAGES


@dataclass
class Voyage:
    cluster: Cluster
    database: str
    fleet: Fleet
    provider: SongProvider
    handlers: Sequence[str]

    async def query(self, statement: str) -> list[list[str]]:
        return await asyncio.to_thread(self.cluster.query, statement, self.database)

    async def until_drained(self, seconds: float = 120) -> None:
        """Waits until every event is routed and every delivery has ended."""
        async with asyncio.timeout(seconds):
            while await self.query(_UNDONE) != [["0", "0"]]:  # noqa: ASYNC110 - other processes work on it
                await asyncio.sleep(0.2)

    async def judge(self, listener: Listener) -> None:
        """What was promised: nothing lost, nothing doubled, everything told, in order."""
        answered = self.provider.answered
        kept = {row[0] for row in await self.query("SELECT sha256 FROM callbacks")}
        assert [one for one in answered if digest(*one) not in kept] == [], "answered 200 and lost"
        rows = await self.query(_EVENTS)
        facts = [(task, stage) for task, stage in rows]
        assert answered - set(facts) == set(), "answered 200, and no event"
        assert len(facts) == len(set(facts)), "one fact, two events"
        assert self.provider.wrong == []
        await self._judge_deliveries(listener, set(facts))
        assert listener.backwards() == []

    async def _judge_deliveries(self, listener: Listener, facts: set[tuple[str, str]]) -> None:
        delivered, told = set(), {one.delivery_id for one in listener.told}
        for ident, handler, state, cause, stage, task in await self.query(_DELIVERIES):
            if state == "delivered":
                assert ident in told, f"{ident} is called delivered and was not"
                delivered.add((handler, task, stage))
            else:
                assert (state, cause) == ("discarded", "superseded"), f"{ident} of {task} {stage}"
        finals = {(name, task, stage) for name in self.handlers for task, stage in facts if stage == "complete"}
        assert finals - delivered == set(), "a finished song that a handler was never told of"


@contextlib.asynccontextmanager
async def under_way(folder: Path, cluster: Cluster, plan: Plan) -> AsyncIterator[Voyage]:
    database = cluster.create_database()
    ports = [proxy.port for proxy in plan.proxies] or [0] * len(plan.commands)
    members = [
        Member(name, _config(folder / f"{name}-{number}", cluster.url(database, port=port), plan))
        for number, (name, port) in enumerate(zip(plan.commands, ports, strict=True))
    ]
    migrated = await command("migrate", "--config", str(members[0].config))
    assert migrated.code == 0, migrated.err
    try:
        async with sailing(members) as fleet:
            urls = [member.url for member in fleet.webs]
            provider = SongProvider(urls, await _standing_path(fleet), plan.stages)
            async with contextlib.aclosing(provider):
                yield Voyage(cluster, database, fleet, provider, list(plan.handlers))
    finally:
        await asyncio.to_thread(cluster.drop_database, database)


def _config(folder: Path, database: str, plan: Plan) -> Path:
    folder.mkdir()
    return write_config(
        folder,
        database=database,
        secret="0123456789abcdef0123456789abcdef",
        providers={"suno": {"type": "sunoapi", "api_key": "key", **plan.provider}},
        handlers=plan.handlers,
        routes=[{"when": {"type": "music.*"}, "handlers": list(plan.handlers)}],
    )


async def _standing_path(fleet: Fleet) -> str:
    wish = {"provider": "suno", "operation": "generate", "standing": True}
    answer = await fleet.request(fleet.webs[0], "POST", "/v1/callback-urls", wish)
    assert answer.status == 201, answer.body
    return str(urlsplit(answer.json()["url"]).path)
