"""Waits and streams of a real process: nobody polls, and what a kill cuts off goes on without a gap."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from receiver.app import bind
from receiver.client import AsyncReceiver
from receiver.events import Event
from tests.support.process import ADMIN, CLIENT, Running, serving, write_config

QUICK = timedelta(milliseconds=50)
PROVIDERS = {"suno": {"type": "sunoapi", "api_key": "provider-key-123", "base_url": "http://127.0.0.1:9"}}


def config(folder: Path) -> Path:
    return write_config(folder, secret="0123456789abcdef0123456789abcdef", providers=PROVIDERS)


def free_port() -> int:
    door = bind("127.0.0.1", 0)
    port: int = door.getsockname()[1]
    door.close()
    return port


async def callback_url(running: Running, **wish: Any) -> tuple[str, str]:
    """A submission's id and the path of its callbacks."""
    wanted = {"provider": "suno", "operation": "generate", "client": "app", **wish}
    made = (await running.request("POST", "/v1/callback-urls", wanted)).json()
    return made["submission_id"], urlsplit(made["url"]).path


async def call_back(running: Running, path: str, stage: str, task_id: str = "t", **fields: Any) -> None:
    song = {"id": f"{task_id}-a", "title": task_id, "audio_url": "https://cdn.example/a.mp3", **fields}
    body = {"code": 200, "msg": "ok", "data": {"callbackType": stage, "task_id": task_id, "data": [song]}}
    assert (await running.request("POST", path, body)).status == 200


async def test_a_wait_is_answered_as_soon_as_the_song_is_complete(tmp_path: Path) -> None:
    async with serving(config(tmp_path)) as running, AsyncReceiver(running.url, CLIENT) as client:
        ident, path = await callback_url(running)
        waiting = asyncio.create_task(client.wait(ident))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        begun = time.monotonic()
        await call_back(running, path, "complete")
        submission = await waiting
        assert time.monotonic() - begun < 2
    assert (submission.stage, submission.results[0].title) == ("complete", "t")


async def test_a_stream_goes_on_behind_the_last_event_after_a_kill(tmp_path: Path) -> None:
    port = str(free_port())
    got: list[str] = []

    async def follow(events: AsyncGenerator[Event], count: int) -> None:
        while len(got) < count:
            got.append((await anext(events)).id)

    async with AsyncReceiver(f"http://127.0.0.1:{port}", ADMIN, pause=QUICK) as client:
        async with serving(config(tmp_path), "--port", port) as running:
            _, path = await callback_url(running, standing=True)
            events = client.events(timedelta(days=1), type="music.*")
            async with asyncio.timeout(30):
                await asyncio.gather(
                    follow(events, 20), *(call_back(running, path, "complete", f"t{number}") for number in range(20))
                )
                # In the store, but perhaps not with the caller: the next ones come only after the kill.
                await call_back(running, path, "complete", "unseen")
            await running.end(signal.SIGKILL)
        following = asyncio.create_task(follow(events, 41))
        async with serving(config(tmp_path), "--port", port) as running:
            for number in range(20, 40):
                await call_back(running, path, "complete", f"t{number}")
            async with asyncio.timeout(30):
                await following
            listed = (await running.get("/v1/events?type=music.*&limit=200"))["data"]
        await events.aclose()
    assert got == [event["id"] for event in reversed(listed)]


async def test_a_wait_outlives_a_restart(tmp_path: Path) -> None:
    port = str(free_port())
    async with AsyncReceiver(f"http://127.0.0.1:{port}", CLIENT, pause=QUICK) as client:
        async with serving(config(tmp_path), "--port", port) as running:
            ident, path = await callback_url(running)
            await client.get(ident)
            waiting = asyncio.create_task(client.wait(ident))
            await asyncio.sleep(0.1)
            await running.end(signal.SIGKILL)
        async with serving(config(tmp_path), "--port", port) as running:
            await call_back(running, path, "complete")
            async with asyncio.timeout(20):
                assert (await waiting).stage == "complete"


async def test_who_reads_nothing_is_cut_off_and_the_others_hear_all(tmp_path: Path) -> None:
    async with serving(config(tmp_path)) as running, AsyncReceiver(running.url, ADMIN) as client:
        _, path = await callback_url(running, standing=True)
        host, port = urlsplit(running.url).hostname, urlsplit(running.url).port
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect((host, port))
            slow.sendall(f"GET /v1/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\n\r\n".encode())
            async with aclosing(client.events(timedelta(days=1), type="music.*")) as quick, asyncio.timeout(60):
                for number in range(14):
                    await call_back(running, path, "complete", f"t{number}", prompt="la" * 700_000)
                    assert (await anext(quick)).task_id == f"t{number}"
            await asyncio.sleep(1.5)
            begun = time.monotonic()
            assert await running.end(signal.SIGTERM) == 0
            assert time.monotonic() - begun < 3, "the reader that takes nothing held up the stop"
    assert "without completing" not in "".join(running.said)


async def test_the_stop_ends_streams_and_waits_cleanly(tmp_path: Path) -> None:
    async with serving(config(tmp_path)) as running:
        ident, _ = await callback_url(running)
        streams = [asyncio.create_task(read_to_the_end(running, path)) for path in ("/v1/stream", one(ident))]
        waiting = asyncio.create_task(running.request("GET", f"/v1/submissions/{ident}?wait=60"))
        await asyncio.sleep(0.5)
        begun = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        bodies = await asyncio.gather(*streams)
        answer = await waiting
        assert await running.end(signal.SIGTERM) == 0
        assert time.monotonic() - begun < 4
    assert all(body.startswith(b"retry: 1000\n") for body in bodies)
    assert (answer.status, json.loads(answer.body)["id"]) == (200, ident)
    assert not [line for line in running.said if "Traceback" in line or "without completing" in line]


def one(ident: str) -> str:
    return f"/v1/submissions/{ident}/events"


async def read_to_the_end(running: Running, path: str) -> bytes:
    headers = {"authorization": f"Bearer {ADMIN}"}
    async with running.http.stream(running.url + path, headers=headers) as flow:
        assert flow.status == 200
        return b"".join([chunk async for chunk in flow.chunks])
