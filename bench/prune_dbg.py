"""Whether answers wait while what is old is removed: callbacks at a steady rate, before it, and until it is done.

One `receiver serve` on a core of its own, on SQLite and on PostgreSQL, which has the load's. Every callback is the
first of its own submission, is committed with fsync before its answer, and is delivered to a log handler. First the
receiver runs with a retention that removes nothing, then it is started again with one that removes all old songs.

    python -m bench.prune [--rows 1000000] [--rate 200] [--only sqlite|postgresql]
"""

import argparse
import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bench.aged import ROWS, fill
from bench.common import (
    Cores,
    cores,
    describe_machine,
    folder,
    percentile,
    receiver,
    sqlite_url,
    started,
    verdict,
    write_config,
)
from bench.load import pace
from bench.seeds import Seed, plant
from tests.support.postgresql import running

_TARGET_P99_MS = 50.0
_CALM_S, _ROUND_S = 30, 10
_LEAST_PER_S = 700  # rows a second: there are callbacks for as long as that takes
_OLDEST, _YOUNGEST = timedelta(days=180), timedelta(days=91)
_NEVER, _USUAL = "{events: 36500d, callbacks: 36500d}", "{events: 90d, callbacks: 30d}"
_HANDLERS = "{lines: {type: log, concurrency: 100}}"
_ROUTES = "[{when: {type: music.complete}, handlers: [lines]}]"
_LEFT = "SELECT count(*) FROM events WHERE pruned_at IS NULL AND received_at < {}"
_SERVER = {"shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}


@dataclass(frozen=True, slots=True)
class Place:
    """A database: `count` answers a statement that counts, `extra` says what else there is to say of it."""

    name: str
    url: str
    folder: Path
    count: Callable[[str], int]
    tidy: Callable[[], None]
    extra: Callable[[], str]


@contextmanager
def _sqlite(place: Path) -> Iterator[Place]:
    path = place / "receiver.db"

    def count(sql: str) -> int:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return int(db.execute(sql).fetchone()[0])

    def extra() -> str:
        free = count("SELECT freelist_count FROM pragma_freelist_count")
        pages = count("SELECT page_count FROM pragma_page_count")
        log = path.with_name(path.name + "-wal").stat().st_size / 2**20 if count("SELECT 1") else 0
        return f"file {path.stat().st_size / 2**20:,.0f} MiB, {free / pages:.0%} of it free, WAL {log:,.0f} MiB"

    yield Place("SQLite", sqlite_url(path), place, count, lambda: None, extra)


@contextmanager
def _postgresql(place: Path) -> Iterator[Place]:
    with running(durable=True, settings=_SERVER) as cluster:
        name = cluster.create_database()

        def count(sql: str) -> int:
            return int(cluster.query(f"SET search_path TO receiver; {sql}", name)[0][0])

        def tidy() -> None:
            cluster.query("VACUUM ANALYZE", name)

        def extra() -> str:
            return f"database {count('SELECT pg_database_size(current_database())') / 2**20:,.0f} MiB"

        yield Place("PostgreSQL", cluster.url(name), place, count, tidy, extra)


def measure(database: Place, rows: int, rate: int, where: Cores) -> None:
    asyncio.run(plant(database.url, 0))
    fill(database.url, rows // ROWS, _OLDEST, _YOUNGEST)
    seeds = iter(asyncio.run(plant(database.url, rate * (_CALM_S + _ROUND_S + rows // _LEAST_PER_S))))
    database.tidy()
    left = _LEFT.format(int((time.time() - 90 * 86400) * 1e6))
    print(f"{database.name}: {database.count(left) * ROWS // 3:,} old rows; {database.extra()}", flush=True)

    def some(seconds: int) -> Sequence[Seed]:
        return [next(seeds) for _ in range(rate * seconds)]

    with started(receiver(_config(database, _NEVER)), where.server, database.folder / "calm.txt") as server:
        _print("at rest", asyncio.run(pace(server, some(_CALM_S), rate)), rate)
    with started(receiver(_config(database, _USUAL)), where.server, database.folder / "pruning.txt") as server:
        found: list[float] = []
        start, cpu = time.monotonic(), server.cpu_s()
        while database.count(left) and time.monotonic() - start < rows / _LEAST_PER_S:
            one = asyncio.run(pace(server, some(_ROUND_S), rate)); found += one; print("   chunk", [round(max(one[i:i+200])) for i in range(0, len(one), 200)], flush=True)
        took = time.monotonic() - start
        removed = rows - database.count(left) * ROWS // 3
        _print("while removing", found, rate)
        print(f"        {removed:,} rows in {took:,.0f} s, {removed / took:,.0f} a second; ", end="")
        print(f"its core was busy for {(server.cpu_s() - cpu) / took:.0%}; {database.extra()}")
        print(f"        {verdict(percentile(found, 0.99) < _TARGET_P99_MS, 'p99 < 50 ms')}", flush=True)


def _config(database: Place, retention: str) -> Path:
    path = write_config(database.folder, _HANDLERS, _ROUTES, database=database.url)
    path.write_text(f"{path.read_text()}retention: {retention}\n")
    return path


def _print(what: str, found: Sequence[float], rate: int) -> None:
    shares = ", ".join(f"{name} {percentile(found, share):.1f}" for name, share in (("p50", 0.5), ("p99", 0.99)))
    print(f"{what:15} {shares}, max {max(found):.1f} ms; {len(found):,} callbacks at {rate}/s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=200, help="callbacks a second")
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    given = parser.parse_args()
    describe_machine()
    where = cores()
    for name, opened in (("sqlite", _sqlite), ("postgresql", _postgresql)):
        if given.only in (None, name):
            with folder() as place, opened(place) as database:
                measure(database, given.rows, given.rate, where)


if __name__ == "__main__":
    main()
