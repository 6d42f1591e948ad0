"""Retention and backups of a real process: beside it, and with everything that must last."""

import json
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.process import Running, command, serving, write_config

PROVIDERS = {"suno": {"type": "sunoapi", "api_key": "provider-key-123", "base_url": "http://127.0.0.1:9"}}
ROUTES = [{"when": {"type": "music.*"}, "handlers": ["log"]}]


def config(folder: Path, **sections: Any) -> Path:
    return write_config(folder, handlers={"log": {"type": "log"}}, routes=ROUTES, providers=PROVIDERS, **sections)


async def callback_path(running: Running) -> tuple[str, str]:
    """A submission's id and the path of its callbacks."""
    wish = {"provider": "suno", "operation": "generate", "client": "app"}
    made = (await running.request("POST", "/v1/callback-urls", wish)).json()
    return made["submission_id"], urlsplit(made["url"]).path


async def call_back(running: Running, path: str, stage: str) -> None:
    song = {"id": "a", "title": "Night Ferry", "audio_url": "https://cdn.example/a.mp3"}
    body = {"code": 200, "msg": "ok", "data": {"callbackType": stage, "task_id": "t", "data": [song]}}
    assert (await running.request("POST", path, body)).status == 200


async def delivered(running: Running, count: int) -> list[Any]:
    """The events, newest first, once so many deliveries have ended."""
    await running.until("/v1/deliveries?state=delivered", lambda page: len(page["data"]) == count)
    found: list[Any] = (await running.get("/v1/events"))["data"]
    return found


async def test_what_is_pruned_beside_a_receiver_is_gone_there_and_its_song_is_not(tmp_path: Path) -> None:
    path = config(tmp_path)
    async with serving(path) as running:
        ident, callbacks = await callback_path(running)
        await call_back(running, callbacks, "complete")
        (event,) = await delivered(running, 1)
        pruned = await command("prune", "--config", str(path), "--events", "1ms", "--callbacks", "1ms", "--json")
        assert json.loads(pruned.out) == {
            "dry_run": False,
            "callbacks": 1,
            "events": 1,
            "deliveries": 1,
            "attempts": 1,
            "keys": 0,
            "stayed": 0,
        }
        assert pruned.err == ""
        gone = await running.request("GET", f"/v1/events/{event['id']}")
        assert (gone.status, f"/v1/submissions/{ident}" in gone.json()["detail"]) == (410, True)
        shown = await command("events", event["id"], "--config", str(path))
        assert (shown.code, shown.err) == (1, gone.json()["detail"] + "\n")
        # The same callback once more, and another one of the same stage: no second event.
        await call_back(running, callbacks, "complete")
        song = await running.get(f"/v1/submissions/{ident}")
        assert (song["stage"], len(song["results"]), song["events"], song["deliveries"]) == ("complete", 1, [], [])
        assert (await running.get("/v1/events"))["data"] == []


async def test_a_copy_made_beside_a_receiver_takes_over(tmp_path: Path) -> None:
    path, copy = config(tmp_path), tmp_path / "copy.db"
    async with serving(path) as running:
        ident, callbacks = await callback_path(running)
        await call_back(running, callbacks, "first")
        await delivered(running, 1)
        made = await command("backup", str(copy), "--config", str(path))
        assert (made.code, made.err) == (0, "")
        assert await running.end(signal.SIGTERM) == 0
    restored = tmp_path / "restored"
    restored.mkdir()
    copy.rename(restored / "receiver.db")
    async with serving(config(restored)) as running:
        # The address of before is still one of ours: the secret is in the copy.
        await call_back(running, callbacks, "complete")
        assert [event["type"] for event in await delivered(running, 2)] == ["music.complete", "music.first"]
        assert (await running.get(f"/v1/submissions/{ident}"))["stage"] == "complete"
