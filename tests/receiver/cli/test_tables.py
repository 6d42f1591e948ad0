from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console

from receiver.cli.tables import Column, lines, show, show_pairs

ID = "sub_01a1fbbc9a3df0732111176c24847f2d"
COLUMNS = (
    Column("stage", lambda row: str(row["stage"])),
    Column("what", lambda row: str(row["what"]), flexible=True),
    Column("id", lambda row: str(row["id"])),
    Column("labels", lambda row: str(row["labels"]), roomy=True),
)
ROW = {"stage": "complete", "what": "A title that is far longer than its column", "id": ID, "labels": "a=b"}


def console(width: int, *, terminal: bool) -> tuple[Console, StringIO]:
    text = StringIO()
    return Console(file=text, width=width, force_terminal=terminal, color_system=None), text


@pytest.mark.parametrize("width", [60, 80, 119])
def test_a_table_fits_a_terminal_and_shows_ids_whole(width: int) -> None:
    screen, text = console(width, terminal=True)
    show(screen, [ROW], COLUMNS)
    printed = text.getvalue().splitlines()
    assert all(cell_len(line) <= width for line in printed)
    assert ID in printed[1]
    assert "a=b" not in printed[1]


@pytest.mark.parametrize(("width", "terminal"), [(140, True), (20, False)], ids=["wide terminal", "pipe"])
def test_every_column_is_there_where_there_is_room(width: int, terminal: bool) -> None:
    screen, text = console(width, terminal=terminal)
    show(screen, [ROW], COLUMNS)
    head, line = text.getvalue().splitlines()
    assert head.split() == ["stage", "what", "id", "labels"]
    assert line.split() == ["complete", *ROW["what"].split(), ID, "a=b"]
    assert line.index(ID) == head.index("id ")


def test_columns_line_up_where_characters_are_wide() -> None:
    _, plain, wide = lines([ROW | {"what": "Rain"}, ROW | {"what": "夜の船"}], COLUMNS[:3], None)
    assert cell_len(plain.plain) == cell_len(wide.plain)


def test_a_row_is_one_line_whatever_its_text() -> None:
    body = lines([ROW | {"what": "two\nlines\x1b[31m \u202ered"}], COLUMNS, None)[1]
    assert "two lines[31m red" in body.plain


def test_a_narrow_terminal_has_notes_below_the_rows() -> None:
    screen, text = console(80, terminal=True)
    show(screen, [ROW], COLUMNS, lambda row: f"labels: {row['labels']}")
    assert text.getvalue().splitlines()[2] == "  labels: a=b"


def test_a_wide_terminal_needs_no_notes() -> None:
    screen, text = console(140, terminal=True)
    show(screen, [ROW], COLUMNS, lambda row: f"labels: {row['labels']}")
    assert len(text.getvalue().splitlines()) == 2


@pytest.mark.parametrize(("terminal", "count"), [(True, 2), (False, 1)], ids=["terminal", "pipe"])
def test_only_a_terminal_wraps_sentences(terminal: bool, count: int) -> None:
    screen, text = console(40, terminal=terminal)
    show_pairs(screen, [("error", "Something broke at the provider, again.")], indent=2)
    printed = [line.rstrip() for line in text.getvalue().splitlines()]
    assert len(printed) == count
    assert printed[0].startswith("  error        Something")
