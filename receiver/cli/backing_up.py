"""`backup`: a copy of the SQLite file while it is in use; for PostgreSQL the command that makes one."""

import asyncio
import shlex
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from receiver.cli.context import ConfigOption, err, out, run, settings_from, usage
from receiver.cli.source import require_database
from receiver.store import database_folder, sqlite_path
from receiver.store.sqlite import backup as sqlite
from receiver.units import format_size

_SECRETS = frozenset({"password", "sslpassword", "passfile"})


class _BrokenOff(Exception):
    """Raised inside the copying thread, which nothing else can end."""


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The copy; a file that is not there yet.")],
    config: ConfigOption = None,
) -> None:
    """Copy the database into a file, also beside a running receiver.

    The copy is checked, and readable for its owner alone: it holds the secret.
    """
    settings = settings_from(config)
    if database_folder(settings.database) is None:
        raise usage(f"PostgreSQL makes its own copies: PGPASSWORD=… {pg_dump(settings.database, target)}")
    require_database(settings)
    if target.exists():
        raise usage(f"{target} is there already: name another file.")
    if not target.absolute().parent.is_dir():
        raise usage(f"{target} can't be made: there is no folder {target.absolute().parent}.")
    run(_backup(sqlite_path(settings.database), target.absolute()))
    size = format_size(target.stat().st_size // 1024 * 1024)
    out.print(f"{target}: {size}, checked. It holds the secret: keep it as safe.", markup=False, soft_wrap=True)


def pg_dump(url: str, target: Path) -> str:
    """The command for this database, without its password."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name not in _SECRETS])
    bare = urlunsplit(parts._replace(netloc=user.partition(":")[0] + at + host, query=query))
    return f"pg_dump --format=custom --file={shlex.quote(str(target))} {shlex.quote(bare)}"


async def _backup(database: Path, target: Path) -> None:
    over = threading.Event()
    with _bar() as show:

        def tell(done: int, total: int) -> None:
            if over.is_set():
                raise _BrokenOff
            show(done, total)

        work = asyncio.ensure_future(asyncio.to_thread(sqlite.copy, database, target, tell))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            over.set()
            with suppress(_BrokenOff):
                await work
            raise
        except FileExistsError:
            raise usage(f"{target} is there already: name another file.") from None


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(30), TaskProgressColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("copied", total=None)

        def show(done: int, total: int) -> None:
            said = "copied" if done < total else "being checked"
            progress.update(task, completed=done, total=total, description=said)

        yield show
