"""`preview` and `test-handler`: what a handler would send, and a real try of it, on this machine."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer

from receiver.app import fresh_id
from receiver.cli.context import ConfigOption, JsonOption, out, run, settings_from, usage
from receiver.cli.event_files import read_event, read_json
from receiver.cli.lists import print_json
from receiver.cli.options import taking
from receiver.cli.source import NotThere, Remote, remote, remote_source
from receiver.errors import PermanentFailure, ReceiverError, TargetFailure, TemporaryFailure
from receiver.events import Event, utc_now
from receiver.handler import RECEIPT, Delivery, Handler, Preview, Receipt
from receiver.outbound import Http, Media, redact
from receiver.rehearsal import rehearse
from receiver.settings import Settings
from receiver.units import format_duration, suggestion

_TYPE = "music.complete"
_LOOK_S = 0.5
_ENDED = frozenset({"delivered", "dead", "discarded"})

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A handler of the configuration.")]
EventOption = Annotated[str | None, typer.Option(metavar="FILE", help="An event as JSON; - reads stdin.")]
TypeOption = Annotated[str | None, typer.Option(help=f"In place of a file: a type of event, else {_TYPE}.")]


@dataclass(frozen=True, kw_only=True)
class PreviewOptions:
    name: NameArgument
    event: EventOption = None
    type: TypeOption = None
    html: Annotated[bool, typer.Option("--html", help="The page in place of the text, where there is one.")] = False
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class TryOptions:
    name: NameArgument
    event: EventOption = None
    type: TypeOption = None
    json: JsonOption = False
    config: ConfigOption = None


@dataclass
class _Notes:
    """What a try remembers: for as long as it runs."""

    value: dict[str, Any] = field(default_factory=dict)

    async def read(self) -> dict[str, Any]:
        return dict(self.value)

    async def write(self, value: dict[str, Any]) -> None:
        self.value = value


@taking(PreviewOptions)
def preview(wanted: PreviewOptions) -> None:
    """Show what a handler would send. Nothing is sent."""
    settings = settings_from(wanted.config)
    handler = _named(settings, wanted.name)
    event = _event(wanted.event, wanted.type, utc_now(), files=True)
    shown = run(_preview(handler, event, settings))
    if shown is None:
        raise ReceiverError(f"A handler of the type {handler.type} sends nothing that can be shown.")
    if wanted.html and shown.html is None:
        raise ReceiverError(f"A handler of the type {handler.type} has no page; leave --html out.")
    # Not through the console: it would break lines and colour words.
    sys.stdout.write((shown.html if wanted.html and shown.html else shown.text).rstrip("\n") + "\n")


@taking(TryOptions)
def try_handler(wanted: TryOptions) -> None:
    """Try a handler with an event that never happened.

    The running receiver of RECEIVER_URL does it; without that it is done here and now.
    """
    there = remote(os.environ)
    if there is None:
        settings = settings_from(wanted.config)
        handler = _named(settings, wanted.name)
        said = run(_try(handler, _event(wanted.event, wanted.type, utc_now()), settings))
    elif wanted.event is not None:
        raise usage("--event is for a try on this machine: unset RECEIVER_URL, or say --type.")
    else:
        said = run(_try_there(there, wanted.name, wanted.type or _TYPE))
    if wanted.json:
        print_json(said)
    else:
        out.print(_sentence(wanted.name, said), markup=False, soft_wrap=True)
    if said["state"] != "delivered":
        raise typer.Exit(1)


def _named(settings: Settings, name: str) -> Handler:
    if name not in settings.handlers:
        raise usage(f"There is no handler {name!r}; {suggestion(name, settings.handlers)}")
    return settings.handlers[name]


def _event(file: str | None, type_: str | None, now: datetime, *, files: bool = False) -> Event:
    if file is not None and type_ is not None:
        raise usage("Name a file with an event, or a --type, not both.")
    if file is not None:
        return read_event(read_json(file), now)
    try:
        return rehearse(type_ or _TYPE, now, fresh_id, files=files).event
    except ValueError as error:
        raise usage(f"--type {error}.") from None


@asynccontextmanager
async def _delivery(event: Event, settings: Settings) -> AsyncIterator[Delivery]:
    """A delivery that no database knows."""
    http, media = Http(), Media(settings.outbound.allow, limit=settings.limits.file)
    base = settings.public_url or "http://127.0.0.1:8000"
    try:
        yield Delivery(
            id=fresh_id("dlv"),
            event=event,
            results=event.results,
            attempt=1,
            receipts={},
            http=http,
            media=media,
            progress=_Notes(),
            memory=_Notes(),
            link=lambda result_id, role: f"{base}/files/test-{quote(result_id, safe='')}-{quote(role, safe='')}",
            now=event.received_at,
            free_disk=settings.limits.free_disk,
        )
    finally:
        await http.close()
        await media.close()


async def _preview(handler: Handler, event: Event, settings: Settings) -> Preview | None:
    async with _delivery(event, settings) as delivery, handler.open():
        return await handler.preview(delivery)


async def _try(handler: Handler, event: Event, settings: Settings) -> Mapping[str, Any]:
    """What came of it, in the words of a delivery."""
    receipt: Receipt | None = None
    state, error = "delivered", None
    limit = handler.timeout
    try:
        async with _delivery(event, settings) as delivery, handler.open(), asyncio.timeout(limit.total_seconds()):
            receipt = await handler.handle(delivery)
    except TimeoutError:
        state, error = "pending", f"it took longer than {format_duration(limit)}"
    except TemporaryFailure as failure:
        state, error = "pending", failure.reason
    except PermanentFailure as failure:
        state, error = "dead", failure.reason
    except TargetFailure as failure:
        state, error = "waiting", failure.reason
    except Exception as failure:  # noqa: BLE001 - as in the worker: a handler's defect is tried again
        state, error = "pending", f"{type(failure).__name__}: {failure}"
    said = redact(error, handler.secrets()) if error else None
    return {"state": state, "error": said, "receipt": RECEIPT.dump_python(receipt, mode="json") if receipt else None}


async def _try_there(there: Remote, name: str, type_: str) -> Mapping[str, Any]:
    async with remote_source(there) as source:
        try:
            row = await source.post(f"/v1/handlers/{quote(name, safe='')}/test", {"type": type_})
        except NotThere:
            raise usage(f"The receiver at {there.url} has no handler {name!r}.") from None
        # One attempt is what a try is: what comes after it the receiver does by itself.
        while row["state"] not in _ENDED and not (row["attempts"] and row["state"] != "running"):
            if row["waiting_for"] == "pause":
                return {**row, "error": f"It is paused already: POST /v1/handlers/{name}/resume first."}
            await asyncio.sleep(_LOOK_S)
            row = await source.get(f"/v1/deliveries/{row['id']}")
    found: Mapping[str, Any] = row
    return found


def _sentence(name: str, said: Mapping[str, Any]) -> str:
    error = said["error"]
    match said["state"]:
        case "delivered":
            receipt = said.get("receipt") or {}
            kept = [file["key"] for file in receipt.get("files", ())]
            return f"{name}: delivered." + (" Kept: " + ", ".join(kept) + "." if kept else "")
        case "dead":
            return f"{name}: a dead letter. {error}"
        case "waiting":
            return f"{name}: the target is broken, so it would pause. {error}"
        case _:
            return f"{name}: it would be tried again. {error}"
