"""A Procfile host as docs/deploy.md has it: release phase, web and worker scaled, a disk that every restart empties."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ruamel.yaml import YAML

from receiver.outbound import Http
from receiver.simulator import Simulator, Task
from tests.flow.test_song import QUICK, SONG, simulating
from tests.support.cut_proxy import CutProxy
from tests.support.process import ADMIN, CLIENT, ROOT
from tests.support.procfile import Deploy, Formation, free_ports, started
from tests.support.s3_peer import S3Peer
from tests.support.s3_peer import open_peer as open_s3
from tests.support.slack_peer import SlackPeer
from tests.support.slack_peer import open_peer as open_slack

EXAMPLE = ROOT / "config/examples/procfile-host.yaml"
SCALE = ("-c", "web=2,worker=2", "web", "worker")
# Stages that wait until the test lets them come.
AWAY, LATE = 100, 1000


@dataclass
class Gates:
    """The time of the pretend provider."""

    away: asyncio.Event = field(default_factory=asyncio.Event)
    late: asyncio.Event = field(default_factory=asyncio.Event)

    async def sleep(self, seconds: float) -> None:
        if seconds > AWAY / 2:
            await (self.away if seconds <= AWAY else self.late).wait()
        else:
            await asyncio.sleep(seconds)


@dataclass
class World:
    """What lies around a host: `router` is what its public address leads to, `port` where its first web listens."""

    deploy: Deploy
    gates: Gates
    simulator: Simulator
    s3: S3Peer
    slack: SlackPeer
    router: CutProxy
    http: Http
    port: int = 0

    @property
    def config(self) -> Any:
        """The example, with a provider on loopback."""
        raw = YAML(typ="safe", pure=True).load(EXAMPLE)
        raw["providers"]["suno"] |= {"base_url": self.simulator.base_url, "deadline": "12s"}
        return raw | {"outbound": {"allow": ["127.0.0.1"]}}

    async def release(self) -> str:
        """A new version arrives, on a disk of its own and with ports of its own."""
        self.port = free_ports(2)
        self.deploy = replace(self.deploy, variables={**self.deploy.variables, "PORT": str(self.port)})
        self.deploy.arrive(self.config)
        code, said = await self.deploy.run("start", "release")
        assert code == 0, said
        return said

    async def request(self, method: str, path: str, content: Any = None, *, web: int = 0, token: str = ADMIN) -> Any:
        """Through the router, or at one of the webs: 1, 2."""
        port = self.port + web - 1 if web else self.router.port
        headers = {"authorization": f"Bearer {token}"}
        return await self.http.request(method, f"http://127.0.0.1:{port}{path}", headers=headers, json=content)

    async def submit(self, title: str, web: int, **simulate: Any) -> str:
        wanted = {**SONG, "title": title, "simulate": {"tracks": 1, **simulate}}
        answered = await self.request("POST", "/api/v1/generate", wanted, web=web, token=CLIENT)
        assert answered.status == 200, answered.body
        return str(answered.headers["x-receiver-submission"])

    async def until(self, ident: str, true: Callable[[Any], Any]) -> Any:
        """The submission, once it is as wanted; bounded."""
        async with asyncio.timeout(90):
            while not true(found := (await self.request("GET", f"/v1/submissions/{ident}")).json()):  # noqa: ASYNC110 - other processes work on it
                await asyncio.sleep(0.05)
        return found

    async def ready(self, formation: Formation) -> None:
        """Both webs and both workers are; the router leads to the first web."""
        async with asyncio.timeout(60):
            while sum("Ready" in line for line in formation.said) < len(formation.pids) or len(formation.pids) < 4:
                assert formation.codes == {}, "".join(formation.said)
                await asyncio.sleep(0.05)
        self.router.target = self.port
        await self.router.heal()
        assert [(await self.request("GET", "/readyz", web=web)).status for web in (0, 1, 2)] == [200] * 3

    def task(self, title: str) -> Task:
        return next(task for task in self.simulator.tasks.values() if task.request["title"] == title)

    def answers(self, title: str) -> list[int | None]:
        """What the provider was answered when it told that this song is complete."""
        return [sent.status for sent in self.task(title).callbacks if sent.stage == "complete"]

    def archived(self) -> dict[str, bytes]:
        return {key: body for key, body in self.s3.objects().items() if key.endswith(".mp3")}

    def told(self, title: str) -> bool:
        return any(title in seen for seen in self.slack.seen)


@asynccontextmanager
async def around(folder: Path, database: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        gates, router, http = Gates(), CutProxy(0), Http()
        stack.push_async_callback(http.close)
        stack.push_async_callback(router.close)
        simulator = await stack.enter_async_context(simulating(QUICK, gates.sleep))
        s3, slack = await stack.enter_async_context(open_s3(folder)), await stack.enter_async_context(open_slack())
        await router.heal()
        variables = {
            "PUBLIC_URL": f"http://127.0.0.1:{router.port}",
            "DATABASE_URL": database,
            "ADMIN_PASSWORD": ADMIN,
            "APP_TOKEN": CLIENT,
            "SUNO_API_KEY": "provider-key",
            "SLACK_WEBHOOK_URL": slack.fields["webhook_url"],
            **{f"S3_{name.upper()}": value for name, value in s3.fields.items()},
        }
        yield World(Deploy(folder / "app", variables), gates, simulator, s3, slack, router, http)


def is_at_first(submission: Any) -> bool:
    return bool(submission["stage"] == "first")


def states(submission: Any) -> dict[str, str]:
    """The state of each delivery of the finished song, by handler."""
    finals = {event["id"] for event in submission["events"] if event["type"] == "music.complete"}
    return {row["handler"]: row["state"] for row in submission["deliveries"] if row["event_id"] in finals}


def is_archived(submission: Any) -> bool:
    return states(submission).get("archive") == "delivered"


def is_done(submission: Any) -> bool:
    return states(submission) == {"archive": "delivered", "team": "delivered"}


async def links(world: World, ident: str) -> list[str]:
    page = (await world.request("GET", f"/v1/deliveries?submission_id={ident}&handler=archive")).json()
    return [file["link"] for row in page["data"] for file in row["receipt"]["files"] if file["role"] == "audio"]


async def test_a_restart_that_empties_the_disk_loses_nothing(tmp_path: Path, postgresql_url: str) -> None:
    async with around(tmp_path, postgresql_url) as world:
        assert "ran." in await world.release()
        async with started(world.deploy, *SCALE) as before:
            await world.ready(before)
            done = {title: await world.submit(title, web) for title, web in (("done-1", 1), ("done-2", 2))}
            for ident in done.values():
                await world.until(ident, is_done)
            played = [link for ident in done.values() for link in await links(world, ident)]
            world.slack.answer(503)
            untold = {"untold": await world.submit("untold", 1)}
            await world.until(untold["untold"], is_archived)
            away = {f"away-{n}": await world.submit(f"away-{n}", n % 2 + 1, complete_after=AWAY) for n in range(3)}
            late = {f"late-{n}": await world.submit(f"late-{n}", n % 2 + 1, complete_after=LATE) for n in range(3)}
            for ident in (*away.values(), *late.values()):
                await world.until(ident, is_at_first)
            world.router.cut()
            assert await before.end(10) == 143
        assert before.codes == dict.fromkeys(("web.1", "web.2", "worker.1", "worker.2"), 0), "".join(before.said)
        await called_in_vain(world, list(away))

        assert "up to date" in await world.release()
        world.slack.recover()
        async with started(world.deploy, *SCALE) as after:
            await world.ready(after)
            world.gates.late.set()
            songs = done | untold | away | late
            for ident in songs.values():
                await world.until(ident, is_done)
            await judge(world, songs, late, played)
            assert await after.end(10) == 143
        assert set(after.codes.values()) == {0}, "".join(after.said)


async def called_in_vain(world: World, titles: list[str]) -> None:
    """These songs become complete, and the provider gives up to tell it."""
    world.gates.away.set()
    async with asyncio.timeout(30):
        while any(world.answers(title) != [None] * 3 for title in titles):  # noqa: ASYNC110 - the provider works on it
            await asyncio.sleep(0.02)


async def judge(world: World, songs: dict[str, str], late: dict[str, str], played: list[str]) -> None:
    # The callback addresses of before are known: the secret that signs them was kept.
    assert [world.answers(title) for title in late] == [[200]] * len(late)
    assert len(world.simulator.tasks) == len(songs)
    archived = world.archived()
    assert len(archived) == len(songs)
    assert all(archived.values())
    assert [title for title in songs if not world.told(title)] == []
    assert len(played) == 2
    for link in played:
        answered = await world.http.request("GET", link)
        place = urlsplit(answered.headers["location"])
        assert (answered.status, f"{place.scheme}://{place.netloc}") == (307, world.s3.moto.url)
        assert place.path.removeprefix(f"/{world.s3.bucket}/") in archived
    kept = sorted(str(path.relative_to(world.deploy.folder)) for path in world.deploy.folder.rglob("*.*"))
    assert kept == [".env", "config/receiver.yaml"]


async def test_the_same_procfile_serves_from_a_file_and_says_that_it_will_not_last(tmp_path: Path) -> None:
    port = free_ports(1)
    deploy = Deploy(tmp_path / "app", {"PORT": str(port), "DYNO": "web.1"})
    deploy.arrive({"database": f"sqlite:///{tmp_path / 'receiver.db'}"})
    code, said = await deploy.run("start", "worker")
    assert code == 2
    assert "run `receiver serve`" in said
    async with started(deploy, "web") as formation:
        async with asyncio.timeout(30):
            while not any(f"Ready on http://0.0.0.0:{port}" in line for line in formation.said):  # noqa: ASYNC110 - another process works on it
                await asyncio.sleep(0.05)
        assert await formation.end(10) == 143
    assert formation.codes == {"web.1": 0}
    assert any("warning: database: Heroku" in line for line in formation.said)
