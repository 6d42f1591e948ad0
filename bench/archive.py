"""Fifty songs of 50 MB due at once: the s3 archive beside a bare copy, and the memory that each takes.

The bare copy reads with the same download client and writes with the same object store client, as many songs at once
and as large parts: what is missing are checks, names, digests and notes. Host and store are one pretend server in a
process of its own on the other core; each run is a process of its own too, so that memory is not inherited.

    python -m bench.archive [--rounds 3] [--songs 50]
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from statistics import median

import obstore
import uvloop
from obstore.store import S3Store
from pydantic import SecretStr

from bench.bucket import SONG_BYTES
from bench.common import ROOT, cores, describe_machine, folder, spread, started, verdict
from handlers import buckets
from handlers.s3 import S3Archive
from receiver.outbound import Media
from tests.support.deliveries import World, make_delivery, make_event, make_file, make_track

_TARGET_SHARE, _TARGET_MB = 0.8, 64.0
_KEY = "bench-key-of-no-worth"


async def archive(url: str, songs: int) -> None:
    """Every song is a delivery of its own, and all of them are due at once."""
    key = SecretStr(_KEY)
    kept = S3Archive(type="s3", bucket="songs", endpoint=url, access_key=key, secret_key=key, roles=("audio",))
    media = Media(["127.0.0.1"])

    async def deliver(number: int) -> None:
        track = make_track(f"song-{number}", "Night Ferry", make_file("audio", f"{url}/{number}.mp3"))
        event = make_event(submission_id=f"sub_{number:032}")
        receipt = await kept.handle(make_delivery(World(media=media), event=event, results=[track]))
        if [file.size for file in receipt.files] != [SONG_BYTES]:
            raise SystemExit("a song was not archived whole")

    await asyncio.gather(*map(deliver, range(songs)))
    await media.close()


async def copy(url: str, songs: int) -> None:
    """The same songs, and nothing but their bytes."""
    store = S3Store(
        "songs",
        config={"endpoint": url, "region": "us-east-1", "access_key_id": _KEY, "secret_access_key": _KEY},
        client_options={"allow_http": True, "timeout": timedelta(minutes=5)},
    )
    media = Media(["127.0.0.1"])
    at_once = asyncio.Semaphore(buckets.UPLOADS_AT_ONCE)

    async def move(number: int) -> None:
        async with at_once, media.stream(f"{url}/{number}.mp3") as found:
            await obstore.put_async(
                store,
                f"{number}.mp3",
                found.chunks,
                use_multipart=True,
                chunk_size=buckets.PART,
                max_concurrency=buckets.PARTS_AT_ONCE,
            )

    await asyncio.gather(*map(move, range(songs)))
    await media.close()


_RUNS = {"archive": archive, "copy": copy}


def measure(rounds: int, songs: int) -> None:
    where = cores()
    took: dict[str, list[float]] = {name: [] for name in _RUNS}
    grew: dict[str, list[float]] = {name: [] for name in _RUNS}
    with folder() as place, started(["bench.bucket"], where.server, place / "log.txt") as server:
        url = f"http://{server.host}:{server.port}"
        for _ in range(rounds):
            for name in _RUNS:
                seconds, megabytes = _apart(name, url, songs)
                took[name].append(songs * SONG_BYTES / 1e6 / seconds)
                grew[name].append(megabytes)
    for name in _RUNS:
        print(f"{name:>8}: {spread(took[name], 'MB/s')}, memory at its highest + {spread(grew[name], 'MB', 1)}")
    share = median(took["archive"]) / median(took["copy"])
    print(f"speed of the archive: {share:.0%} of the bare copy; {verdict(share >= _TARGET_SHARE, '80 %')}")
    print(f"memory of the archive: {verdict(max(grew['archive']) <= _TARGET_MB, 'at most 64 MB more')}")


def _apart(name: str, url: str, songs: int) -> tuple[float, float]:
    """Seconds and megabytes of a run in a process of its own."""
    command = [sys.executable, "-m", "bench.archive", "--run", name, "--url", url, "--songs", str(songs)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return found["seconds"], found["megabytes"]


def run(name: str, url: str, songs: int) -> None:
    uvloop.run(_RUNS[name](url, 1))  # connections, imports and threads are there before anything is counted
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark begins here
    before = _memory_mb("VmRSS")
    start = time.perf_counter()
    uvloop.run(_RUNS[name](url, songs))
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "megabytes": _memory_mb("VmHWM") - before}))


def _memory_mb(name: str) -> float:
    lines = Path(f"/proc/{os.getpid()}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--songs", type=int, default=50)
    parser.add_argument("--run", choices=_RUNS, help="one run in this process, as the rounds start it")
    parser.add_argument("--url", help="where the pretend server is")
    given = parser.parse_args()
    if given.run:
        run(given.run, given.url, given.songs)
        return
    describe_machine()
    measure(given.rounds, given.songs)


if __name__ == "__main__":
    main()
