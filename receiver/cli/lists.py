"""`submissions`, `events` and `deliveries`: what there is, newest first, from a running receiver or the database."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.text import Text

from receiver.cli import details, songs
from receiver.cli.context import err, out, run
from receiver.cli.options import LabelOption, ListOptions, given, label_params, taking
from receiver.cli.source import Forbidden, NotThere, Source, open_source
from receiver.cli.tables import Column, Row, show
from receiver.cli.times import moment
from receiver.errors import ReceiverError
from receiver.shapes import json_bytes

StageOption = Annotated[str | None, typer.Option(help="How far: accepted, text, first, complete, failed …")]
ProviderOption = Annotated[str | None, typer.Option(help="Only of this provider.")]
ClientOption = Annotated[str | None, typer.Option(help="Only of this client; for the admin.")]
SubmissionOption = Annotated[str | None, typer.Option(help="Only of this submission.")]
TypeOption = Annotated[str | None, typer.Option("--type", help='Such as music.complete, or "*.failed".')]


@dataclass(frozen=True, kw_only=True)
class SubmissionsOptions(ListOptions):
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


def _short(name: str) -> Callable[[Row], str]:
    return lambda row: moment(row[name], "%m-%d %H:%M")


def _text(name: str) -> Callable[[Row], str]:
    return lambda row: str(row[name] if row[name] is not None else "")


_SUBMISSIONS = (
    Column("created", _short("created_at")),
    Column("stage", details.stage),
    Column("what", songs.title, flexible=True),
    Column("provider", _text("provider"), roomy=True),
    Column("client", _text("client"), roomy=True),
    Column("id", _text("id")),
    Column("labels", details.labels, roomy=True),
)
_EVENTS = (
    Column("received", lambda row: moment(row["received_at"])),
    Column("type", _text("type"), flexible=True),
    Column("level", _text("level"), roomy=True),
    Column("via", details.via, roomy=True),
    Column("id", _text("id")),
    Column("submission", _text("submission_id"), roomy=True),
    Column("error", details.error, roomy=True),
)
_DELIVERIES = (
    Column("state", _text("state")),
    Column("handler", _text("handler"), flexible=True),
    Column("tries", _text("attempts")),
    Column("due", _short("due_at")),
    Column("id", _text("id")),
    Column("event", _text("event_type"), roomy=True),
    Column("error", details.error, roomy=True),
)


@taking(SubmissionsOptions)
def submissions(wanted: SubmissionsOptions) -> None:
    """List submissions, or show one."""
    run(_submission(wanted, wanted.ident) if wanted.ident else _list("/v1/submissions", wanted, _SUBMISSIONS))


@taking(EventsOptions)
def events(wanted: EventsOptions) -> None:
    """List events, or show one."""
    run(_event(wanted, wanted.ident) if wanted.ident else _list("/v1/events", wanted, _EVENTS))


@taking(DeliveriesOptions)
def deliveries(wanted: DeliveriesOptions) -> None:
    """List deliveries, or show one."""
    run(_delivery(wanted, wanted.ident) if wanted.ident else _list("/v1/deliveries", wanted, _DELIVERIES))


async def _list(path: str, wanted: ListOptions, columns: Sequence[Column]) -> None:
    async with open_source(wanted.config) as source:
        page = await source.get(path, wanted.params())
    if wanted.json:
        print_json(page)
        return
    if not page["data"]:
        err.print("Nothing was found.")
        return
    show(out, page["data"], columns, details.error)
    if page["next"]:
        err.print(f"There are more: --cursor {page['next']}", markup=False, soft_wrap=True)


async def _submission(wanted: SubmissionsOptions, ident: str) -> None:
    async with open_source(wanted.config) as source:
        target, params = f"/v1/submissions/{quote(ident, safe='')}", given({"provider": wanted.provider})
        view = await _found(source.get(target, params), f"submission {ident!r}, nor a task with this id")
        rows = None if wanted.json else await deliveries_of(source, view["id"])
    if wanted.json:
        print_json(view)
    else:
        details.show_submission(view, rows)


async def _event(wanted: EventsOptions, ident: str) -> None:
    async with open_source(wanted.config) as source:
        view = await _found(source.get(f"/v1/events/{quote(ident, safe='')}"), f"event {ident!r}")
    if wanted.json:
        print_json(view)
    else:
        details.show_event(view)


async def _delivery(wanted: DeliveriesOptions, ident: str) -> None:
    async with open_source(wanted.config) as source:
        what = f"delivery {ident!r}; those past retention.events are removed"
        view = await _found(source.get(f"/v1/deliveries/{quote(ident, safe='')}"), what)
    if wanted.json:
        print_json(view)
    else:
        details.show_delivery(view)


async def _found(asked: Awaitable[Any], what: str) -> Any:
    try:
        return await asked
    except NotThere:
        raise ReceiverError(f"There is no {what}.") from None


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
