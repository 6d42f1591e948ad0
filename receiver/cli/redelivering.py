"""`redeliver` and `replay`: deliveries once more, and past events for a handler that never had them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.text import Text

from receiver.cli.context import ConfigOption, JsonOption, err, out, run, usage
from receiver.cli.lists import ClientOption, ProviderOption, StageOption, SubmissionOption, TypeOption, print_json
from receiver.cli.options import LabelOption, given, read_labels, taking
from receiver.cli.source import Conflict, NotThere, Source, open_source
from receiver.cli.times import since
from receiver.errors import ReceiverError

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say which.")]
SearchOption = Annotated[str | None, typer.Option("--search", "-q", help="Text in ids and titles.")]
SinceOption = Annotated[str | None, typer.Option(help="A time, or how long ago (2h, 7d).")]

_SOON = "A running `receiver serve` on this database takes them up within 5 seconds."


@dataclass(frozen=True, kw_only=True)
class RedeliverOptions:
    idents: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Deliveries by their ids.")] = None
    again: Annotated[bool, typer.Option("--again", help="Also what was delivered: as a new delivery.")] = False
    handler: Annotated[str | None, typer.Option(help="Those to this handler.")] = None
    state: Annotated[str | None, typer.Option(help="dead (as it is without), or discarded.")] = None
    since: SinceOption = None
    search: SearchOption = None
    submission: SubmissionOption = None
    type: TypeOption = None
    dry_run: DryRunOption = False
    json: JsonOption = False
    config: ConfigOption = None

    def filter(self) -> dict[str, str]:
        named = {
            "handler": self.handler,
            "state": self.state,
            "since": since(self.since),
            "q": self.search,
            "submission_id": self.submission,
            "type": self.type,
        }
        return given(named)


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    handler: Annotated[str, typer.Option(help="The handler that is to have them.")]
    type: TypeOption = None
    stage: StageOption = None
    provider: ProviderOption = None
    client: ClientOption = None
    label: LabelOption = None
    since: SinceOption = None
    search: SearchOption = None
    submission: SubmissionOption = None
    event: Annotated[str | None, typer.Option(help="Only this event.")] = None
    all: Annotated[bool, typer.Option("--all", help="Also those that no route gives to this handler.")] = False
    dry_run: DryRunOption = False
    json: JsonOption = False
    config: ConfigOption = None

    def filter(self) -> dict[str, Any]:
        named = {
            "type": self.type,
            "stage": self.stage,
            "provider": self.provider,
            "client": self.client,
            "since": since(self.since),
            "q": self.search,
            "submission_id": self.submission,
            "event_id": self.event,
        }
        labels = read_labels(self.label)
        return {**given(named), **({"labels": labels} if labels else {})}


@taking(RedeliverOptions)
def redeliver(wanted: RedeliverOptions) -> None:
    """Put deliveries back, by their ids or by a filter."""
    chosen = wanted.filter()
    if wanted.idents and chosen:
        raise usage("Name deliveries by their ids, or by a filter, not both.")
    if not wanted.idents and not chosen:
        raise usage("Say which: ids of deliveries, or a filter such as --state dead --handler NAME.")
    if chosen and wanted.again:
        raise usage("--again is for deliveries that are named by their ids.")
    if wanted.idents and wanted.dry_run:
        raise usage("--dry-run is for a filter: ids say already which.")
    run(_redeliver_each(wanted, wanted.idents) if wanted.idents else _redeliver_all(wanted))


@taking(ReplayOptions)
def replay(wanted: ReplayOptions) -> None:
    """Send past events to a handler that never had them.

    Those that the routes of now give to it, and as they say; with --all every event that the filter takes.
    """
    if not wanted.filter():
        raise usage("Say which events, if only by time: --since 7d.")
    run(_replay(wanted))


async def _redeliver_each(wanted: RedeliverOptions, idents: Sequence[str]) -> None:
    rows: list[Any] = []
    async with open_source(wanted.config) as source:
        try:
            for ident in idents:
                rows += [await _redeliver_one(source, ident, wanted.again)]
        finally:
            # What was put back before one of them failed is said all the same.
            if rows:
                _tell(rows, source, wanted.json)


async def _redeliver_one(source: Source, ident: str, again: bool) -> Any:
    try:
        return await source.post(f"/v1/deliveries/{quote(ident, safe='')}/redeliver", {"again": again})
    except NotThere:
        raise ReceiverError(f"There is no delivery {ident!r}; those past retention.events are removed.") from None
    except Conflict:
        raise ReceiverError(f"{ident} is delivered: say --again for a new delivery of its event.") from None


async def _redeliver_all(wanted: RedeliverOptions) -> None:
    async with open_source(wanted.config) as source:
        rows = await _pages(source, "/v1/redeliveries", {**wanted.filter(), "dry_run": wanted.dry_run})
        _tell(rows, source, wanted.json, dry_run=wanted.dry_run)


async def _replay(wanted: ReplayOptions) -> None:
    body = {**wanted.filter(), "handler": wanted.handler, "all": wanted.all, "dry_run": wanted.dry_run}
    async with open_source(wanted.config) as source:
        rows = await _pages(source, "/v1/replays", body)
        _tell(rows, source, wanted.json, dry_run=wanted.dry_run)
    if not rows and not wanted.all:
        said = f"No route gives such an event to {wanted.handler}, or it had them; --all asks no route."
        err.print(said, markup=False, soft_wrap=True)


async def _pages(source: Source, path: str, body: Mapping[str, Any]) -> list[Any]:
    """Every page in turn: between two of them Ctrl-C leaves nothing half done."""
    rows: list[Any] = []
    columns = (SpinnerColumn(), TextColumn("{task.completed} so far"))
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("", total=None)
        cursor: str | None = None
        while True:
            page = await source.post(path, {**body, **given({"cursor": cursor})})
            rows += page["data"]
            progress.update(task, completed=len(rows))
            cursor = page["next"]
            if cursor is None:
                return rows


def _tell(rows: list[Any], source: Source, as_json: bool, *, dry_run: bool = False) -> None:
    if as_json:
        print_json({"dry_run": dry_run, "data": rows})
        return
    for row in rows:
        out.print(Text(_line(row)), soft_wrap=True)
    count = f"{len(rows)} delivery" if len(rows) == 1 else f"{len(rows)} deliveries"
    said = f"{count} would go out; nothing was changed." if dry_run else f"{count} put back."
    err.print(said, soft_wrap=True)
    if rows and not dry_run and not source.live:
        err.print(_SOON, soft_wrap=True)


def _line(row: Mapping[str, Any]) -> str:
    if "delivery_id" in row:
        return f"{row['delivery_id'] or '-'}  {row['event_id']}  {row['event_type']}"
    return f"{row['id']}  {row['state']:9}  {row['handler']}"
