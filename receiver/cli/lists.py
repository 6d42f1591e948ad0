"""`submissions`, `events` and `deliveries`: what there is, newest first, from a running receiver or the database."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.text import Text

from handlers.text import one_line
from receiver.cli import songs
from receiver.cli.context import err, out, run
from receiver.cli.options import LabelOption, ListOptions, given, label_params, taking
from receiver.cli.source import Forbidden, NotThere, Source, open_source
from receiver.cli.tables import Column, Row, moment, show, show_pairs
from receiver.errors import ReceiverError
from receiver.shapes import json_bytes

StageOption = Annotated[str | None, typer.Option(help="How far: accepted, text, first, complete, failed …")]
ProviderOption = Annotated[str | None, typer.Option(help="Only of this provider.")]
ClientOption = Annotated[str | None, typer.Option(help="Only of this client; for the admin.")]
SubmissionOption = Annotated[str | None, typer.Option(help="Only of this submission.")]
TypeOption = Annotated[str | None, typer.Option("--type", help='Such as music.complete, or "*.failed".')]


@dataclass(frozen=True, kw_only=True)
class SubmissionsOptions(ListOptions):
    ident: Annotated[str | None, typer.Argument(metavar="ID", help="One of them, with all that belongs to it.")] = None
    stage: StageOption = None
    provider: ProviderOption = None
    client: ClientOption = None
    label: LabelOption = None

    def params(self) -> dict[str, str]:
        named = {"stage": self.stage, "provider": self.provider, "client": self.client}
        return super().params() | given(named) | label_params(self.label)


@dataclass(frozen=True, kw_only=True)
class EventsOptions(ListOptions):
    type: TypeOption = None
    level: Annotated[str | None, typer.Option(help="info or problem.")] = None
    stage: StageOption = None
    provider: ProviderOption = None
    client: ClientOption = None
    label: LabelOption = None
    submission: SubmissionOption = None

    def params(self) -> dict[str, str]:
        named = {
            "type": self.type,
            "level": self.level,
            "stage": self.stage,
            "provider": self.provider,
            "client": self.client,
            "submission_id": self.submission,
        }
        return super().params() | given(named) | label_params(self.label)


@dataclass(frozen=True, kw_only=True)
class DeliveriesOptions(EventsOptions):
    state: Annotated[str | None, typer.Option(help="waiting, pending, running, delivered, dead or discarded.")] = None
    handler: Annotated[str | None, typer.Option(help="Only to this handler.")] = None
    event: Annotated[str | None, typer.Option(help="Only of this event.")] = None

    def params(self) -> dict[str, str]:
        return super().params() | given({"state": self.state, "handler": self.handler, "event_id": self.event})


def _labels(row: Row) -> str:
    return " ".join(f"{name}={value}" for name, value in row["labels"].items())


def _said(row: Row) -> str:
    """An error in one sentence: an event's has parts, a delivery's is text."""
    error = row.get("error")
    if isinstance(error, Mapping):
        return str(error.get("meaning") or error["message"])
    return error or ""


def _short(name: str) -> Callable[[Row], str]:
    return lambda row: moment(row[name], "%m-%d %H:%M")


def _text(name: str) -> Callable[[Row], str]:
    return lambda row: str(row[name] if row[name] is not None else "")


_SUBMISSIONS = (
    Column("created", _short("created_at")),
    Column("stage", _text("stage")),
    Column("what", songs.title, flexible=True),
    Column("provider", _text("provider"), roomy=True),
    Column("client", _text("client"), roomy=True),
    Column("id", _text("id")),
    Column("labels", _labels, roomy=True),
)
_EVENTS = (
    Column("received", lambda row: moment(row["received_at"])),
    Column("type", _text("type"), flexible=True),
    Column("level", _text("level"), roomy=True),
    Column("via", _text("via"), roomy=True),
    Column("id", _text("id")),
    Column("submission", _text("submission_id"), roomy=True),
    Column("error", _said, roomy=True),
)
_DELIVERIES = (
    Column("state", _text("state")),
    Column("handler", _text("handler"), flexible=True),
    Column("tries", _text("attempts")),
    Column("due", _short("due_at")),
    Column("id", _text("id")),
    Column("event", _text("event_type"), roomy=True),
    Column("error", _said, roomy=True),
)


@taking(SubmissionsOptions)
def submissions(wanted: SubmissionsOptions) -> None:
    """List submissions, or show one."""
    run(_list("/v1/submissions", wanted, _SUBMISSIONS) if wanted.ident is None else _one(wanted, wanted.ident))


@taking(EventsOptions)
def events(wanted: EventsOptions) -> None:
    """List events."""
    run(_list("/v1/events", wanted, _EVENTS))


@taking(DeliveriesOptions)
def deliveries(wanted: DeliveriesOptions) -> None:
    """List deliveries."""
    run(_list("/v1/deliveries", wanted, _DELIVERIES))


async def _list(path: str, wanted: ListOptions, columns: Sequence[Column]) -> None:
    async with open_source(wanted.config) as source:
        page = await source.get(path, wanted.params())
    if wanted.json:
        print_json(page)
        return
    if not page["data"]:
        err.print("Nothing was found.")
        return
    show(out, page["data"], columns, _said)
    if page["next"]:
        err.print(f"There are more: --cursor {page['next']}", markup=False, soft_wrap=True)


async def _one(wanted: SubmissionsOptions, ident: str) -> None:
    params = given({"provider": wanted.provider})
    async with open_source(wanted.config) as source:
        view = await _find(source, ident, params)
        if wanted.json:
            print_json(view)
            return
        rows = await deliveries_of(source, view["id"])
    _show_facts(view)
    _show_around(view, rows)


async def _find(source: Source, ident: str, params: Mapping[str, str]) -> Any:
    try:
        return await source.get(f"/v1/submissions/{quote(ident, safe='')}", params)
    except NotThere:
        raise ReceiverError(f"There is no submission {ident!r}, nor a task with this id.") from None


def _show_facts(view: Row) -> None:
    names = ("id", "task_id", "parent", "provider", "operation", "client", "stage", "created_at", "deadline_at")
    pairs = [(name, one_line(str(view[name]))) for name in names if view[name]]
    if view["labels"]:
        pairs.append(("labels", one_line(_labels(view))))
    show_pairs(out, [*pairs, *songs.failure(view)])


def _show_around(view: Row, rows: Sequence[Row] | None) -> None:
    if view["events"]:
        out.print("\nevents", style="bold")
        for event in view["events"]:
            out.print(Text(f"  {moment(event['occurred_at'])}  {event['id']}  {event['type']}"), soft_wrap=True)
    known = view["deliveries"] if rows is None else rows
    if known:
        out.print("\ndeliveries", style="bold")
    for row in known:
        said = f": {one_line(_said(row))}" if _said(row) else ""
        out.print(Text(f"  {row['state']:9}  {row['id']}  {row['handler']}{said}"), soft_wrap=True)
    print_links(view, rows or ())


def print_links(view: Row, rows: Sequence[Row]) -> None:
    """The results with their files: archived ones by their lasting links, else the provider's."""
    if view["results"]:
        out.print("\nresults", style="bold")
    for result in songs.linked(view, rows):
        out.print(Text(f"  {result.title}"), soft_wrap=True)
        for role, link in result.links:
            out.print(Text(f"    {role:7} {link}"), soft_wrap=True)


async def deliveries_of(source: Source, submission_id: str) -> list[Any] | None:
    """The deliveries of a submission with their receipts; None where the token is a client's."""
    try:
        page = await source.get("/v1/deliveries", {"submission_id": submission_id, "limit": "200"})
    except Forbidden:
        return None
    found: list[Any] = page["data"]
    return found


def print_json(value: Any) -> None:
    out.print(Text(json_bytes(value).decode()), soft_wrap=True)
