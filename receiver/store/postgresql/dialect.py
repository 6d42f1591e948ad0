"""The statements of `store.sql`, which speak SQLite's dialect, as PostgreSQL and asyncpg want them."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

# Literals and casts pass as they are; then what is for SQLite alone, a function of another name, and the placeholders.
_WORDS = re.compile(r"'(?:[^']|'')*'|::|(?P<hint>INDEXED BY \w+)|(?P<instr>\binstr\()|\?(?P<number>\d*)|:(?P<name>\w+)")


@lru_cache(maxsize=1000)
def translate(sql: str) -> tuple[str, tuple[str, ...]]:
    """The statement with `$1` and so on, and the names of its parameters in that order, if they have names."""
    names: list[str] = []
    count = 0

    def word(match: re.Match[str]) -> str:
        nonlocal count
        if match["hint"]:
            return ""
        if match["instr"]:
            return "strpos("
        if match["name"]:
            if match["name"] not in names:
                names.append(match["name"])
            return f"${names.index(match['name']) + 1}"
        if match["number"] is None:
            return match[0]
        count += 1
        return f"${match['number'] or count}"

    return _WORDS.sub(word, re.sub(r"/\*!(.*?)\*/", r"\1", sql, flags=re.DOTALL)), tuple(names)


def bind(sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> tuple[str, Sequence[Any]]:
    """The translated statement, and its values in their order."""
    text, names = translate(sql)
    if isinstance(parameters, Mapping):
        return text, [parameters[name] for name in names]
    return text, parameters
