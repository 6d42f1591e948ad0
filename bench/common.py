"""What every script shares: cores, children that always end, the configuration of a receiver, and how figures print."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
# Only for loopback, and only for as long as a script runs.
SECRET = "bench-secret-of-no-worth"
TOKEN = "bench-client-of-no-worth"
NOWHERE = "http://127.0.0.1:9"

_READY = re.compile(r"Ready on (http://\S+)")
_START_S = 30.0
_END_S = 15.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cores:
    """The server under test has a core of its own; everything else shares the other."""

    server: int
    load: int


def cores() -> Cores:
    """Pins this process to the load's core, and says so where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) == 1:
        print("One core only: server and load share it, so every figure is too low.")
    chosen = Cores(usable[0], usable[-1])
    os.sched_setaffinity(0, {chosen.load})
    return chosen


@dataclass(frozen=True, slots=True)
class Server:
    """A child that listens on loopback."""

    pid: int
    core: int
    host: str
    port: int
    log: Path

    def cpu_s(self) -> float:
        """Seconds of processor time so far, all threads."""
        return process_cpu_s(self.pid)

    def resident_mb(self) -> float:
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0


def process_cpu_s(pid: int) -> float:
    """Seconds of processor time so far, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def core_busy_s(core: int) -> float:
    """Seconds that a core was not idle, whoever had it, the machine's other guests included."""
    line = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith(f"cpu{core} "))
    user, nice, system, _idle, _waiting, interrupts, soft, stolen = (int(field) for field in line.split()[1:9])
    return (user + nice + system + interrupts + soft + stolen) / _TICKS


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="receiver-bench-") as name:
        yield Path(name)


@contextmanager
def started(arguments: Sequence[str], core: int, log: Path) -> Iterator[Server]:
    """`python -m …` on one core, from the moment it says that it is ready until the block ends."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    os.sched_setaffinity(child.pid, {core})
    try:
        address = urlsplit(_address(child, log))
        yield Server(child.pid, core, address.hostname or "", address.port or 0, log)
    finally:
        end(child)


def receiver(config: Path, command: str = "serve") -> list[str]:
    """The arguments that start the service under a configuration, on a free port."""
    return ["receiver", command, "-c", str(config), "--port", "0"]


def _address(child: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + _START_S
    while time.monotonic() < until and child.poll() is None:
        if found := _READY.search(log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.005)
    raise SystemExit(f"A server did not start:\n{log.read_text(errors='replace')[-2000:]}")


def end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{path}"


def write_config(
    place: Path, handlers: str = "{}", routes: str = "[]", base_url: str = NOWHERE, database: str = ""
) -> Path:
    """A configuration with one provider below `place`, and SQLite there where no other database is named.

    `handlers` and `routes` are YAML in flow style.

    The deadline is a day, so that no status call disturbs a measurement.
    """
    path = place / "receiver.yaml"
    database = database or sqlite_url(place / "receiver.db")
    path.write_text(f"""\
public_url: https://receiver.example
database: "{database}"
secret: {SECRET}
admin: {{password: {SECRET}}}
clients:
  app: {{token: {TOKEN}}}
providers:
  suno: {{type: sunoapi, api_key: bench-key, base_url: "{base_url}", deadline: 1d}}
handlers: {handlers}
routes: {routes}
""")
    return path


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def spread(values: Sequence[float], unit: str, digits: int = 0) -> str:
    """Median, and from least to most."""
    return f"{median(values):,.{digits}f} {unit} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def verdict(reached: bool, target: str) -> str:
    return f"target {target}: {'reached' if reached else 'MISSED'}"


def describe_machine() -> None:
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f} before the start, Python {sys.version.split()[0]}")
