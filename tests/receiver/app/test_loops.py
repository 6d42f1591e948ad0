import asyncio

import pytest

from receiver.app.loops import Loops


class Quiet:
    """Runs until it is asked to stop."""

    def __init__(self) -> None:
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        await self._stopped.wait()

    def stop(self) -> None:
        self._stopped.set()


class Broken(Quiet):
    async def run(self) -> None:
        raise RuntimeError("no such table")


class Deserter(Quiet):
    async def run(self) -> None:
        """Ends although nobody asked."""


async def test_a_loop_that_dies_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    loops = Loops([Broken(), Quiet()])
    loops.start()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert loops.dead() == ["Broken"]
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("ERROR", "Broken broke off")
    assert "no such table" in caplog.text
    loops.stop()
    with pytest.raises(RuntimeError, match="no such table"):
        await loops.join()


async def test_a_loop_that_ends_by_itself_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    loops = Loops([Deserter()])
    loops.start()
    await loops.join()
    assert "Deserter ended although nobody asked" in caplog.text


async def test_loops_that_were_asked_to_stop_end_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    loops = Loops([Quiet()])
    loops.start()
    await asyncio.sleep(0)
    assert loops.dead() == []
    loops.stop()
    await loops.join()
    assert not caplog.records
