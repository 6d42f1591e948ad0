import json
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.support.process import CLIENT, command, serving, write_config

PROVIDERS = {"suno": {"type": "sunoapi", "api_key": "provider-key-123", "base_url": "http://127.0.0.1:9"}}


async def test_a_start_says_where_it_is_and_what_is_missing(tmp_path: Path) -> None:
    async with serving(write_config(tmp_path, public_url=None, providers=PROVIDERS)) as running:
        assert (await running.get("/readyz"))["status"] == "ok"
        health = await running.get("/healthz")
        assert health["status"] == "warn"
        assert any("status mode" in line for line in running.said)


async def test_the_admin_password_is_made_once_and_shown_once(tmp_path: Path) -> None:
    config = write_config(tmp_path, admin={}, providers=PROVIDERS)
    async with serving(config) as first:
        said = next(line for line in first.said if "admin password is" in line)
        password = said.split("admin password is ")[1].split()[0]
        assert (await first.request("GET", "/v1/events", token=password)).status == 200
        assert (await first.request("GET", "/v1/events", token="guess")).status == 401
        await first.end(signal.SIGTERM)
    async with serving(config) as second:
        assert not any("admin password" in line for line in second.said)
        assert (await second.request("GET", "/v1/events", token=password)).status == 200


async def test_a_second_serve_on_one_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    config = write_config(tmp_path, providers=PROVIDERS)
    async with serving(config):
        second = await command("serve", "--config", str(config), "--port", "0")
    assert second.code == 1
    assert len(second.err.strip().splitlines()) == 1
    assert "receiver.db" in second.err


async def test_a_port_in_use_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = await command("serve", "--config", str(write_config(tmp_path)), "--port", str(port))
    assert (run.code, len(run.err.strip().splitlines())) == (1, 1)
    assert f"127.0.0.1:{port}" in run.err
    assert "--port" in run.err


@pytest.mark.parametrize("bad", ["a folder", "no database", "below a file"])
async def test_a_database_that_cannot_be_opened_is_said_in_one_sentence(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "db"
    if bad == "a folder":
        path.mkdir()
    else:
        path.write_bytes(b"this is no database " * 100)
    name = path / "receiver.db" if bad == "below a file" else path
    run = await command("serve", "--config", str(write_config(tmp_path, database=f"sqlite:///{name}")), "--port", "0")
    assert (run.code, len(run.err.strip().splitlines())) == (1, 1)
    assert str(path) in run.err


async def test_a_bad_configuration_is_told_whole_with_exit_code_2(tmp_path: Path) -> None:
    config = write_config(tmp_path, providers=PROVIDERS, handler={}, routes=[{"handlers": ["nobody"]}])
    for name in ("serve", "check", "migrate"):
        run = await command(name, "--config", str(config))
        assert run.code == 2
        assert len(run.err.strip().splitlines()) == 2


@pytest.mark.parametrize("variables", [{"PORT": "eighty"}, {}])
async def test_bad_usage_is_exit_code_2(tmp_path: Path, variables: dict[str, str]) -> None:
    arguments = ["serve", "--config", str(write_config(tmp_path))] if variables else ["serve", "--nonsense"]
    run = await command(*arguments, env=variables)
    assert run.code == 2
    assert "Traceback" not in run.err


async def test_it_ends_in_time_although_a_handler_hangs(tmp_path: Path) -> None:
    sink = {"type": "tests.support.sink:Sink", "file": str(tmp_path / "sink"), "takes": "1h", "timeout": "2h"}
    routes = [{"handlers": ["sink"]}]
    config = write_config(tmp_path, providers=PROVIDERS, handlers={"sink": sink}, routes=routes)
    async with serving(config) as running:
        made = await running.request("POST", "/v1/callback-urls", {"provider": "suno", "operation": "generate"})
        path = made.json()["url"].removeprefix("http://127.0.0.1:9")
        song = {"id": "a", "audio_url": "https://cdn.example/a.mp3"}
        body = {"code": 200, "data": {"callbackType": "complete", "task_id": "t", "data": [song]}}
        assert (await running.request("POST", path, body)).status == 200
        await running.until("/v1/deliveries?state=running", lambda page: page["data"])
        begun = time.monotonic()
        assert await running.end(signal.SIGTERM) == 0
        assert time.monotonic() - begun < 10
    async with serving(config) as again:
        page = await again.until("/v1/deliveries?state=running", lambda page: page["data"])
        assert page["data"][0]["attempts"] == 2


async def test_an_idle_service_ends_at_once(tmp_path: Path) -> None:
    async with serving(write_config(tmp_path, providers=PROVIDERS)) as running:
        await running.get("/readyz")
        begun = time.monotonic()
        assert await running.end(signal.SIGTERM) == 0
        assert time.monotonic() - begun < 3


async def test_no_secret_and_no_token_is_logged(tmp_path: Path) -> None:
    config = write_config(tmp_path, providers=PROVIDERS, handlers={"log": {"type": "log"}})
    async with serving(config) as running:
        headers = {"authorization": f"Bearer {CLIENT}"}
        content = json.dumps({"prompt": "x"}).encode()
        url = f"{running.url}/suno/api/v1/generate"
        answer = await running.http.request("POST", url, headers=headers, content=content)
        assert answer.status == 502
        made = await running.request("POST", "/v1/callback-urls", {"provider": "suno", "operation": "generate"})
        token = made.json()["url"].rpartition("/")[2]
        await running.request("POST", f"/callbacks/{token}", {"nonsense": True})
        await running.request("GET", f"/callbacks/{token}x")
        await running.end(signal.SIGTERM)
        said = "".join(running.said)
    assert token not in said
    assert CLIENT not in said
    assert "provider-key-123" not in said
