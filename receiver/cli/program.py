"""How this very program is called: commands that are printed to be copied begin with it."""

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path


def program() -> str:
    """`receiver` where the shell finds this one by its name, else its path, or Python with `-m receiver`."""
    return spelt(sys.argv[0], sys.executable, shutil.which)


def spelt(started: str, python: str, which: Callable[[str], str | None]) -> str:
    """`started` is the script that runs; `which` finds programs by their names."""
    if Path(started).name == "__main__.py":
        return f"{_shortest(python, which)} -m receiver"
    return _shortest(started, which)


def _shortest(path: str, which: Callable[[str], str | None]) -> str:
    # Links are not followed: a virtual environment's Python is one.
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` would follow them
    found = which(whole.name)
    if found is not None and Path(os.path.abspath(found)) == whole:  # noqa: PTH100 - as above
        return shlex.quote(whole.name)
    here = Path.cwd()
    return shlex.quote(str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole))
