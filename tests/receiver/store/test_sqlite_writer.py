"""The writer of the SQLite store: together or not at all, and one that is poisoned falls alone."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import aiosqlite
import pytest

from receiver.errors import StoreUnavailable
from receiver.store.sql.turn import Ring, Turn, each
from receiver.store.sqlite import file
from receiver.store.sqlite.writer import FileWriter


class Disk:
    """Connections to one file; `breaks` counts the commits that will fail, `opened` the connections."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.breaks = 0
        self.refuses = 0
        self.opened = 0
        self.rung: list[Ring] = []

    async def connect(self) -> aiosqlite.Connection:
        if self.refuses:
            self.refuses -= 1
            raise StoreUnavailable("no disk")
        self.opened += 1
        db = await file.connect(self.path)
        commit = db.commit

        async def breakable() -> None:
            if self.breaks:
                self.breaks -= 1
                raise sqlite3.OperationalError("disk I/O error")
            await commit()

        db.commit = breakable  # type: ignore[method-assign]
        return db

    def count(self) -> int:
        db = sqlite3.connect(self.path)
        try:
            return int(db.execute("SELECT count(*) FROM t").fetchone()[0])
        finally:
            db.close()


@pytest.fixture
async def disk(tmp_path: Path) -> Disk:
    made = Disk(tmp_path / "a.db")
    db = await made.connect()
    await db.execute_fetchall("CREATE TABLE t (n INTEGER UNIQUE)")
    await db.close()
    made.opened = 0
    return made


@pytest.fixture
async def writer(disk: Disk) -> AsyncIterator[FileWriter]:
    made = FileWriter(disk.connect, lambda: 1, lambda error: file.unavailable(disk.path, error), disk.rung.append)
    await made.open()
    yield made
    await made.close()


async def add(turn: Turn, number: int) -> int:
    await turn.rows("INSERT INTO t (n) VALUES (?)", (number,))
    turn.rings.add(Ring.OUTBOX)
    return number


async def spoil(turn: Turn, number: int) -> int:
    raise LookupError(number)


ADD, SPOIL = each(add), each(spoil)


async def test_a_failed_commit_fails_all_its_writers_and_writes_nothing(disk: Disk, writer: FileWriter) -> None:
    disk.breaks = 1
    answers = await asyncio.gather(*(writer.run(ADD, number) for number in range(5)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 5
    assert (disk.count(), disk.rung) == (0, [])


async def test_after_a_failed_commit_the_writer_goes_on_with_a_new_connection(disk: Disk, writer: FileWriter) -> None:
    disk.breaks = 1
    disk.refuses = 1
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await writer.run(ADD, 1)
    assert await writer.run(ADD, 1) == 1
    assert (disk.count(), disk.opened) == (1, 2)


async def test_writes_that_wait_are_committed_together(disk: Disk, writer: FileWriter) -> None:
    assert await asyncio.gather(*(writer.run(ADD, number) for number in range(300))) == list(range(300))
    assert disk.count() == 300
    assert len(disk.rung) == 2


@pytest.mark.parametrize(
    ("poison", "error"),
    [pytest.param((SPOIL, 7), LookupError, id="op"), pytest.param((ADD, 1), StoreUnavailable, id="constraint")],
)
async def test_a_poisoned_write_falls_alone(
    disk: Disk, writer: FileWriter, poison: tuple[object, int], error: type[Exception]
) -> None:
    op = SPOIL if poison[0] is SPOIL else ADD
    jobs = [writer.run(ADD, 1), writer.run(op, poison[1]), writer.run(ADD, 2)]
    first, bad, last = await asyncio.gather(*jobs, return_exceptions=True)
    assert (first, type(bad), last) == (1, error, 2)
    assert disk.count() == 2


async def test_a_cancelled_caller_cancels_nobody_else(disk: Disk, writer: FileWriter) -> None:
    tasks = [asyncio.create_task(writer.run(ADD, number)) for number in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[1], asyncio.CancelledError)
    assert [answers[0], answers[2]] == [0, 2]
    # What was taken on is written: a provider that hung up does not call again.
    assert disk.count() == 3


async def test_closing_writes_what_waits_and_then_refuses(disk: Disk, writer: FileWriter) -> None:
    waiting = [asyncio.create_task(writer.run(ADD, number)) for number in range(3)]
    await asyncio.sleep(0)
    await writer.close()
    assert await asyncio.gather(*waiting) == [0, 1, 2]
    assert disk.count() == 3
    with pytest.raises(StoreUnavailable, match="closed"):
        await writer.run(ADD, 9)


async def test_bells_ring_only_after_the_commit(disk: Disk, writer: FileWriter) -> None:
    await writer.run(ADD, 1)
    assert disk.rung == [Ring.OUTBOX]


async def test_a_full_disk_is_told_as_such(disk: Disk, writer: FileWriter) -> None:
    async def fill(turn: Turn, _: None) -> None:
        await turn.rows("PRAGMA max_page_count = 3")
        await turn.rows("INSERT INTO t (n) SELECT value FROM json_each(?)", (str(list(range(50_000))),))

    with pytest.raises(StoreUnavailable, match="is full"):
        await writer.run(each(fill), None)
    assert disk.count() == 0
