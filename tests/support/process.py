"""Runs `receiver` as a process of its own, as a user does, and talks to it over loopback."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from receiver.outbound import Answer, Http

ROOT = Path(__file__).parents[2]
ADMIN, CLIENT = "admin-password-123", "client-token-123456"
_READY = re.compile(r"Ready (?:on (http://\S+)|to deliver)")


@dataclass
class Run:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class Running:
    """A `receiver serve` on a free port, or a part of it. `said` is what it has written to stderr so far."""

    process: asyncio.subprocess.Process
    said: list[str] = field(default_factory=list)
    url: str = ""
    reader: asyncio.Task[None] | None = None
    http: Http = field(default_factory=Http)

    async def request(self, method: str, path: str, json: Any = None, token: str = ADMIN) -> Answer:
        headers = {"authorization": f"Bearer {token}"}
        return await self.http.request(method, self.url + path, headers=headers, json=json)

    async def get(self, path: str) -> Any:
        answer = await self.request("GET", path)
        assert answer.status == 200, answer.body
        return answer.json()

    async def until(self, path: str, true: Callable[[Any], Any], seconds: float = 20) -> Any:
        """Looks again and again until what is there is as wanted; what was there then."""
        async with asyncio.timeout(seconds):
            while not true(content := await self.get(path)):  # noqa: ASYNC110 - another process works on it
                await asyncio.sleep(0.02)
        return content

    async def end(self, number: signal.Signals) -> int:
        """Sends the signal and waits until the process is gone; its exit code."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        async with asyncio.timeout(20):
            code = await self.process.wait()
        if self.reader:
            await self.reader
        await self.http.close()
        return code


def environment(**extra: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **extra}


async def command(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Run:
    """Runs `receiver …` to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "receiver",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**(env or {})),
        cwd=cwd,
    )
    try:
        async with asyncio.timeout(60):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return Run(process.returncode or 0, out.decode(), err.decode())


def write_config(folder: Path, **sections: Any) -> Path:
    """A configuration with an admin and a client; JSON is YAML too."""
    whole = {
        "public_url": "http://127.0.0.1:9",
        "database": f"sqlite:///{folder / 'receiver.db'}",
        "admin": {"password": ADMIN},
        "clients": {"app": {"token": CLIENT}},
        "outbound": {"allow": ["127.0.0.1"]},
        **sections,
    }
    path = folder / "receiver.yaml"
    path.write_text(json.dumps(whole))
    return path


@contextlib.asynccontextmanager
async def serving(config: Path, *arguments: str, command: str = "serve") -> AsyncIterator[Running]:
    """`receiver serve`, or another of its kind, that is ready; killed at the end where the test has not ended it."""
    port = () if command == "worker" else ("--port", "0")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "receiver", command, "--config", str(config), *port, *arguments),
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
        cwd=ROOT,
    )
    running = Running(process)
    ready = asyncio.Event()
    running.reader = asyncio.create_task(_read(running, ready))
    try:
        async with asyncio.timeout(30):
            await ready.wait()
        assert running.url or command == "worker", "".join(running.said)
        yield running
    finally:
        if process.returncode is None:
            await running.end(signal.SIGKILL)


async def _read(running: Running, ready: asyncio.Event) -> None:
    assert running.process.stderr is not None
    async for line in running.process.stderr:
        running.said.append(line.decode())
        if match := _READY.search(running.said[-1]):
            running.url = match[1] or ""
            ready.set()
    ready.set()
