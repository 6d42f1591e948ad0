"""After a song is final: how long its deliveries are worth a wait, and what is said of those that are not. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from handlers.text import one_line
from receiver.cli.songs import Json
from receiver.cli.times import moment

_TIMES = {1: "once", 2: "twice"}


def is_near(row: Json) -> bool:
    """Whether it ends by itself before long: it runs, or is about to for the first time."""
    return row["state"] == "running" or (row["state"] == "pending" and not row["attempts"])


def is_paused(row: Json) -> bool:
    return bool(row["state"] == "waiting" and row["waiting_for"] == "pause")


def worth_waiting(rows: Sequence[Json]) -> bool:
    """Whoever waits for another one is worth it as long as any is near."""
    return any(is_near(row) for row in rows)


def left(rows: Sequence[Json], pauses: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each delivery that goes on without us, or came to nothing; `pauses` has handlers' reasons."""
    for row in reversed(rows):
        name, why = row["handler"], one_line(row["error"] or "").rstrip(".")
        match row["state"]:
            case "dead":
                yield f"{name} did not get it: {why}; see `receiver deliveries {row['id']}`."
            case "waiting" if is_paused(row):
                reason = one_line(pauses.get(name, "")).rstrip(".") or why or "its target is broken"
                yield f"{name} is paused: {reason}; it gets the song when its target answers again."
            case "waiting":
                yield f"{name} waits for the handlers that it needs."
            case "pending" if row["attempts"]:
                times = _TIMES.get(row["attempts"], f"{row['attempts']} times")
                again = moment(row["due_at"], "%H:%M:%S")
                yield f"{name} failed {times}: {why or 'it was broken off'}; it is tried again at {again}."
            case "pending" | "running":
                yield f"{name} has it not yet: see `receiver deliveries {row['id']}`."
