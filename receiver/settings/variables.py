"""`${NAME}`, `${NAME:-default}` and `$${` in the values of the file, and the `.env` beside it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from receiver.settings.mistakes import KeyPath, Mistakes

_VARIABLE = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\})?")
_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_ESCAPED = re.compile(r"\\(.)")
_MALFORMED = "has a ${ that is not ${NAME} or ${NAME:-default}; write $${ where a plain ${ is meant"

_SET, _GIVE = "set it, or put it into .env beside this file", "give it a value"


@dataclass(slots=True)
class Variables:
    """Fills a file's values from `environ`. What is missing is told once the section's model says what is needed."""

    environ: Mapping[str, str]
    mistakes: Mistakes
    _missing: list[tuple[KeyPath, str]] = field(default_factory=list)

    def fill(self, value: Any, path: KeyPath = ()) -> Any:
        """The value with every variable replaced. A text that its variables leave empty becomes None: left out."""
        if isinstance(value, dict):
            return {key: self.fill(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item, (*path, number)) for number, item in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value
        filled = _VARIABLE.sub(lambda found: self._replacement(found, path), value)
        # After a mistake something must stand here, else the key would be missing as well.
        return filled if self.mistakes.within(path) else filled or None

    def tell(self, at: KeyPath, may_be_empty: Callable[[KeyPath], bool]) -> None:
        """Notes what is missing in the section at `at` as mistakes, each once; the key paths are the section's own."""
        inside = [(path, name) for path, name in self._missing if path[: len(at)] == at]
        self._missing = [missing for missing in self._missing if missing not in inside]
        for path, name in inside:
            state, remedy = ("set but empty", _GIVE) if name in self.environ else ("not set", _SET)
            empty = f", or write ${{{name}:-}} to allow it to be empty" if may_be_empty(path[len(at) :]) else ""
            self.mistakes.add(path, f"{name} is {state}; {remedy}{empty}")

    def _replacement(self, found: re.Match[str], path: KeyPath) -> str:
        name, default = found[1], found[2]
        if found[0] == "$${":
            return "${"
        if name is None:
            self.mistakes.add(path, _MALFORMED)
            return ""
        known = self.environ.get(name)
        if not known and default is None:
            self.mistakes.excuse(path)
            self._missing.append((path, name))
        return known or default or ""


def read_env(path: Path, mistakes: Mistakes) -> dict[str, str]:
    """The assignments of a `.env` file: KEY=VALUE lines, quotes, comments, `export`; empty where there is none."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError):
        mistakes.add_elsewhere(str(path), 0, "can't be read as UTF-8 text; correct or remove it")
        return {}
    found: dict[str, str] = {}
    for number, line in enumerate((line.strip() for line in lines), start=1):
        if not line or line.startswith("#"):
            continue
        assignment = _ASSIGNMENT.fullmatch(line)
        value = _unquoted(assignment[2]) if assignment else None
        if assignment is None or value is None:
            mistakes.add_elsewhere(
                str(path), number, "is not KEY=VALUE; quote a value with both quotes, or remove the line"
            )
            continue
        found[assignment[1]] = value
    return found


def _unquoted(text: str) -> str | None:
    """The value of an assignment; None where a quote is not closed."""
    quote = text[:1]
    if quote not in ("'", '"'):
        return _COMMENT.sub("", text).strip()
    body = r"'([^']*)'" if quote == "'" else r'"((?:[^"\\]|\\.)*)"'
    found = re.fullmatch(body + r"\s*(?:#.*)?", text)
    if found is None:
        return None
    return found[1] if quote == "'" else _ESCAPED.sub(lambda escape: {"n": "\n"}.get(escape[1], escape[1]), found[1])
