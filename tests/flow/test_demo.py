"""`receiver demo` as a user runs it: in a pipe, on a terminal, twice, and interrupted."""

import asyncio
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.process import ROOT, command, environment

MOST_S = 60


def demo(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "receiver", "demo", "--port", "0", *arguments)


def is_mp3(path: Path) -> bool:
    head = path.read_bytes()[:3]
    return head == b"ID3" or (head[0] == 0xFF and head[1] & 0xE0 == 0xE0)


async def test_a_pipe_gets_the_songs_their_paths_and_an_end(tmp_path: Path) -> None:
    async with asyncio.timeout(MOST_S):
        ran = await command("demo", "--port", "0", cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    files = list((tmp_path / "data/songs").glob("*.mp3"))
    assert len(files) == 4
    assert all(is_mp3(path) for path in files)
    assert all(f"data/songs/{path.name}" in ran.out for path in files)
    assert len(re.findall(r"http://127\.0\.0\.1:\d+/files/[\w-]{43}", ran.out)) == 4
    assert "Copper Rain: failed" in ran.out
    assert "what to do   Change the prompt" in ran.out
    assert "\x1b" not in ran.out
    first = [line for line in ran.out.splitlines() if "music.first" in line]
    assert [line.split()[2:] for line in first] == [["Night", "Ferry"]]


async def test_a_second_demo_adds_songs_to_the_same_database(tmp_path: Path) -> None:
    for expected in (1, 2):
        ran = await command("demo", "--port", "0", "--fast", "--songs", "1", cwd=tmp_path)
        assert (ran.code, ran.err) == (0, "")
        assert len(list((tmp_path / "data/songs").glob("*.mp3"))) == expected * 2
    listed = await command("submissions", "--config", "data/demo.yaml", cwd=tmp_path)
    assert listed.out.count("Night Ferry") == 2


async def test_a_port_in_use_is_no_obstacle(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ran = await command("demo", "--port", port, "--fast", "--songs", "1", cwd=tmp_path)
    assert ran.code == 0
    (said,) = ran.err.splitlines()
    listening = re.search(r"A receiver on http://127\.0\.0\.1:(\d+)", ran.out)
    assert listening is not None
    assert said == f"Port {port} is in use by another program, so the receiver listens on {listening[1]} instead."


async def test_the_next_command_that_it_names_can_be_copied(tmp_path: Path) -> None:
    ran = await command("demo", "--port", "0", "--fast", "--songs", "1", cwd=tmp_path)
    (line,) = [line for line in ran.out.splitlines() if line.startswith("next ")]
    copied = line.removeprefix("next").strip()
    assert copied == f"{sys.executable} -m receiver submissions --config data/demo.yaml"
    pipe = asyncio.subprocess.PIPE
    shell = await asyncio.create_subprocess_shell(copied, stdout=pipe, env=environment(), cwd=tmp_path)
    async with asyncio.timeout(MOST_S):
        listed, _ = await shell.communicate()
    assert listed.count(b"Night Ferry") == 1
    assert "password" not in ran.out


async def test_a_folder_that_is_a_file_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    ran = await command("demo", "--port", "0", cwd=tmp_path)
    assert ran.code == 2
    assert "Name another --folder" in ran.err


@pytest.mark.parametrize("sight", ["A receiver on", "music.text"], ids=["at the start", "between two stages"])
def test_an_interrupt_ends_it_at_once_and_quietly(sight: str, tmp_path: Path) -> None:
    pipe = subprocess.PIPE
    process = subprocess.Popen(demo(), stdout=pipe, stderr=pipe, text=True, env=environment(), cwd=tmp_path)
    try:
        assert process.stdout is not None
        while sight not in process.stdout.readline():
            assert process.poll() is None
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=MOST_S)
    finally:
        process.kill()
    assert (process.returncode, err) == (0, "")
    assert time.monotonic() - began < 2
    assert "Night Ferry: archived" not in out


@pytest.mark.parametrize("gap", [0.02, 0.1])
@pytest.mark.parametrize("sight", ["A receiver on", "music.text"], ids=["at the start", "between two stages"])
def test_two_quick_interrupts_end_it_too(sight: str, gap: float, tmp_path: Path) -> None:
    pipe = subprocess.PIPE
    process = subprocess.Popen(demo(), stdout=pipe, stderr=pipe, text=True, env=environment(), cwd=tmp_path)
    try:
        assert process.stdout is not None
        while sight not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        time.sleep(gap)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=4)
    finally:
        process.kill()
    assert (process.returncode, err) == (0, "")
    # A database that was not closed has its log beside it.
    assert not (tmp_path / "data/demo.db-wal").exists()


@contextmanager
def on_a_terminal(folder: Path, columns: int = 80) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The demo on a terminal of 24 lines, and where its screen is read."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    process = subprocess.Popen(
        demo("--fast"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(TERM="xterm-256color"),
        cwd=folder,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(screen: int, sight: str) -> str:
    seen = ""
    while sight not in seen:
        ready, _, _ = select.select([screen], [], [], MOST_S)
        assert ready, seen
        seen += os.read(screen, 65536).decode(errors="replace")
    return seen


def test_on_a_terminal_it_stays_until_it_is_interrupted(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path) as (process, screen):
        seen = read_until(screen, "Ctrl-C ends it")
        assert "━" in seen
        url = re.search(r"still running on (http://127\.0\.0\.1:\d+)", seen)
        assert url is not None
        again = subprocess.run(
            [sys.executable, "-m", "receiver", "submissions", "--json"],
            env=environment(RECEIVER_URL=url[1], RECEIVER_TOKEN=(tmp_path / "data/demo.password").read_text()),
            cwd=ROOT,
            capture_output=True,
            check=True,
            timeout=MOST_S,
        )
        assert again.stdout.count(b'"id":"sub_') == 3
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
