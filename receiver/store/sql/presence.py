"""Who runs on this database: each process says so again and again, and once more when it ends."""

from dataclasses import dataclass

from receiver.store.records import LEASE, Presence, Process
from receiver.store.sql.rows import clean, length, moment, moment_or_none
from receiver.store.sql.turn import Row, Turn

# How many microseconds the dead stay known: for as long as an outage may last that is to be told.
_KEPT = 3 * 24 * 3600 * 1_000_000

# Whoever was not seen for a lease has not run, or could not say so: it is steady from now on.
_PRESENT = """
INSERT INTO processes (id, host, does_web, does_work, started_at, steady_at, seen_at, ended_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    steady_at = CASE WHEN processes.seen_at < ? THEN excluded.seen_at ELSE processes.steady_at END,
    seen_at = excluded.seen_at, ended_at = excluded.ended_at
"""
_FORGET = "DELETE FROM processes WHERE seen_at < ?"
PROCESSES = "SELECT * FROM processes ORDER BY started_at, id"


@dataclass(frozen=True, slots=True)
class Word:
    """What a process says of itself; `ending` is its last word."""

    process: Process
    ending: bool = False


async def present(turn: Turn, word: Word) -> None:
    one, now = word.process, turn.now
    ended_at = now if word.ending else None
    row = (clean(one.id), clean(one.host), one.does_web, one.does_work, now, now, now, ended_at, now - length(LEASE))
    await turn.rows(_PRESENT, row)
    await turn.rows(_FORGET, (now - _KEPT,))


def read_presence(row: Row) -> Presence:
    return Presence(
        process=Process(
            id=row["id"], host=row["host"], does_web=bool(row["does_web"]), does_work=bool(row["does_work"])
        ),
        started_at=moment(row["started_at"]),
        steady_at=moment(row["steady_at"]),
        seen_at=moment(row["seen_at"]),
        ended_at=moment_or_none(row["ended_at"]),
    )
