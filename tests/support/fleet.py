"""Several receivers on one database: each a process of its own, started again whenever it ends, as a host does."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from receiver.errors import Outcome
from receiver.outbound import Answer, Http
from tests.support.postgresql import free_port
from tests.support.process import ADMIN, ROOT, environment

# What the host waits before it starts one again.
_REST_S = 0.1
_PATIENCE_S = 60.0


@dataclass
class Member:
    """`command` is serve, web or worker. `said` is what it has written to stderr, over all its starts."""

    command: str
    config: Path
    port: int = field(default_factory=free_port)
    starts: int = 0
    said: list[str] = field(default_factory=list)
    _process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        # Not through the process: that would take its end from the one who waits for it.
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    async def keep(self) -> None:
        """Until this is cancelled."""
        where = () if self.command == "worker" else ("--port", str(self.port))
        while True:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.support.hurried", self.command, "--config", str(self.config), *where),
                stderr=asyncio.subprocess.PIPE,
                limit=2**20,
                env=environment(),
                cwd=ROOT,
            )
            self.starts += 1
            try:
                await self._listen(self._process)
            except asyncio.CancelledError:
                self.kill()
                raise
            finally:
                await self._process.wait()
            await asyncio.sleep(_REST_S)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            self.said.append(line.decode())


@dataclass
class Fleet:
    members: Sequence[Member]
    http: Http = field(default_factory=Http)

    @property
    def webs(self) -> list[Member]:
        return [member for member in self.members if member.command != "worker"]

    async def request(self, member: Member, method: str, path: str, content: Any = None) -> Answer:
        headers = {"authorization": f"Bearer {ADMIN}"}
        return await self.http.request(method, member.url + path, headers=headers, json=content)

    async def readiness(self, member: Member) -> int:
        """The status of its /readyz; 0 where nobody answers."""
        try:
            return (await self.http.request("GET", f"{member.url}/readyz", timeout=timedelta(seconds=15))).status
        except Outcome:
            return 0

    async def until_ready(self, status: int = 200, of: Iterable[Member] | None = None) -> None:
        """Waits until every one of these webs says so; bounded."""
        for member in of or self.webs:
            async with asyncio.timeout(_PATIENCE_S):
                while await self.readiness(member) != status:  # noqa: ASYNC110 - another process works on it
                    await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def sailing(members: Sequence[Member]) -> AsyncIterator[Fleet]:
    """A fleet whose webs are all ready; ended with the block."""
    fleet = Fleet(members)
    keeping = [asyncio.create_task(member.keep()) for member in members]
    try:
        try:
            await fleet.until_ready()
        except TimeoutError:
            raise AssertionError("".join(line for member in members for line in member.said[-30:])) from None
        yield fleet
    finally:
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        await fleet.http.close()
