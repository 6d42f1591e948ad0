"""Rows as text: aligned and whole in a pipe, fitted to the width of a terminal. Ids are never cut: they get copied."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from handlers.text import one_line

Row = Mapping[str, Any]

_GAP = 2
_ROOMY = 120
_LEAST = 6
_LABEL = 11
_STYLES = {
    "complete": "green",
    "delivered": "green",
    "failed": "red",
    "dead": "red",
    "rejected": "red",
    "lost": "red",
    "problem": "yellow",
    "unknown": "yellow",
    "discarded": "dim",
}


@dataclass(frozen=True, slots=True)
class Column:
    """`roomy` columns are left out on a narrow terminal; a `flexible` one gives way to the others."""

    name: str
    read: Callable[[Row], str]
    roomy: bool = False
    flexible: bool = False


def show(
    console: Console, rows: Sequence[Row], columns: Sequence[Column], note: Callable[[Row], str] | None = None
) -> None:
    """Prints the rows; `note` is a line below a row where its roomy columns are left out."""
    width = console.width if console.is_terminal else None
    chosen = [column for column in columns if width is None or width >= _ROOMY or not column.roomy]
    head, *body = lines(rows, chosen, width)
    console.print(head, soft_wrap=True)
    for row, line in zip(rows, body, strict=True):
        console.print(line, soft_wrap=True)
        if note and len(chosen) < len(columns) and (said := one_line(note(row))):
            console.print(Text(f"  {said}", style="dim"))


def show_pairs(console: Console, pairs: Iterable[tuple[str, str]], indent: int = 0) -> None:
    """Labels and sentences below each other; a terminal wraps the sentences beside their labels."""
    grid = Table.grid(padding=(0, _GAP, 0, 0))
    for label, text in pairs:
        grid.add_row(" " * indent + label.ljust(_LABEL), Text(text, overflow="fold"))
        if not console.is_terminal:
            console.print(Text(f"{' ' * indent}{label:{_LABEL}}{' ' * _GAP}{text}"), soft_wrap=True)
    if console.is_terminal and grid.row_count:
        console.print(grid)


def lines(rows: Sequence[Row], columns: Sequence[Column], width: int | None) -> list[Text]:
    """A head and a line for each row, at most `width` cells wide where the columns that don't give way allow it."""
    cells = [[one_line(column.read(row)) for column in columns] for row in rows]
    heads = [column.name for column in columns]
    widths = _widths([heads, *cells], columns, width)
    return [Text(_join(heads, widths), style="bold"), *(_line(row, widths) for row in cells)]


def _widths(cells: Sequence[Sequence[str]], columns: Sequence[Column], width: int | None) -> list[int]:
    widths = [max(cell_len(row[number]) for row in cells) for number in range(len(columns))]
    if width is None:
        return widths
    for number, column in enumerate(columns):
        excess = sum(widths) + _GAP * (len(widths) - 1) - width
        if column.flexible and excess > 0:
            widths[number] = max(_LEAST, widths[number] - excess)
    return widths


def _line(cells: Sequence[str], widths: Sequence[int]) -> Text:
    line = Text()
    for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        last = number == len(cells) - 1
        line.append(_fitted(cell, width, last=last), style=_STYLES.get(cell, ""))
        line.append("" if last else " " * _GAP)
    line.rstrip()
    return line


def _join(cells: Sequence[str], widths: Sequence[int]) -> str:
    return _line(cells, widths).plain


def _fitted(cell: str, width: int, *, last: bool) -> str:
    if cell_len(cell) > width:
        return set_cell_size(cell, width - 1) + "…"
    return cell if last else set_cell_size(cell, width)
