"""SQLite's dialect as PostgreSQL wants it."""

import pytest

from receiver.store.postgresql.dialect import bind


@pytest.mark.parametrize(
    ("sql", "given", "text", "values"),
    [
        ("a = ? AND b = ?", (1, 2), "a = $1 AND b = $2", (1, 2)),
        ("a = ?1 OR ?2 OR b = ?1", (1, 2), "a = $1 OR $2 OR b = $1", (1, 2)),
        ("a = :x AND b = :now AND c = :x", {"now": 2, "x": 1}, "a = $1 AND b = $2 AND c = $1", [1, 2]),
        ("a = ':x' AND b = '?''?' AND c = ?", (1,), "a = ':x' AND b = '?''?' AND c = $1", (1,)),
        ("a::text = ?", (1,), "a::text = $1", (1,)),
        ("FROM a INDEXED BY b_c WHERE d", (), "FROM a  WHERE d", ()),
        ("SELECT 1 /*! FOR UPDATE OF d\nSKIP LOCKED */ x", (), "SELECT 1  FOR UPDATE OF d\nSKIP LOCKED  x", ()),
        ("instr(a, ?) > 0 AND not_instr(b)", ("x",), "strpos(a, $1) > 0 AND not_instr(b)", ("x",)),
    ],
)
def test_a_statement_is_translated(
    sql: str, given: tuple[int, ...] | dict[str, int], text: str, values: object
) -> None:
    assert bind(sql, given) == (text, values)
