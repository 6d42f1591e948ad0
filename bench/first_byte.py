"""From a callback's answer to the first byte at a handler's target, while the service is idle: woken, not polled.

One callback at a time; client and target share a process, so both ends are read from one clock.

    python -m bench.first_byte [--rounds 5] [--callbacks 60]
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from bench.common import (
    Server,
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
from bench.seeds import Seed, plant
from bench.wire import Message, connect, listen, ok, post

_PAUSE_S = 0.02  # the service comes to rest between two callbacks
_PATIENCE_S = 10.0
_TARGET_P99_MS = 100.0


def measure(rounds: int, callbacks: int) -> None:
    where = cores()
    with folder() as place:
        found = asyncio.run(_measure(place, where.server, rounds, callbacks))
    every = [took for one in found for took in one]
    print(f"{len(every)} callbacks, from the answer to the handler's first byte:")
    print(f"        p50 {spread([percentile(one, 0.5) for one in found], 'ms', 1)} in {rounds} rounds")
    p99 = percentile(every, 0.99)
    print(f"        p99 {p99:.1f} ms, most {max(every):.1f} ms over all; {verdict(p99 <= _TARGET_P99_MS, '100 ms')}")


async def _measure(place: Path, core: int, rounds: int, callbacks: int) -> list[list[float]]:
    seeds = await plant(sqlite_url(place / "receiver.db"), rounds * callbacks)
    arrivals: asyncio.Queue[float] = asyncio.Queue()
    target, port = await listen(_accept, arrived=lambda: arrivals.put_nowait(time.perf_counter()))
    handlers = f"{{hook: {{type: 'bench.hook:Hook', url: 'http://127.0.0.1:{port}/hook'}}}}"
    config = write_config(place, handlers, "[{when: {type: music.complete}, handlers: [hook]}]")
    try:
        with started(receiver(config), core, place / "log.txt") as server:
            starts = range(0, rounds * callbacks, callbacks)
            return [await _round(server, seeds[start : start + callbacks], arrivals) for start in starts]
    finally:
        target.close()


async def _round(server: Server, seeds: Sequence[Seed], arrivals: asyncio.Queue[float]) -> list[float]:
    client = await connect(server.host, server.port)
    took: list[float] = []
    for seed in seeds:
        answer = await client.send(post(seed.path, seed.body()))
        answered_at = time.perf_counter()
        if answer.status != 200:
            raise SystemExit(f"a callback was answered {answer.status}")
        async with asyncio.timeout(_PATIENCE_S):
            took.append((await arrivals.get() - answered_at) * 1000)
        await asyncio.sleep(_PAUSE_S)
    client.close()
    return took


def _accept(_: Message) -> bytes:
    return ok(b"{}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--callbacks", type=int, default=60, help="in each round")
    given = parser.parse_args()
    describe_machine()
    measure(given.rounds, given.callbacks)


if __name__ == "__main__":
    main()
