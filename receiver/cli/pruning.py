"""`prune`: what is past retention goes now, also beside a running receiver."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from receiver.app import open_database
from receiver.cli.context import ConfigOption, JsonOption, err, out, run, settings_from, usage
from receiver.cli.interrupts import finished
from receiver.cli.lists import print_json
from receiver.cli.options import taking
from receiver.cli.source import require_database
from receiver.pruner import sweep
from receiver.settings import Settings
from receiver.store.records import Pruned, Retention
from receiver.units import parse_duration

_COUNTS = ("callbacks", "events", "deliveries", "attempts", "keys")


@dataclass(frozen=True, kw_only=True)
class PruneOptions:
    events: Annotated[
        str | None, typer.Option(metavar="AGE", help="Events older than this, as 90d; else retention.events.")
    ] = None
    callbacks: Annotated[
        str | None, typer.Option(metavar="AGE", help="Bodies older than this, as 30d; else retention.callbacks.")
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much would go.")] = False
    json: JsonOption = False
    config: ConfigOption = None


@taking(PruneOptions)
def prune(wanted: PruneOptions) -> None:
    """Remove what is too old: bodies of callbacks, and events.

    Songs stay, with their files and links; so does what is undelivered, a dead letter, or not understood.
    """
    settings = settings_from(wanted.config)
    require_database(settings)
    keep = Retention(
        events=_age("--events", wanted.events) or settings.retention.events,
        callbacks=_age("--callbacks", wanted.callbacks) or settings.retention.callbacks,
    )
    run(_prune(settings, keep, wanted))


def _age(option: str, text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        age = parse_duration(text)
    except ValueError as error:
        raise usage(f"{option} {error}.") from None
    if not age:
        raise usage(f"{option} must be more than nothing; all that is younger stays.")
    return age


async def _prune(settings: Settings, keep: Retention, wanted: PruneOptions) -> None:
    store = await open_database(settings)
    total = Pruned()
    try:
        with _bar(await store.prunable(keep)) as advance:
            async for pruned in sweep(store, keep, dry_run=wanted.dry_run):
                total += pruned
                advance(pruned.looked)
    except asyncio.CancelledError:
        err.print("Broken off: the rest goes the next time.")
        raise
    finally:
        await finished(store.close())
        _tell(total, wanted)


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.completed} of {task.total}"), BarColumn(30), TaskProgressColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=err, transient=True, disable=not err.is_terminal
    ) as progress:
        task = progress.add_task("", total=total)
        yield lambda looked: progress.advance(task, looked)


def _tell(total: Pruned, wanted: PruneOptions) -> None:
    stayed = total.looked - total.callbacks - total.events
    if wanted.json:
        counts: dict[str, Any] = {name: getattr(total, name) for name in _COUNTS}
        print_json({"dry_run": wanted.dry_run, **counts, "stayed": stayed})
        return
    named = replace(total, looked=0)
    if named == Pruned():
        out.print("Nothing is too old.")
    else:
        begin = "Would go" if wanted.dry_run else "Removed"
        out.print(f"{begin}: {_said(total)}.", soft_wrap=True)
    if stayed:
        err.print(f"{stayed} that are old stay: undelivered, dead, or not understood.", soft_wrap=True)


def _said(total: Pruned) -> str:
    return (
        f"the bodies of {total.callbacks} callbacks, {total.events} events with {total.deliveries} deliveries "
        f"and {total.attempts} attempts, {total.keys} idempotency keys"
    )
