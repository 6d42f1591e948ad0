"""What the gateway adds to a submission: POST /api/v1/generate through it, against the same stub directly.

One kept connection each, one request at a time, the two ways alternating in blocks. The stub answers at once; through
the gateway the submission is on disk before it is forwarded, and its reply after it.

    python -m bench.gateway [--rounds 9] [--requests 60]
"""

import argparse
import asyncio
import json
import time
from statistics import median

from bench.common import (
    TOKEN,
    cores,
    describe_machine,
    folder,
    percentile,
    receiver,
    spread,
    started,
    verdict,
    write_config,
)
from bench.wire import Client, connect, post

_PATH = "/api/v1/generate"
_BODY = json.dumps(
    {
        "prompt": "A slow ferry crossing at night, lanterns on the water",
        "style": "indie folk, warm",
        "title": "Night Ferry",
        "customMode": True,
        "instrumental": False,
        "model": "V4_5",
        "callBackUrl": "https://app.example.com/hook",
    }
).encode()
_WARM_UP = 20
_TARGET_MS = 5.0


def measure(rounds: int, requests: int) -> None:
    where = cores()
    with folder() as place, started(["bench.peers", "stub"], where.load, place / "stub.txt") as stub:
        config = write_config(place, base_url=f"http://{stub.host}:{stub.port}")
        with started(receiver(config), where.server, place / "log.txt") as server:
            direct, through = asyncio.run(
                _alternate((stub.host, stub.port), (server.host, server.port), rounds, requests)
            )
    _print(direct, through)


async def _alternate(
    stub: tuple[str, int], server: tuple[str, int], rounds: int, requests: int
) -> tuple[list[list[float]], list[list[float]]]:
    directly, by_gateway = await connect(*stub), await connect(*server)
    for client in (directly, by_gateway):
        await _block(client, _WARM_UP)
    direct, through = [], []
    for _ in range(rounds):
        direct.append(await _block(directly, requests))
        through.append(await _block(by_gateway, requests))
    directly.close()
    by_gateway.close()
    return direct, through


async def _block(client: Client, requests: int) -> list[float]:
    took = []
    for _ in range(requests):
        start = time.perf_counter()
        answer = await client.send(post(_PATH, _BODY, TOKEN))
        took.append((time.perf_counter() - start) * 1000)
        if answer.status != 200:
            raise SystemExit(f"a submission was answered {answer.status}: {answer.body!r}")
    return took


def _print(direct: list[list[float]], through: list[list[float]]) -> None:
    for name, rounds in (("direct", direct), ("gateway", through)):
        print(f"{name:8} p50 {spread([median(one) for one in rounds], 'ms', 2)}, ", end="")
        print(f"p99 {spread([percentile(one, 0.99) for one in rounds], 'ms', 1)}")
    added = [median(two) - median(one) for one, two in zip(direct, through, strict=True)]
    print(f"added at the median: {spread(added, 'ms', 2)}; {verdict(median(added) <= _TARGET_MS, '5 ms')}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=60, help="in each block")
    given = parser.parse_args()
    describe_machine()
    measure(given.rounds, given.requests)


if __name__ == "__main__":
    main()
