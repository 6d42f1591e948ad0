"""The two load generators: `wrk` for as many callbacks as go through, and a paced client for a fixed rate."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.common import Server, core_busy_s
from bench.seeds import BODY, Seed, around_task, write_seeds
from bench.wire import Client, connect, post

_CONNECTIONS = 64
_MARK = "BENCH "

# Every request takes the next line of the file; `taken` past its length would mean callbacks that were sent before.
_SCRIPT = """\
local paths, tasks, taken = {{}}, {{}}, 0
local parts = {{ {parts} }}

function init(arguments)
  for path, task in io.open({file}):read("*a"):gmatch("(%S+) (%S+)\\n") do
    paths[#paths + 1], tasks[#tasks + 1] = path, task
  end
end

function request()
  taken = taken + 1
  local at = (taken - 1) % #paths + 1
  return "POST " .. paths[at] .. " HTTP/1.1\\r\\nHost: loopback\\r\\nContent-Type: application/json\\r\\n" ..
    "Content-Length: {length}\\r\\n\\r\\n" .. table.concat(parts, tasks[at])
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{mark}{{"requests": %d, "us": %d, "failed": %d, "p50_us": %d, "p99_us": %d}}\\n',
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Round:
    """What one run of wrk found. `cpu_us` is processor time of the server per request.

    `others` is the share of the server's core that other processes and the kernel's interrupts took.
    """

    requests: int
    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    others: float


def require_wrk() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed. On Debian: apt-get update && apt-get install -y wrk")


def blast(server: Server, seeds: Sequence[Seed], place: Path, seconds: int) -> Round:
    """As many callbacks as go through on 64 connections. Raises SystemExit where one of them failed."""
    busy_before = core_busy_s(server.core)
    # Children inherit the load's core.
    one = blast_all([server], seeds, place, seconds)
    busy = core_busy_s(server.core) - busy_before
    return replace(one, others=max(0.0, busy - one.cpu_us * one.requests / 1e6) / seconds)


def blast_all(servers: Sequence[Server], seeds: Sequence[Seed], place: Path, seconds: int) -> Round:
    """The same into several at once, which share the connections and the seeds; as if they were one.

    The percentiles are those of the slowest.
    """
    share = len(seeds) // len(servers)
    before = [server.cpu_s() for server in servers]
    running = [
        _start(server, seeds[number * share : (number + 1) * share], place / f"load-{number}", (seconds, len(servers)))
        for number, server in enumerate(servers)
    ]
    found = [_read(wrk, server, seconds) for wrk, server in zip(running, servers, strict=True)]
    cpu_s = sum(server.cpu_s() - cpu for server, cpu in zip(servers, before, strict=True))
    requests = sum(one["requests"] for one in found)
    return Round(
        requests=requests,
        per_s=sum(one["requests"] / one["us"] * 1e6 for one in found),
        p50_ms=max(one["p50_us"] for one in found) / 1000,
        p99_ms=max(one["p99_us"] for one in found) / 1000,
        cpu_us=cpu_s / max(requests, 1) * 1e6,
        others=0.0,
    )


def _start(server: Server, seeds: Sequence[Seed], place: Path, round_: tuple[int, int]) -> subprocess.Popen[str]:
    seconds, servers = round_
    script, listed = place.with_suffix(".lua"), place.with_suffix(".txt")
    write_seeds(listed, seeds)
    script.write_text(_write_script(listed))
    address = f"http://{server.host}:{server.port}"
    command = ["wrk", "-t1", f"-c{_CONNECTIONS // servers}", f"-d{seconds}s", "--timeout", "10s"]
    return subprocess.Popen([*command, "-s", str(script), address], stdout=subprocess.PIPE, text=True)


def _read(wrk: subprocess.Popen[str], server: Server, seconds: int) -> dict[str, int]:
    """What wrk counted. Raises SystemExit where a callback failed."""
    said, _ = wrk.communicate(timeout=seconds + 30)
    line = next((line for line in said.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        raise SystemExit(f"wrk said nothing that can be read:\n{said}")
    found: dict[str, int] = json.loads(line.removeprefix(_MARK))
    if found["failed"]:
        raise SystemExit(f"{found['failed']} callbacks failed:\n{said}\n{server.log.read_text()[-2000:]}")
    return found


def _write_script(seeds: Path) -> str:
    parts = ", ".join(json.dumps(part) for part in around_task())
    length = len(BODY.encode())
    return _SCRIPT.format(parts=parts, file=json.dumps(str(seeds)), length=length, mark=_MARK)


async def pace(server: Server, seeds: Sequence[Seed], per_s: int) -> list[float]:
    """One callback for each seed at a fixed rate, whatever the server does; latencies in ms from the scheduled time.

    Raises SystemExit where one is not answered 200.
    """
    idle: asyncio.Queue[Client] = asyncio.Queue()
    clients = [await connect(server.host, server.port) for _ in range(_CONNECTIONS)]
    for client in clients:
        idle.put_nowait(client)
    loop = asyncio.get_running_loop()
    start = loop.time() + 0.1
    async with asyncio.TaskGroup() as group:
        sent = [
            group.create_task(_send_at(start + number / per_s, post(seed.path, seed.body()), idle))
            for number, seed in enumerate(seeds)
        ]
    for client in clients:
        client.close()
    return [task.result() for task in sent]


async def _send_at(due: float, request: bytes, idle: asyncio.Queue[Client]) -> float:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(due - loop.time())
    client = await idle.get()
    answer = await client.send(request)
    took = loop.time() - due
    idle.put_nowait(client)
    if answer.status != 200:
        raise SystemExit(f"a callback was answered {answer.status}")
    return took * 1000
