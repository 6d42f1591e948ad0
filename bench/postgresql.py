"""Callbacks a second into several webs on one PostgreSQL, and songs a second from the callback to the handler.

Everything on this machine: the webs, the server with its processes, and the load. Alternating: 1, 2 and 4 `receiver
web`, and as many `bare`, Starlette that parses the same body with json. Every callback is the first of its own
submission, and is committed with fsync before its answer. The PostgreSQL is the tests' own. Needs wrk.

    python -m bench.postgresql [--rounds 5] [--seconds 3] [--only rate|songs]
"""

import argparse
import asyncio
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.common import (
    Server,
    describe_machine,
    folder,
    process_cpu_s,
    receiver,
    spread,
    started,
    verdict,
    write_config,
)
from bench.load import Round, blast_all, require_wrk
from bench.seeds import Seed, plant
from tests.support.postgresql import Cluster, running

_ENOUGH = 8_000  # callbacks a second that there are submissions for
_WEBS, _SERVES = (1, 2, 4), (1, 2, 4)
_TARGET_PER_S = 4000
_DRAIN_S = 120.0
_SERVER = {"shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}
_HANDLERS = "{lines: {type: log, concurrency: 100}}"
_ROUTES = "[{when: {type: music.complete}, handlers: [lines]}]"


@dataclass(frozen=True, slots=True)
class House:
    """What the measurements share. `planted` is a database with the submissions that the seeds call back for."""

    cluster: Cluster
    place: Path
    planted: str
    seeds: Sequence[Seed]

    @contextmanager
    def database(self) -> Iterator[str]:
        """A copy of the planted one, with a folder of its name below `place`."""
        name = self.cluster.create_database(self.planted)
        (self.place / name).mkdir()
        try:
            yield name
        finally:
            self.cluster.drop_database(name)

    @contextmanager
    def receivers(self, command: str, count: int, database: str) -> Iterator[list[Server]]:
        """So many on one database, in turn on every core."""
        own = self.place / database
        config = write_config(own, _HANDLERS, _ROUTES, database=self.cluster.url(database))
        with ExitStack() as stack:
            yield [
                stack.enter_context(started(receiver(config, command), _core(number), own / f"log-{number}.txt"))
                for number in range(count)
            ]

    @contextmanager
    def bare(self, count: int) -> Iterator[list[Server]]:
        with ExitStack() as stack:
            yield [
                stack.enter_context(started(["bench.peers", "bare"], _core(number), self.place / f"bare-{number}.txt"))
                for number in range(count)
            ]

    def count(self, database: str, rows: str) -> int:
        return int(self.cluster.query(f"SELECT count(*) FROM {rows}", database)[0][0])

    def cpu_s(self) -> dict[int, float]:
        """Seconds of processor time of each of the server's processes."""
        found = {}
        for child in Path(f"/proc/{self.cluster.pid}/task/{self.cluster.pid}/children").read_text().split():
            with suppress(FileNotFoundError):
                found[int(child)] = process_cpu_s(int(child))
        return found


@dataclass(frozen=True, slots=True)
class Burst:
    """A round, and what the server took for each callback: µs of processor time, bytes of log, flushes."""

    load: Round
    server_us: float
    wal_bytes: float
    flushes: float


def _core(number: int) -> int:
    usable = sorted(os.sched_getaffinity(0))
    return usable[number % len(usable)]


def measure_rate(house: House, rounds: int, seconds: int) -> None:
    webs: dict[int, list[Burst]] = {count: [] for count in _WEBS}
    bare: dict[int, list[Round]] = {count: [] for count in _WEBS}
    for _ in range(rounds):
        for count in _WEBS:
            with house.database() as name, house.receivers("web", count, name) as servers:
                webs[count].append(_burst(house, servers, seconds))
                _check_kept(house, name, webs[count][-1].load.requests)
            with house.bare(count) as servers:
                bare[count].append(blast_all(servers, house.seeds, house.place, seconds))
    _print_rates(webs, bare)


def _burst(house: House, servers: Sequence[Server], seconds: int) -> Burst:
    before, (wal, flushes) = house.cpu_s(), _written(house)
    load = blast_all(servers, house.seeds, house.place, seconds)
    wal_after, flushes_after = _written(house)
    cpu_s = sum(cpu - before.get(pid, 0.0) for pid, cpu in house.cpu_s().items())
    each = max(load.requests, 1)
    return Burst(load, cpu_s / each * 1e6, (wal_after - wal) / each, (flushes_after - flushes) / each)


def _written(house: House) -> tuple[int, int]:
    """Bytes of the server's log so far, and how often it was flushed to disk."""
    bytes_ = house.cluster.query("SELECT wal_bytes FROM pg_stat_wal")[0][0]
    flushes = house.cluster.query("SELECT coalesce(sum(fsyncs), 0) FROM pg_stat_io WHERE object = 'wal'")[0][0]
    return int(bytes_), int(flushes)


def _check_kept(house: House, database: str, answered: int) -> None:
    """200 means committed: what was answered is in the database, each callback once."""
    kept = house.count(database, "submissions WHERE stage = 'complete'")
    if kept < answered:
        raise SystemExit(f"{answered} callbacks were answered 200 and {kept} songs are stored; or raise _ENOUGH.")


def _print_rates(webs: Mapping[int, list[Burst]], bare: Mapping[int, list[Round]]) -> None:
    for count in _WEBS:
        loads = [one.load for one in webs[count]]
        ratio = median(one.per_s for one in loads) / median(one.per_s for one in bare[count])
        print(f"{count} web: {spread([one.per_s for one in loads], 'callbacks/s')}, {ratio:.2f} of as many bare")
        print(f"        p50 {spread([one.p50_ms for one in loads], 'ms', 1)}, ", end="")
        print(f"p99 {spread([one.p99_ms for one in loads], 'ms', 1)}; 64 connections")
        print(f"        {spread([one.cpu_us for one in loads], 'µs of processor time each')} in the webs")
        print(f"        {spread([one.server_us for one in webs[count]], 'µs')} in PostgreSQL, ", end="")
        print(f"{spread([one.wal_bytes for one in webs[count]], 'bytes of its log')}, ", end="")
        print(f"{spread([one.flushes for one in webs[count]], 'flushes', 3)}")
        print(f"{count} bare: {spread([one.per_s for one in bare[count]], 'callbacks/s')}, ", end="")
        print(f"{spread([one.cpu_us for one in bare[count]], 'µs of processor time each')}")
    two = median(one.load.per_s for one in webs[2])
    print(f"two webs: {two:,.0f}/s, {verdict(two >= _TARGET_PER_S, '4,000/s')}")


def measure_songs(house: House, rounds: int, seconds: int) -> None:
    """As many callbacks as go through for a while, and the time until the handler has had every one of them."""
    for count in _SERVES:
        rates, sizes = [], []
        for _ in range(rounds):
            with house.database() as name, house.receivers("serve", count, name) as servers:
                before, start = _size(house, name), time.monotonic()
                load = blast_all(servers, house.seeds, house.place, seconds)
                rates.append(load.requests / (_drained(house, name, load.requests) - start))
                sizes.append((_size(house, name) - before) / load.requests)
        print(f"{count} serve: {spread(rates, 'songs/s')} from the callback to the end of its delivery")
        print(f"        {spread(sizes, 'bytes of database a song')}")


def _drained(house: House, database: str, songs: int) -> float:
    """When every song is delivered."""
    until = time.monotonic() + _DRAIN_S
    while house.count(database, "deliveries WHERE state = 'delivered'") < songs:
        if time.monotonic() > until:
            raise SystemExit("The deliveries did not end within two minutes.")
        time.sleep(0.05)
    return time.monotonic()


def _size(house: House, database: str) -> int:
    return int(house.cluster.query(f"SELECT pg_database_size('{database}')")[0][0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each round")
    parser.add_argument("--only", choices=["rate", "songs"])
    given = parser.parse_args()
    require_wrk()
    describe_machine()
    with folder() as place, running(durable=True, settings=_SERVER) as cluster:
        planted = cluster.create_database()
        seeds = asyncio.run(plant(cluster.url(planted), _ENOUGH * given.seconds))
        cluster.query("VACUUM ANALYZE", planted)
        house = House(cluster, place, planted, seeds)
        if given.only != "songs":
            measure_rate(house, given.rounds, given.seconds)
        if given.only != "rate":
            measure_songs(house, given.rounds, given.seconds)


if __name__ == "__main__":
    main()
