"""A host that runs a Procfile: a folder that it deploys to, a release phase, and processes that it starts and ends."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.process import ROOT, environment

_STARTED = re.compile(r"(\S+) started \(pid=(\d+)\)")
_ENDED = re.compile(r"(\S+) +\| ended with (-?\d+)")
# Between the Procfile's shell, which dies of the signal that its process is sent too, and `receiver`.
_TOLD = """#!{python}
import signal, subprocess, sys
signal.signal(signal.SIGTERM, lambda *_: None)
code = subprocess.call([sys.executable, "-m", "receiver", *sys.argv[1:]])
print("ended with", code, flush=True)
sys.exit(code)
"""


@dataclass(frozen=True)
class Deploy:
    """What the host has of a program: its folder, as fresh as a clone, and the variables that were set there."""

    folder: Path
    variables: Mapping[str, str]

    def arrive(self, config: Any) -> None:
        """The clone, with this configuration in it; what was there before is gone."""
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "config").mkdir(parents=True)
        shutil.copy(ROOT / "Procfile", self.folder)
        (self.folder / "config" / "receiver.yaml").write_text(json.dumps(config))
        lines = (f'{name}="{value}"\n' for name, value in self.variables.items())
        (self.folder / ".env").write_text("".join(lines))
        self._bin.mkdir(exist_ok=True)
        (self._bin / "receiver").write_text(_TOLD.format(python=sys.executable))
        (self._bin / "receiver").chmod(0o755)

    async def run(self, *arguments: str) -> tuple[int, str]:
        """`honcho …` to its end: its exit code, and what it said."""
        process = await self.start(*arguments)
        async with asyncio.timeout(60):
            said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    @property
    def _bin(self) -> Path:
        return self.folder.with_suffix(".bin")

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        path = os.pathsep.join([str(self._bin), os.environ.get("PATH", "")])
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "honcho", "--no-colour", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**environment(), "PATH": path},
            cwd=self.folder,
        )


@dataclass
class Formation:
    """The processes that run. `pids` are by names such as web.1, and so are the `codes` that `receiver` ended with."""

    process: asyncio.subprocess.Process
    said: list[str] = field(default_factory=list)
    pids: dict[str, int] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    reader: asyncio.Task[None] | None = None

    async def end(self, seconds: float) -> int:
        """Asks all of them to end, and waits until they have; the exit code of the one that started them."""
        self.process.terminate()
        async with asyncio.timeout(seconds):
            code = await self.process.wait()
            if self.reader:
                await self.reader
        return code

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said.append(line.decode())
            if started := _STARTED.search(self.said[-1]):
                self.pids[started[1]] = int(started[2])
            if ended := _ENDED.search(self.said[-1]):
                self.codes[ended[1]] = int(ended[2])

    def kill(self) -> None:
        """Whoever is left; each has a group of its own."""
        for name, pid in self.pids.items():
            if name not in self.codes:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
        if self.process.returncode is None:
            self.process.kill()


@contextlib.asynccontextmanager
async def started(deploy: Deploy, *arguments: str) -> AsyncIterator[Formation]:
    """`honcho start …`; killed at the end where the test has not ended it."""
    formation = Formation(await deploy.start("start", *arguments))
    formation.reader = asyncio.create_task(formation.listen())
    try:
        yield formation
    finally:
        if formation.process.returncode is None:
            formation.kill()
        await formation.process.wait()
        await formation.reader


def free_ports(count: int) -> int:
    """The first of so many ports in a row that are free."""
    while True:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError, OverflowError):
            first = _bound(stack, 0)
            for number in range(1, count):
                _bound(stack, first + number)
            return first


def _bound(stack: contextlib.ExitStack, port: int) -> int:
    probe = stack.enter_context(socket.socket())
    probe.bind(("127.0.0.1", port))
    return int(probe.getsockname()[1])
