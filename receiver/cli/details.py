"""One submission, event or delivery with all that belongs to it, for a person. Times are of this machine's zone."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from handlers.text import one_line
from receiver.cli import songs
from receiver.cli.context import out
from receiver.cli.songs import Json
from receiver.cli.tables import show_pairs
from receiver.cli.times import moment, zone

_WHOLE = "%Y-%m-%d %H:%M:%S"
_TIMES = frozenset({"created_at", "deadline_at", "occurred_at", "received_at", "due_at"})


def labels(row: Json) -> str:
    return " ".join(f"{name}={value}" for name, value in row["labels"].items())


def error(row: Json) -> str:
    """An error in one sentence: an event's has parts, a delivery's is text."""
    found = row.get("error")
    if isinstance(found, Mapping):
        return str(found.get("meaning") or found["message"])
    return found or ""


def stage(row: Json) -> str:
    """`standing` for a callback URL that is no submission itself: its bodies make them."""
    return "standing" if row.get("standing") else str(row["stage"])


def via(row: Json) -> str:
    """How an event came; ours came no way."""
    return "" if songs.is_own(row) else str(row["via"])


def show_submission(view: Json, deliveries: Sequence[Json] | None) -> None:
    """`deliveries` have their receipts; None where they are not to be seen."""
    names = ("id", "task_id", "parent", "provider", "operation", "client", "stage", "created_at", "deadline_at")
    show_pairs(out, _facts({**view, "stage": stage(view)}, names))
    show_pairs(out, songs.failure(view))
    _show_lines("events", _events(view))
    known = view["deliveries"] if deliveries is None else deliveries
    _show_lines("deliveries", map(_delivery, known))
    print_links(view, deliveries or ())


def show_event(view: Json) -> None:
    own = () if songs.is_own(view) else ("via", "trust")
    names = ("id", "type", "level", *own, "provider", "operation", "task_id", "submission_id", "client")
    show_pairs(out, _facts(view, (*names, "occurred_at", "received_at")))
    show_pairs(out, songs.failure(view))
    print_links(view, ())
    _show_lines("raw", _spread(view["raw"]))


def show_delivery(view: Json) -> None:
    names = ("id", "state", "waiting_for", "handler", "event_type", "event_id", "submission_id", "created_at", "due_at")
    show_pairs(out, _facts(view, names))
    show_pairs(out, [("error", one_line(error(view)))] if error(view) else [])
    _show_lines("attempts", map(_attempt, view["history"]))
    if view["receipt"]:
        _show_lines("receipt", _spread(view["receipt"]))


def print_links(view: Json, deliveries: Sequence[Json], head: str = "results") -> None:
    """The results with their files: archived ones by their lasting links, else the provider's."""
    if view["results"]:
        out.print(f"\n{head}", style="bold")
    for result in songs.linked(view, deliveries):
        out.print(Text(f"  {result.title}"), soft_wrap=True)
        for role, link in result.links:
            out.print(Text(f"    {role:7} {link}"), soft_wrap=True)


def _facts(view: Json, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    known = [name for name in names if view[name]]
    for name in known:
        yield _label(name), one_line(moment(view[name], _WHOLE) if name in _TIMES else str(view[name]))
    if view.get("labels"):
        yield "labels", one_line(labels(view))
    times = [view[name] for name in known if name in _TIMES]
    if times:
        yield "time zone", zone(times[0])


def _label(name: str) -> str:
    return name.removesuffix("_at").removesuffix("_id") if name != "task_id" else name


def _events(view: Json) -> Iterator[str]:
    for event in view["events"]:
        yield f"{moment(event['occurred_at'])}  {event['id']}  {event['type']}"


def _delivery(row: Json) -> str:
    said = f": {one_line(error(row))}" if error(row) else ""
    return f"{row['state']:9}  {row['id']}  {row['handler']}{said}"


def _attempt(row: Json) -> str:
    said = f": {one_line(row['error'])}" if row["error"] else ""
    ended = moment(row["ended_at"], "%H:%M:%S") or "not ended"
    return f"{row['number']:2}  {moment(row['started_at'])} to {ended}  {row['outcome']}{said}"


def _show_lines(head: str, lines: Iterable[str]) -> None:
    for number, line in enumerate(lines):
        if number == 0:
            out.print(f"\n{head}", style="bold")
        out.print(Text(f"  {line}"), soft_wrap=True)


def _spread(value: Any) -> Iterator[str]:
    """JSON over several lines, with what would move a terminal's cursor spelt out."""
    for line in json.dumps(value, indent=2, ensure_ascii=False).split("\n"):
        yield "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
