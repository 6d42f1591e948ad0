"""What a song costs PostgreSQL: rows and bytes that stay, bytes of log, commits and flushes; alone, and among many.

A song of three callbacks, three events, and two deliveries of the last one, of which one keeps four files. Through the
store in this process, so nothing is measured but the database. The PostgreSQL is the tests' own.

    python -m bench.song_cost [--songs 2000]
"""

import argparse
import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from bench.common import describe_machine
from bench.seeds import callbacks, intake, operation
from receiver.app import fresh_id
from receiver.handler import ArchivedFile, Receipt
from receiver.routing import Plan
from receiver.store import open_store
from receiver.store.base import Store
from receiver.store.records import Claim, Delivered, Terms
from tests.support.postgresql import Cluster, running

_PLANS = (Plan(handler="archive"), Plan(handler="team", needs=("archive",), wait=timedelta(minutes=5)))
_TERMS = {plan.handler: Terms(concurrency=100) for plan in _PLANS}
_LEASE = timedelta(minutes=1)
_TABLES = ("submissions", "callbacks", "events", "deliveries", "attempts", "files")
_FILES = ("audio", "image")
# By the server, as far as its version tells.
_COUNTERS = """
SELECT (SELECT xact_commit FROM pg_stat_database WHERE datname = '{name}'),
    (SELECT coalesce(sum(fsyncs), 0) FROM pg_stat_io WHERE object = 'wal'),
    pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint
"""


@dataclass(frozen=True, slots=True)
class Counters:
    commits: int
    flushes: int
    log: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=2000)
    given = parser.parse_args()
    describe_machine()
    with running(durable=True) as cluster:
        for together in (1, 8, 32):
            name = cluster.create_database()
            songs = max(given.songs // 10, 1) if together == 1 else given.songs
            before = _counters(cluster, name)
            asyncio.run(_play(cluster.url(name), songs, together))
            after = _counters(cluster, name)
            spent = [(b - a) / songs for a, b in zip(_values(before), _values(after), strict=True)]
            print(
                f"{together} at once: {spent[0]:.1f} commits, {spent[1]:.1f} flushes, {spent[2] / 1000:.1f} kB of log"
            )
        for line in _sizes(cluster, name, songs):
            print(line)


def _values(counters: Counters) -> tuple[int, int, int]:
    return counters.commits, counters.flushes, counters.log


def _counters(cluster: Cluster, name: str) -> Counters:
    (row,) = cluster.query(_COUNTERS.format(name=name))
    return Counters(*map(int, row))


def _sizes(cluster: Cluster, name: str, songs: int) -> Iterator[str]:
    cluster.query("VACUUM FULL", name)
    total = 0
    for table in _TABLES:
        ((rows, size),) = cluster.query(
            f"SELECT (SELECT count(*) FROM receiver.{table}), pg_total_relation_size('receiver.{table}')",
            name,
        )
        total += int(size)
        print(f"  {table}: {int(rows) / songs:.1f} rows, {int(size) / songs:.0f} bytes with its indexes")
    yield f"  in all {total / songs:.0f} bytes a song"


async def _play(url: str, songs: int, together: int) -> None:
    store = open_store(url, None, fresh_id)
    await store.migrate()
    await store.open()
    left = iter(range(songs))

    async def some() -> None:
        for _ in left:
            await _song(store)

    done = asyncio.Event()
    working = asyncio.create_task(_work(store, done))
    try:
        await asyncio.gather(*(some() for _ in range(together)))
        done.set()
        await working
    finally:
        await store.close()


async def _song(store: Store) -> None:
    door, task = intake(store), os.urandom(16).hex()
    submission = await store.add(door.expect("suno", operation()))
    for body in callbacks(task):
        await door.receive(submission.id, {"content-type": "application/json"}, body)


async def _work(store: Store, done: asyncio.Event) -> None:
    """A worker without a handler: it routes, and every attempt succeeds at once."""
    idle = False
    while not (done.is_set() and idle):
        events = await store.unrouted(200)
        if events:
            await store.route([(event, _PLANS if event.stage == "complete" else ()) for event in events])
        claims = await store.claim("bench", _LEASE, _TERMS, 100)
        await asyncio.gather(*(store.end(claim, _outcome(claim)) for claim in claims))
        idle = not events and not claims
        if idle:
            await store.outbox.wait(timedelta(milliseconds=200))


def _outcome(claim: Claim) -> Delivered:
    if claim.handler != "archive":
        return Delivered(Receipt(details={"ts": "1.2"}))
    files = [
        ArchivedFile(
            result_id=result.id,
            role=role,
            key=f"2026/11/{claim.event.submission_id}/{result.id}-{role}",
            size=4_000_000,
            sha256="ab" * 32,
            media_type="audio/mpeg",
            link=f"https://files.example/{claim.event.submission_id}/{result.id}-{role}",
        )
        for result in claim.event.results
        for role in _FILES
    ]
    return Delivered(Receipt(files=tuple(files)))


if __name__ == "__main__":
    main()
