"""Callbacks a second on one core, and their latency at 500 a second while handlers run.

Alternating: `serve` is the whole service, which also routes every event; `store` its callback endpoint alone: token,
parse, identity and a commit at FULL before each answer; `memory` the same without a store; `bare` Starlette that
parses the same body with json. Every callback is the first of its own submission. Needs wrk.

    python -m bench.callbacks [--rounds 5] [--seconds 3] [--only rate|latency]
"""

import argparse
import asyncio
import sqlite3
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

from bench.common import (
    Cores,
    Server,
    core_busy_s,
    cores,
    describe_machine,
    folder,
    percentile,
    receiver,
    spread,
    sqlite_url,
    started,
    verdict,
    write_config,
)
from bench.load import Round, blast, pace, require_wrk
from bench.seeds import plant

_ENOUGH = 12_000  # callbacks a second that there are submissions for
_MODES = ("serve", "store", "memory", "bare")
_KEEPING = ("serve", "store")
_TARGET_PER_S = 5000
_PACE, _TARGET_P99_MS = 500, 15.0
_DRAIN_S = 60.0


def measure_rate(rounds: int, seconds: int, where: Cores) -> None:
    require_wrk()
    found: dict[str, list[Round]] = {mode: [] for mode in _MODES}
    with folder() as place, ExitStack() as stack:
        share = _ENOUGH * seconds
        seeds = {mode: asyncio.run(plant(sqlite_url(_database(place, mode)), share * rounds)) for mode in _KEEPING}
        seeds |= {mode: seeds["store"][:share] * rounds for mode in _MODES if mode not in _KEEPING}
        servers = {mode: _start(mode, place, where, stack) for mode in _MODES}
        for number in range(rounds):
            for mode in _MODES:
                mine = seeds[mode][number * share : (number + 1) * share]
                one = blast(servers[mode], mine, place, seconds)
                if mode in _KEEPING and one.requests > share:
                    raise SystemExit("More callbacks went through than there were submissions: raise _ENOUGH.")
                found[mode].append(one)
        for mode in _KEEPING:
            _check_kept(_database(place, mode), sum(one.requests for one in found[mode]))
    _print_rates(found)


def _start(mode: str, place: Path, where: Cores, stack: ExitStack) -> Server:
    own = _database(place, mode).parent
    own.mkdir(exist_ok=True)
    arguments = ["bench.peers", mode, "--database", str(own / "receiver.db")]
    if mode == "serve":
        arguments = receiver(write_config(own))
    return stack.enter_context(started(arguments, where.server, own / "log.txt"))


def _database(place: Path, mode: str) -> Path:
    return place / mode / "receiver.db"


def _check_kept(database: Path, answered: int) -> None:
    """200 means committed: what was answered is on disk."""
    kept = _count(database, "submissions WHERE stage = 'complete'")
    if kept < answered:
        raise SystemExit(f"{answered} callbacks were answered 200 and {kept} songs are stored.")


def _count(database: Path, rows: str) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        return int(db.execute(f"SELECT count(*) FROM {rows}").fetchone()[0])


def _print_rates(found: Mapping[str, list[Round]]) -> None:
    bare = median(one.per_s for one in found["bare"])
    for mode, rounds in found.items():
        rate = median(one.per_s for one in rounds)
        print(f"{mode:7} {spread([one.per_s for one in rounds], 'callbacks/s')}, {rate / bare:.2f} of bare")
        print(f"        {spread([one.cpu_us for one in rounds], 'µs of processor time each')}")
        print(f"        p50 {spread([one.p50_ms for one in rounds], 'ms', 1)}, ", end="")
        print(f"p99 {spread([one.p99_ms for one in rounds], 'ms', 1)}; 64 connections")
        print(f"        others had {spread([one.others * 100 for one in rounds], '% of its core')}")
    store = median(one.per_s for one in found["store"])
    print(f"store: {store:,.0f}/s, {verdict(store >= _TARGET_PER_S, '5,000/s')}")
    alone = 1e6 / median(one.cpu_us for one in found["store"])
    print(f"store: {alone:,.0f} a second of processor time, which is what a core of its own would do")
    cost = median(one.cpu_us for one in found["store"]) - median(one.cpu_us for one in found["memory"])
    print(f"the store's part: {cost:,.0f} µs a callback")


def measure_latency(rounds: int, seconds: int, where: Cores) -> None:
    """At a fixed rate; every callback is delivered to a log handler and to a target that answers after 1 ms."""
    p50s, p99s, drains, others = [], [], [], []
    with folder() as place:
        seeds = asyncio.run(plant(sqlite_url(place / "receiver.db"), _PACE * seconds * rounds))
        share = len(seeds) // rounds
        with started(["bench.peers", "stub", "--pause", "0.001"], where.load, place / "stub.txt") as target:
            config = _handlers_config(place, f"http://{target.host}:{target.port}/hook")
            with started(receiver(config), where.server, place / "log.txt") as server:
                for number in range(rounds):
                    before = core_busy_s(server.core) - server.cpu_s()
                    latencies = asyncio.run(pace(server, seeds[number * share : (number + 1) * share], _PACE))
                    others.append((core_busy_s(server.core) - server.cpu_s() - before) / seconds * 100)
                    p50s.append(percentile(latencies, 0.5))
                    p99s.append(percentile(latencies, 0.99))
                    drains.append(_drain(place / "receiver.db", (number + 1) * share))
    print(f"at {_PACE}/s while handlers run: p50 {spread(p50s, 'ms', 1)}, p99 {spread(p99s, 'ms', 1)}")
    print(f"        others had {spread(others, '% of its core')}")
    print(f"        the last delivery ended {spread(drains, 's', 1)} after the last answer")
    print(f"        {verdict(median(p99s) < _TARGET_P99_MS, 'p99 < 15 ms')}")


def _handlers_config(place: Path, url: str) -> Path:
    handlers = f"{{lines: {{type: log}}, hook: {{type: 'bench.hook:Hook', url: '{url}'}}}}"
    routes = "[{when: {type: music.complete}, handlers: [lines, hook]}]"
    return write_config(place, handlers, routes)


def _drain(database: Path, events: int) -> float:
    """Seconds until two deliveries of every event are done."""
    start = time.monotonic()
    while _count(database, "deliveries WHERE state = 'delivered'") < events * 2:
        if time.monotonic() - start > _DRAIN_S:
            raise SystemExit("The deliveries did not end within a minute.")
        time.sleep(0.05)
    return time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each round")
    parser.add_argument("--only", choices=["rate", "latency"])
    given = parser.parse_args()
    describe_machine()
    where = cores()
    if given.only != "latency":
        measure_rate(given.rounds, given.seconds, where)
    if given.only != "rate":
        measure_latency(given.rounds, given.seconds, where)


if __name__ == "__main__":
    main()
