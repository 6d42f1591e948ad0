"""Lists, newest first: filters to SQL, pages by key."""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from receiver.events import DeliveryState
from receiver.store.records import Page, Query
from receiver.store.sql.rows import clean, micros
from receiver.store.sql.turn import Row

MOST = 500

_BODY = "LEFT JOIN callbacks AS c ON c.id = e.callback_id AND c.pruned_at IS NULL"
_KEPT = "e.pruned_at IS NULL"
_EVENT = "e.seq, e.id, e.doc AS event, e.callback_id, c.body"

# Routes look at no body, and those of a whole batch may be large.
UNROUTED = """
SELECT e.id, e.doc AS event, e.callback_id, NULL AS body FROM events AS e
WHERE e.routed_at IS NULL ORDER BY e.seq LIMIT ?
"""
ONE_EVENT = f"SELECT {_EVENT} FROM events AS e {_BODY} WHERE e.id = ? AND {_KEPT}"  # noqa: S608 - constants
UNDELIVERED = """
SELECT d.* FROM deliveries AS d
WHERE d.state IN ('waiting', 'pending', 'running', 'dead') AND d.created_at <= ?
  AND d.handler IN (SELECT value FROM json_each(?)) AND NOT EXISTS (
    SELECT 1 FROM events AS e WHERE e.delivery_id = d.id AND e.type = 'file.expiring')
ORDER BY d.created_at LIMIT ?
"""
COUNTS = """
SELECT 'unrouted' AS what, count(*) AS count FROM events WHERE routed_at IS NULL
UNION ALL SELECT state, count(*) FROM deliveries GROUP BY state
"""


@dataclass(slots=True)
class _Filter:
    """Conditions with their values, in order."""

    conditions: list[str] = field(default_factory=lambda: ["TRUE"])
    values: list[Any] = field(default_factory=list)

    def add(self, condition: str, *values: Any) -> None:
        self.conditions.append(condition)
        self.values += [clean(value) if isinstance(value, str) else value for value in values]

    def equal(self, **columns: str | None) -> None:
        for name, value in columns.items():
            if value is not None:
                self.add(f"{name.replace('__', '.')} = ?", value)

    def labels(self, alias: str, query: Query) -> None:
        for key, value in query.labels.items():
            labels = f"json_each(coalesce({alias}.labels, '{{}}')) AS l"
            self.add(f"EXISTS (SELECT 1 FROM {labels} WHERE l.key = ? AND l.value = ?)", key, value)  # noqa: S608 - constants

    @property
    def where(self) -> str:
        return " AND ".join(self.conditions)


@dataclass(frozen=True, slots=True)
class Listing:
    """A statement, its values, the key columns of its rows, and how many rows make a page."""

    sql: str
    values: tuple[Any, ...]
    key: tuple[str, ...]
    size: int

    def cut(self, rows: Sequence[Row]) -> Page[Row]:
        """The rows of this page; one more than these says that there is a next."""
        shown = list(rows[: self.size])
        more = len(rows) > self.size
        return Page(shown, write_cursor([shown[-1][name] for name in self.key]) if more else None)


def write_cursor(key: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def read_cursor(cursor: str, kinds: tuple[type, ...]) -> list[Any]:
    """The key of the last row of a page. Raises ValueError for what is no cursor of this list."""
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, UnicodeError, RecursionError):
        key = None
    if not isinstance(key, list) or [type(part) for part in key] != list(kinds):
        raise ValueError("this cursor is none of this list: take `next` of the page before, with the same filters")
    return key


def submissions(query: Query) -> Listing:
    chosen = _Filter()
    chosen.equal(s__client=query.client, s__provider=query.provider, s__stage=query.stage, s__id=query.submission_id)
    _common(chosen, query, "s.search", "s.created_at")
    chosen.labels("s", query)
    if query.cursor:
        chosen.add("(s.created_at, s.id) < (?, ?)", *read_cursor(query.cursor, (int, str)))
    return _listing(
        query,
        f"SELECT s.id, s.created_at, s.doc AS submission, s.ask_at FROM submissions AS s WHERE {chosen.where} "  # noqa: S608 - conditions are ours, values are bound
        "ORDER BY s.created_at DESC, s.id DESC LIMIT ?",
        chosen,
        ("created_at", "id"),
    )


def events(query: Query) -> Listing:
    chosen = _Filter()
    _of_event(chosen, query)
    chosen.add(_KEPT)
    chosen.equal(e__id=query.event_id)
    _common(chosen, query, "e.search", "e.received_at")
    if query.cursor:
        chosen.add("e.seq < ?", *read_cursor(query.cursor, (int,)))
    return _listing(
        query,
        f"SELECT {_EVENT} FROM events AS e {_BODY} WHERE {chosen.where} ORDER BY e.seq DESC LIMIT ?",  # noqa: S608 - conditions are ours, values are bound
        chosen,
        ("seq",),
    )


@dataclass(frozen=True, slots=True)
class CommitOrder:
    """The columns of `events` that tell the order of commits. `settled` is true of those before which none can come."""

    columns: tuple[str, ...]
    settled: str = "TRUE"

    @property
    def place(self) -> str:
        """Where an event stands, by its id."""
        return f"SELECT {', '.join(self.columns)} FROM events WHERE id = ?"  # noqa: S608 - constants

    def behind(self) -> str:
        columns = ", ".join(f"e.{name}" for name in self.columns)
        return f"({columns}) > ({', '.join('?' * len(self.columns))})"


def events_after(order: CommitOrder, place: list[Any] | None, query: Query) -> Listing:
    """Oldest first, from behind this place in the order of commits; None: all that are left."""
    chosen = _Filter()
    _of_event(chosen, query)
    chosen.add(_KEPT)
    _common(chosen, query, "e.search", "e.received_at")
    chosen.add(order.settled)
    if query.cursor:
        place = read_cursor(query.cursor, (int,) * len(order.columns))
    if place is not None:
        chosen.add(order.behind(), *place)
    columns = ", ".join(f"e.{name}" for name in order.columns)
    return _listing(
        query,
        f"SELECT {columns}, {_EVENT} FROM events AS e {_BODY} WHERE {chosen.where} ORDER BY {columns} LIMIT ?",  # noqa: S608 - conditions are ours, values are bound
        chosen,
        order.columns,
    )


def deliveries(query: Query) -> Listing:
    chosen = _Filter()
    chosen.equal(d__event_id=query.event_id, d__handler=query.handler, d__state=query.state)
    _of_event(chosen, query)
    if query.q:
        needle = query.q.casefold()
        chosen.add(
            "(instr(e.search, ?) > 0 OR instr(lower(d.id || ' ' || coalesce(d.submission_id, '')), ?) > 0)",
            needle,
            needle,
        )
    if query.since:
        chosen.add("d.created_at >= ?", micros(query.since))
    if query.cursor:
        chosen.add("(d.created_at, d.id) < (?, ?)", *read_cursor(query.cursor, (int, str)))
    return _listing(
        query,
        f"SELECT d.* FROM deliveries AS d JOIN events AS e ON e.id = d.event_id WHERE {chosen.where} "  # noqa: S608 - conditions are ours, values are bound
        "ORDER BY d.created_at DESC, d.id DESC LIMIT ?",
        chosen,
        ("created_at", "id"),
    )


def _of_event(chosen: _Filter, query: Query) -> None:
    chosen.equal(e__client=query.client, e__provider=query.provider, e__stage=query.stage, e__level=query.level)
    chosen.equal(e__submission_id=query.submission_id)
    if query.type is not None:
        chosen.add(r"e.type LIKE ? ESCAPE '\'", _like(query.type))
    chosen.labels("e", query)


def _like(pattern: str) -> str:
    """A pattern with `*` as LIKE knows it."""
    return re.sub(r"[%_\\]", r"\\\g<0>", pattern.casefold()).replace("*", "%")


def _common(chosen: _Filter, query: Query, search: str, time: str) -> None:
    if query.q:
        chosen.add(f"instr({search}, ?) > 0", query.q.casefold())
    if query.since:
        chosen.add(f"{time} >= ?", micros(query.since))


def _listing(query: Query, sql: str, chosen: _Filter, key: tuple[str, ...]) -> Listing:
    size = max(1, min(query.limit, MOST))
    # One row more than asked for tells whether there is a next page.
    return Listing(sql, (*chosen.values, size + 1), key, size)


def count_all(rows: Sequence[Row]) -> dict[str, int]:
    """Every word has its number, also where it is none."""
    words = ["unrouted", *(state.value for state in DeliveryState)]
    return dict.fromkeys(words, 0) | {row["what"]: row["count"] for row in rows}
