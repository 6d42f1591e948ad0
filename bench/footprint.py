"""What the service takes before anything happens: resident memory, time to the first 200 of /readyz, time to import.

A usual configuration: SQLite, file, slack and log handlers. The database exists from the second start on, and the
first, which makes it, counts too.

    python -m bench.footprint [--rounds 7]
"""

import argparse
import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.common import (
    NOWHERE,
    ROOT,
    Server,
    cores,
    describe_machine,
    end,
    folder,
    spread,
    verdict,
    write_config,
)

_TARGET_MB, _TARGET_START_S = 80.0, 1.5
_PATIENCE_S = 30.0
_REST_S = 1.0  # until the loops have had their first turn
_IMPORT = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


def measure(rounds: int) -> None:
    where = cores()
    started_s, resident, imported_s, bare_s = [], [], [], []
    with folder() as place:
        config = _config(place)
        for _ in range(rounds):
            with _running(config, place / "log.txt", where.server) as (server, took):
                started_s.append(took)
                time.sleep(_REST_S)
                resident.append(server.resident_mb())
            imported_s.append(_import_s("receiver.cli", where.server))
            bare_s.append(_import_s("starlette.applications, uvicorn, pydantic", where.server))
    print(f"resident at rest: {spread(resident, 'MB', 1)}; {verdict(median(resident) <= _TARGET_MB, '80 MB')}")
    print(f"exec to 200: {spread(started_s, 's', 2)}; {verdict(median(started_s) <= _TARGET_START_S, '1.5 s')}")
    print(f"import receiver.cli: {spread(imported_s, 's', 2)}")
    print(f"import starlette, uvicorn, pydantic alone: {spread(bare_s, 's', 2)}")


def _config(place: Path) -> Path:
    handlers = (
        f"{{archive: {{type: file, directory: '{place}/songs'}}, problems: {{type: log}}, "
        f"team: {{type: slack, webhook_url: '{NOWHERE}/services/T0/B0/x'}}}}"
    )
    routes = (
        "[{when: {type: music.complete}, handlers: [archive, {team: {needs: archive}}]}, "
        "{when: {level: problem}, handlers: [problems]}]"
    )
    return write_config(place, handlers, routes)


@contextlib.contextmanager
def _running(config: Path, log: Path, core: int) -> Iterator[tuple[Server, float]]:
    """A service that has answered, and the seconds from exec until it did."""
    port = _free_port()
    command = [sys.executable, "-m", "receiver", "serve", "-c", str(config), "--port", str(port)]
    own = os.sched_getaffinity(0)
    with log.open("wb") as output:
        os.sched_setaffinity(0, {core})
        start = time.perf_counter()
        child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        os.sched_setaffinity(0, own)
    try:
        _wait_ready(child, port, log)
        yield Server(child.pid, core, "127.0.0.1", port, log), time.perf_counter() - start
    finally:
        end(child)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_ready(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until and child.poll() is None:
        if _is_ready(port):
            return
        time.sleep(0.002)
    raise SystemExit(f"The service did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _import_s(module: str, core: int) -> float:
    command = ["taskset", "-c", str(core), sys.executable, "-c", _IMPORT.format(module)]
    return float(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    describe_machine()
    measure(given.rounds)


if __name__ == "__main__":
    main()
