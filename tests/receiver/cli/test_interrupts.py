import asyncio
import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

from receiver.cli import main
from receiver.cli.interrupts import finished
from tests.support.process import ROOT, environment

HANGS = """
import asyncio
from receiver.cli import context, interrupts
interrupts.LAST_RESORT_S = 0.3
async def work():
    print("begun", flush=True)
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            print("asked", flush=True)
context.run(work())
"""
CLOSES = """
import asyncio
from receiver.cli import context
async def work():
    print("begun", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        print("asked", flush=True)
        await asyncio.sleep(0.3)
        print("closed", flush=True)
try:
    context.run(work())
except KeyboardInterrupt:
    print("told")
"""


def interrupted(script: str, signals: Sequence[signal.Signals]) -> tuple[int, str, str]:
    """The first signal once it has begun, the others once it was asked to end."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=pipe, stderr=pipe, text=True, env=environment(), cwd=ROOT
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signals[0])
        assert process.stdout.readline() == "asked\n"
        for number in signals[1:]:
            process.send_signal(number)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    return process.returncode, out, err


@pytest.mark.parametrize(
    "signals",
    [
        [signal.SIGINT],
        [signal.SIGINT, signal.SIGINT],
        [signal.SIGINT, signal.SIGINT, signal.SIGINT],
        [signal.SIGTERM, signal.SIGINT],
    ],
    ids=["one", "two", "three", "both"],
)
def test_however_often_it_is_interrupted_a_command_closes_what_it_opened(signals: list[signal.Signals]) -> None:
    assert interrupted(CLOSES, signals) == (0, "closed\ntold\n", "")


def test_what_hangs_ends_some_seconds_after_the_second_interrupt() -> None:
    assert interrupted(HANGS, [signal.SIGINT, signal.SIGINT]) == (130, "", "")


def test_an_interrupt_while_modules_load_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "receiver.cli.commands":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "receiver.cli.commands", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "")


def test_nothing_slow_loads_before_an_interrupt_is_caught() -> None:
    script = "import sys, receiver.cli; sys.exit('typer' in sys.modules or 'asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], env=environment(), cwd=ROOT, check=False).returncode == 0


async def test_closing_goes_on_where_the_wait_for_it_is_cancelled() -> None:
    begun, go_on, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def close() -> None:
        begun.set()
        await go_on.wait()
        closed.set()

    task = asyncio.create_task(finished(close()))
    await begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set()
