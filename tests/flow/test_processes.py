"""The web and the worker as processes of their own, on one PostgreSQL."""

import asyncio
import hashlib
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from receiver.app.server import bind
from tests.flow.test_song import QUICK, finished, simulating, submit
from tests.flow.test_song import config as song_config
from tests.support.peers import Peer, hang, serve
from tests.support.postgresql import Cluster
from tests.support.process import Running, command, serving, write_config
from tests.support.workers import until

PROVIDERS = {"suno": {"type": "sunoapi", "api_key": "provider-key-123", "base_url": "http://127.0.0.1:9"}}
OLD = "UPDATE receiver.processes SET started_at = started_at - 600000000, steady_at = steady_at - 600000000"
ENDED = "SELECT count(*) FROM receiver.processes WHERE ended_at IS NOT NULL"


async def migrated(config: Path) -> Path:
    ran = await command("migrate", "--config", str(config))
    assert ran.code == 0, ran.err
    return config


def hooking(folder: Path, url: str, target: Peer) -> Path:
    hook = {"type": "webhook", "url": target.url, "timeout": "1h"}
    routes = [{"handlers": ["hook"]}]
    return write_config(folder, database=url, providers=PROVIDERS, handlers={"hook": hook}, routes=routes)


def sinking(folder: Path, url: str) -> Path:
    sink = {"type": "tests.support.sink:Sink", "file": str(folder / "sink")}
    routes = [{"handlers": ["sink"]}, {"when": {"level": "problem"}, "handlers": ["sink"]}]
    return write_config(folder, database=url, providers=PROVIDERS, handlers={"sink": sink}, routes=routes)


async def called_back(web: Running) -> None:
    made = await web.request("POST", "/v1/callback-urls", {"provider": "suno", "operation": "generate"})
    path = made.json()["url"].removeprefix("http://127.0.0.1:9")
    song = {"id": "a", "audio_url": "https://cdn.example/a.mp3"}
    body = {"code": 200, "data": {"callbackType": "complete", "task_id": "t", "data": [song]}}
    assert (await web.request("POST", path, body)).status == 200


async def ended(running: Running) -> float:
    """How many seconds it took to end in peace after SIGTERM."""
    begun = time.monotonic()
    assert await running.end(signal.SIGTERM) == 0, "".join(running.said)
    return time.monotonic() - begun


async def test_a_song_that_one_web_sends_another_one_receives_and_a_worker_archives(
    tmp_path: Path, postgresql_url: str
) -> None:
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    listener.close()
    async with simulating(QUICK) as simulator, AsyncExitStack() as stack:
        config = song_config(tmp_path, simulator, database=postgresql_url, public_url=f"http://127.0.0.1:{port}")
        await migrated(config)
        # Callbacks go to this one; it is asked for nothing else.
        await stack.enter_async_context(serving(config, "--port", str(port), command="web"))
        web = await stack.enter_async_context(serving(config, command="web"))
        worker = await stack.enter_async_context(serving(config, command="worker"))
        submission_id = await submit(web)
        waited = await web.get(f"/v1/submissions/{submission_id}?wait=25")
        assert waited["stage"] == "complete"
        await finished(web, submission_id)
        page = await web.get(f"/v1/deliveries?submission_id={submission_id}&state=delivered")
        songs = [file for file in page["data"][0]["receipt"]["files"] if file["role"] == "audio"]
        for song in songs:
            played = await web.http.request("GET", song["link"])
            assert (played.status, hashlib.sha256(played.body).hexdigest()) == (200, song["sha256"])
        assert len(songs) == 2
        assert (await web.get("/healthz"))["status"] == "ok"
        assert not any('"attempt"' in line for line in web.said)
        await ended(worker)
        assert any('"attempt"' in line for line in worker.said)


async def test_the_two_halves_end_in_time_and_say_so(tmp_path: Path, postgresql: Cluster, postgresql_url: str) -> None:
    async with serve(hang()) as target, AsyncExitStack() as stack:
        config = await migrated(hooking(tmp_path, postgresql_url, target))
        web = await stack.enter_async_context(serving(config, command="web"))
        worker = await stack.enter_async_context(serving(config, command="worker"))
        await called_back(web)
        await until(lambda: target.seen)
        assert await ended(worker) < 10
        page = await web.get("/v1/deliveries")
        assert [row["state"] for row in page["data"]] == ["pending"]
        assert await ended(web) < 3
    database = postgresql_url.rpartition("/")[2]
    assert postgresql.query("SELECT outcome FROM receiver.attempts", database) == [["released"]]
    assert postgresql.query(ENDED, database) == [["2"]]


@pytest.mark.parametrize("part", ["worker", "serve"])
async def test_a_second_signal_ends_the_grace(tmp_path: Path, postgresql_url: str, part: str) -> None:
    async with serve(hang()) as target, AsyncExitStack() as stack:
        config = await migrated(hooking(tmp_path, postgresql_url, target))
        web = await stack.enter_async_context(serving(config, command="web"))
        running = await stack.enter_async_context(serving(config, command=part))
        await called_back(web)
        await until(lambda: target.seen)
        running.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        assert await ended(running) < 4
        page = await web.get("/v1/deliveries")
        assert [row["state"] for row in page["data"]] == ["pending"]


async def test_a_web_without_a_worker_warns_and_two_that_come_back_tell_it_once(
    tmp_path: Path, postgresql: Cluster, postgresql_url: str
) -> None:
    config = await migrated(sinking(tmp_path, postgresql_url))
    async with serving(config, command="web") as web:
        await called_back(web)
        assert "worker" not in warned(await web.get("/healthz"))
        # As if it had run for ten minutes.
        await asyncio.to_thread(postgresql.query, OLD, postgresql_url.rpartition("/")[2])
        health = await web.until("/healthz", lambda health: "worker" in warned(health))
        assert "start `receiver worker`" in warned(health)["worker"]
        assert not (tmp_path / "sink").exists()
        async with serving(config, command="worker"), serving(config, command="worker"):
            await until((tmp_path / "sink").exists)
            await web.until("/v1/deliveries?state=delivered", lambda page: len(page["data"]) == 2)
            (told,) = (await web.get("/v1/events?type=worker.missing"))["data"]
            await web.until("/healthz", lambda health: "worker" not in warned(health))
    assert "events that waited: 1, deliveries that waited: 0." in told["error"]["message"]


def warned(health: Any) -> dict[str, str]:
    return {check["name"]: check["detail"] for check in health["checks"] if check["status"] != "ok"}


async def test_a_half_waits_for_no_migration_and_makes_none(tmp_path: Path, postgresql_url: str) -> None:
    config = sinking(tmp_path, postgresql_url)
    for part in ("web", "worker"):
        ran = await command(part, "--config", str(config))
        assert (ran.code, ran.err) == (1, "1 migration is missing in the database: run `receiver migrate` first.\n")
    again = await command("migrate", "--config", str(config))
    assert again.out == "1 migration ran.\n"


async def test_serve_migrates_and_is_both(tmp_path: Path, postgresql_url: str) -> None:
    config = sinking(tmp_path, postgresql_url)
    async with serving(config) as one, serving(config) as two:
        await called_back(one)
        await two.until("/v1/deliveries?state=delivered", lambda page: page["data"])
        said = "".join(one.said)
        assert f"Database PostgreSQL at {postgresql_url.rpartition('@')[2]}" in said
        assert "p%40ss" not in said


@pytest.mark.parametrize("part", ["web", "worker"])
async def test_sqlite_takes_one_process(tmp_path: Path, part: str) -> None:
    ran = await command(part, "--config", str(write_config(tmp_path)))
    said = "SQLite takes one process: run `receiver serve`, which is web and worker in one, or set `database` to "
    assert (ran.code, ran.err) == (2, f"{said}postgresql://…\n")
    assert not (tmp_path / "receiver.db").exists()
