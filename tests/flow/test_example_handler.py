"""The package under docs/example-handler: installed as a user does it, and used by name."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support import process
from tests.support.peers import Peer, answer, serve
from tests.support.process import ROOT, command, serving, write_config

EXAMPLE = ROOT / "docs" / "example-handler"
PROVIDER = {"type": "sunoapi", "api_key": "provider-key", "base_url": "http://127.0.0.1:9"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package is installed into, without a network."""
    folder = tmp_path_factory.mktemp("installed")
    source = shutil.copytree(EXAMPLE, folder / "source", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    options = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation"]
    pip = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder / "site"), str(source)]
    subprocess.run(pip, check=True, timeout=120, capture_output=True)
    return folder / "site"


def config(folder: Path, url: str = "http://127.0.0.1:9/s3cr3t", **fields: Any) -> Path:
    team = {"type": "discord", "webhook_url": url} | fields
    routes = [{"when": {"type": "music.complete"}, "handlers": ["team"]}]
    return write_config(folder, providers={"suno": PROVIDER}, handlers={"team": team}, routes=routes)


def test_only_the_class_is_installed(installed: Path) -> None:
    assert {path.name for path in installed.glob("*.py")} == {"discord_handler.py"}


async def test_check_knows_the_installed_type(installed: Path, tmp_path: Path) -> None:
    path = config(tmp_path)
    known = await command("check", "--config", str(path), env={"PYTHONPATH": f"{ROOT}{os.pathsep}{installed}"})
    assert known.code == 0, known.out + known.err
    unknown = await command("check", "--config", str(path))
    assert unknown.code == 2
    assert "is not a handler type" in unknown.out + unknown.err


async def test_misspelt_key_is_told_with_file_and_line(installed: Path, tmp_path: Path) -> None:
    path = config(tmp_path)
    whole = json.loads(path.read_text())
    whole["handlers"]["team"]["usrname"] = "s3cr3t"
    path.write_text(json.dumps(whole, indent=1))
    line = next(number for number, text in enumerate(path.read_text().splitlines(), 1) if "usrname" in text)
    run = await command("check", "--config", str(path), env={"PYTHONPATH": f"{ROOT}{os.pathsep}{installed}"})
    assert run.code == 2
    told = " ".join((run.out + run.err).split())
    assert f"receiver.yaml:{line}" in told.replace(" ", "")
    assert "did you mean username?" in told
    assert "s3cr3t" not in told


@pytest.mark.parametrize("way", ["installed", "beside"])
async def test_song_reaches_the_service(
    way: str, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "discord"
    if way == "installed":
        environment = process.environment
        path = f"{ROOT}{os.pathsep}{installed}"
        monkeypatch.setattr(process, "environment", lambda **extra: environment(PYTHONPATH=path, **extra))
    else:
        shutil.copy(EXAMPLE / "discord_handler.py", tmp_path / "my_handlers.py")
        name = "my_handlers:Discord"
    async with serve(answer(status=204)) as discord, AsyncExitStack() as stack:
        running = await stack.enter_async_context(serving(config(tmp_path, f"{discord.url}/hooks/s3cr3t", type=name)))
        made = await running.request("POST", "/v1/callback-urls", {"provider": "suno", "operation": "generate"})
        song = {"id": "a", "title": "Night Ferry", "audio_url": "https://cdn.example.com/a.mp3"}
        body = {"code": 200, "data": {"callbackType": "complete", "task_id": "t", "data": [song]}}
        place = made.json()["url"].removeprefix("http://127.0.0.1:9")
        assert (await running.request("POST", place, body)).status == 200
        await told(discord)
        assert "s3cr3t" not in "".join(running.said)
    [seen] = discord.seen
    assert seen.target == "/hooks/s3cr3t"
    assert seen.json()["content"] == "**music.complete**\nNight Ferry https://cdn.example.com/a.mp3"


async def told(peer: Peer) -> None:
    async with asyncio.timeout(20):
        await peer.arrived.wait()


def test_its_own_tests_pass() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "pyproject.toml"],
        cwd=EXAMPLE,
        env=process.environment(PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "3 passed" in run.stdout
