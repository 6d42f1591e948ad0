"""The numbered scripts that make the schema, and which versions still run on what they made."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from receiver.errors import SchemaTooNew


@dataclass(frozen=True, slots=True)
class Script:
    """One migration. `runs_with` is the oldest schema whose version still works on what it leaves behind."""

    number: int
    text: str

    @property
    def runs_with(self) -> int:
        # A script that only adds says in its first line which schema's version still runs; else only its own does.
        match = re.match(r"-- Runs with: (\d+)\n", self.text)
        return int(match[1]) if match else self.number


@cache
def scripts(database: str) -> tuple[Script, ...]:
    """The scripts that come with this version for a kind of database, in order."""
    folder = files("receiver.store") / "migrations" / database
    found = [(int(entry.name[:4]), entry.read_text("utf-8")) for entry in folder.iterdir() if entry.name[:4].isdigit()]
    return tuple(Script(number, text) for number, text in sorted(found))


def check_version(database: str, where: str, found: int, runs_with: int) -> None:
    """Raises SchemaTooNew where a newer version has changed what this one relies on."""
    newest = scripts(database)[-1].number
    if found > newest and runs_with > newest:
        raise SchemaTooNew(
            f"{where} was migrated by a newer version (schema {found}, this one knows {newest}): install that version."
        )
