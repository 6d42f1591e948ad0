import asyncio
import hashlib
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from receiver.app.server import Server, bind, server_for
from receiver.outbound import Http
from receiver.simulator import Script, Simulator
from tests.support.peers import Exchange, Peer, answer, serve
from tests.support.process import CLIENT, Running, serving, write_config

SONG = {"prompt": "a ferry at night", "title": "Night Ferry", "customMode": True, "instrumental": False, "model": "V5"}
QUICK = Script(text_after=0.05, first_after=0.1, complete_after=0.2, whole_after=0.2, retry_after=0.05)

Sleep = Callable[[float], Awaitable[None]]


@asynccontextmanager
async def simulating(script: Script = QUICK, sleep: Sleep = asyncio.sleep) -> AsyncIterator[Simulator]:
    """The simulator on a real port."""
    listener = bind("127.0.0.1", 0)
    http = Http()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    simulator = Simulator(
        http=http,
        base_url=address,
        entropy=random.Random(1),
        script=script,
        api_key="provider-key",
        sleep=sleep,
    )
    server: Server = server_for(simulator.app)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield simulator
    finally:
        server.should_exit = True
        await task
        await simulator.close()
        await http.close()


def config(folder: Path, simulator: Simulator, **sections: Any) -> Path:
    provider = {"type": "sunoapi", "api_key": "provider-key", "base_url": simulator.base_url}
    archive = {"type": "file", "directory": str(folder / "songs")}
    whole: dict[str, Any] = {
        "providers": {"suno": provider},
        "handlers": {"archive": archive},
        "routes": [{"when": {"type": "music.*"}, "handlers": ["archive"]}],
        **sections,
    }
    return write_config(folder, **whole)


@asynccontextmanager
async def reachable(path: Path) -> AsyncIterator[Running]:
    """A receiver whose public_url is where it listens."""
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    listener.close()
    text = path.read_text().replace("http://127.0.0.1:9", f"http://127.0.0.1:{port}")
    path.write_text(text)
    async with serving(path, "--port", str(port)) as running:
        yield running


async def submit(running: Running, **fields: Any) -> str:
    """Submits through the gateway as a client; the id of the submission."""
    answered = await running.request("POST", "/api/v1/generate", {**SONG, **fields}, CLIENT)
    assert answered.status == 200, answered.body
    return answered.headers["x-receiver-submission"]


async def finished(running: Running, submission_id: str, seconds: float = 20) -> Any:
    """The submission once the deliveries of its final event have ended, and with them those before."""

    def ended(submission: Any) -> bool:
        finals = {event["id"] for event in submission["events"] if event["type"].endswith((".complete", ".failed"))}
        states = [row["state"] for row in submission["deliveries"] if row["event_id"] in finals]
        return bool(states) and not {"pending", "running", "waiting"} & set(states)

    return await running.until(f"/v1/submissions/{submission_id}", ended, seconds)


async def test_a_song_goes_all_the_way_to_a_link_that_plays(tmp_path: Path) -> None:
    async with simulating() as simulator, reachable(config(tmp_path, simulator)) as running:
        submission_id = await submit(running)
        submission = await finished(running, submission_id)
        assert [event["type"] for event in submission["events"][::-1]] == [
            "submission.accepted",
            "music.text",
            "music.first",
            "music.complete",
        ]
        page = await running.get(f"/v1/deliveries?submission_id={submission_id}&state=delivered")
        receipt = page["data"][0]["receipt"]
        songs = [file for file in receipt["files"] if file["role"] == "audio"]
        assert len(songs) == 2
        for song in songs:
            played = await running.http.request("GET", song["link"])
            assert (played.status, played.headers["content-type"]) == (200, "audio/mpeg")
            assert hashlib.sha256(played.body).hexdigest() == song["sha256"]
            assert (tmp_path / "songs" / song["key"]).read_bytes() == played.body
            part = await running.http.request("GET", song["link"], headers={"range": "bytes=0-9"})
            assert (part.status, part.body) == (206, played.body[:10])
        (task,) = simulator.tasks.values()
        assert task.headers["authorization"] == "Bearer provider-key"
        assert [sent.status for sent in task.callbacks] == [200, 200, 200]


SCRIPTS = {
    "everything three times": {"duplicates": 3},
    "in the wrong order": {"reorder": True},
    "first lost": {"lose": ["first"]},
    "text is nonsense": {"malformed": ["text"], "malformed_as": "html"},
    "half at first, whole by callback": {"half": "callback"},
    "half at first, whole by status call": {"half": "status", "whole_after": 0},
    "called back before the reply": {"callback_before_reply": True},
    "one track": {"tracks": 1},
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
async def test_whatever_happens_on_the_way_there_is_one_complete_song(tmp_path: Path, script: dict[str, Any]) -> None:
    async with simulating() as simulator, reachable(config(tmp_path, simulator)) as running:
        submission = await finished(running, await submit(running, simulate=script))
        types = [event["type"] for event in submission["events"]]
        assert types.count("music.complete") == 1
        assert len(set(types)) == len(types)
        assert {row["state"] for row in submission["deliveries"]} <= {"delivered", "discarded"}
        names = [path.suffix for path in (tmp_path / "songs").rglob("*") if path.is_file()]
        assert names.count(".mp3") == script.get("tracks", 2)


async def test_links_that_died_are_asked_for_afresh(tmp_path: Path) -> None:
    folders = {name: {"type": "file", "directory": str(tmp_path / name), "retry": ["300ms"] * 10} for name in "ab"}
    routes = [{"when": {"type": "music.complete"}, "handlers": ["a", "b"]}]
    async with simulating() as simulator:
        path = config(tmp_path, simulator, handlers=folders, routes=routes)
        async with reachable(path) as running:
            # Each link gives its bytes once: the second archive finds it dead.
            submission = await finished(running, await submit(running, simulate={"links_die_after": 1}))
            assert [row["state"] for row in submission["deliveries"]] == ["delivered"] * 2
    copies = [sorted(file.read_bytes() for file in (tmp_path / name).rglob("*.mp3")) for name in "ab"]
    assert copies[0] == copies[1]
    assert len(copies[0]) == 2


@pytest.mark.parametrize("shape", ["null", "empty", "error", "complete"])
async def test_a_failure_in_any_shape_is_told_with_advice(tmp_path: Path, shape: str) -> None:
    async with simulating() as simulator, reachable(config(tmp_path, simulator)) as running:
        submission = await finished(running, await submit(running, simulate={"fail": 501, "fail_shape": shape}))
        assert submission["stage"] == "failed"
        assert submission["error"]["code"] == "501"
        assert submission["error"]["advice"]


async def test_a_song_whose_every_callback_is_lost_is_found(tmp_path: Path) -> None:
    async with simulating() as simulator:
        provider = {"type": "sunoapi", "api_key": "provider-key", "base_url": simulator.base_url, "deadline": "1s"}
        path = config(tmp_path, simulator, providers={"suno": provider})
        async with reachable(path) as running:
            ident = await submit(running, simulate={"lose": ["text", "first", "complete"]})
            submission = await finished(running, ident)
            events = await running.get(f"/v1/events?submission_id={ident}&type=music.complete")
            assert (submission["stage"], [event["via"] for event in events["data"]]) == ("complete", ["status"])


async def slow_song(exchange: Exchange) -> bool:
    """An mp3 that never ends, for whoever asks for b.mp3; a small one for the others."""
    if exchange.request.target.startswith("/b.mp3"):
        exchange.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nID3" + b"x" * 1000)
        await exchange.writer.drain()
        await exchange.stopping.wait()
        return False
    return await answer(b"ID3" + b"\0" * 2000)(exchange)


async def test_after_a_crash_only_what_is_missing_is_fetched(tmp_path: Path) -> None:
    async with simulating() as simulator, serve(slow_song) as host:
        path = config(tmp_path, simulator)
        async with serving(path) as running:
            made = await running.request("POST", "/v1/callback-urls", {"provider": "suno", "operation": "generate"})
            songs = [{"id": name, "title": name, "audio_url": f"{host.url}/{name}.mp3"} for name in ("a", "b")]
            body = {"code": 200, "data": {"callbackType": "complete", "task_id": "t", "data": songs}}
            token_path = made.json()["url"].removeprefix("http://127.0.0.1:9")
            assert (await running.request("POST", token_path, body)).status == 200
            await asked_for(host, "/b.mp3", 1)
            await running.end(signal.SIGKILL)
        async with serving(path) as running:
            await asked_for(host, "/b.mp3", 2)
            await running.end(signal.SIGKILL)
    assert [seen.target for seen in host.seen].count("/a.mp3") == 1
    (kept,) = (tmp_path / "songs").rglob("a-*.mp3")
    assert kept.read_bytes().startswith(b"ID3")


async def asked_for(host: Peer, target: str, times: int) -> None:
    async with asyncio.timeout(20):
        while [seen.target for seen in host.seen].count(target) < times:
            host.arrived.clear()
            await host.arrived.wait()
