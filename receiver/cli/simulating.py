"""`simulate`: a rehearsal. A running receiver makes a submission, and this command calls it back as a provider."""

import asyncio
import random
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.text import Text

from receiver.app import bind
from receiver.cli import songs
from receiver.cli.context import ConfigOption, JsonOption, err, out, run, usage
from receiver.cli.desk import Desk, open_desk, until_calm
from receiver.cli.lists import print_json
from receiver.cli.loopback import address_of, serving
from receiver.cli.options import read_labels, taking
from receiver.cli.songs import Json
from receiver.cli.tables import Column, show, show_pairs
from receiver.errors import ReceiverError
from receiver.events import Kind
from receiver.outbound import Http
from receiver.providers import provider_class
from receiver.providers.base import Operation
from receiver.simulator import Script, Simulator, Task
from receiver.simulator.script import adapt
from receiver.units import suggestion

_EARLY = ("text", "first")
_STAGES = (*_EARLY, "complete")
_FAILED = 501
_USUAL = "suno"
_PATIENCE_S = 20.0
_LOOK_S = 0.5

StagesOption = list[str] | None


@dataclass(frozen=True, kw_only=True)
class SimulateOptions:
    provider: Annotated[str | None, typer.Option(help="A provider of the configuration, else its default.")] = None
    operation: Annotated[str, typer.Option(help="What is asked for.")] = "generate"
    stage: Annotated[str, typer.Option(help="How far it goes: text, first, complete or failed.")] = "complete"
    lose: Annotated[StagesOption, typer.Option(help="A stage whose callback gets lost; may be repeated.")] = None
    repeat: Annotated[int, typer.Option(min=1, max=100, help="How often each callback comes.")] = 1
    reorder: Annotated[bool, typer.Option("--reorder", help="The last stage comes first.")] = False
    malformed: Annotated[StagesOption, typer.Option(help="A stage whose body is broken; may be repeated.")] = None
    fail: Annotated[int | None, typer.Option(min=201, max=999, help="Fails with this code of the provider's.")] = None
    half: Annotated[bool, typer.Option("--half", help="The last track's audio comes with a second complete.")] = False
    label: Annotated[
        list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="A label; may be repeated.")
    ] = None
    delay: Annotated[float, typer.Option(min=0, max=60, help="Seconds between two stages.")] = 0.2
    json: JsonOption = False
    config: ConfigOption = None


@taking(SimulateOptions)
def simulate(wanted: SimulateOptions) -> None:
    """Rehearse: have a running receiver called back."""
    script = script_of(wanted)
    row = row_of(wanted)
    run(_simulate(wanted, row, script))


def row_of(wanted: SimulateOptions) -> Operation:
    """What is asked for, as the pretend provider takes it. Raises ConfigError."""
    rows = {row.name: row for row in provider_class("sunoapi").operations if row.callback_field}
    row = rows.get(wanted.operation)
    if row is None:
        near = suggestion(wanted.operation, rows)
        raise usage(f"{wanted.operation!r} can't be rehearsed: it is not called back, or not known; {near}")
    if row.kind is not Kind.MUSIC and wanted.stage in _EARLY:
        raise usage(f"{wanted.operation!r} has no stage {wanted.stage!r}; use complete or failed.")
    return row


def script_of(wanted: SimulateOptions) -> Script:
    """What the simulator is to do. Raises ConfigError."""
    if wanted.stage not in (*_STAGES, "failed"):
        raise usage(f"There is no stage {wanted.stage!r}; {suggestion(wanted.stage, (*_STAGES, 'failed'))}")
    beyond = _STAGES[_STAGES.index(wanted.stage) + 1 :] if wanted.stage in _STAGES else ()
    keys: dict[str, Any] = {
        "text_after": wanted.delay,
        "first_after": wanted.delay * 2,
        "complete_after": wanted.delay * 3,
        "whole_after": wanted.delay,
        "retry_after": wanted.delay,
        "lose": [*(wanted.lose or ()), *beyond],
        "duplicates": wanted.repeat,
        "reorder": wanted.reorder,
        "malformed": wanted.malformed or [],
        "half": "callback" if wanted.half else None,
        "fail": wanted.fail or (_FAILED if wanted.stage == "failed" else None),
    }
    try:
        return adapt(Script(), keys)
    except ValueError as error:
        raise usage(f"{error}.") from None


def nearer(url: str, origin: str) -> str:
    """A callback URL at the receiver's address as this machine sees it: public_url may lead around the world."""
    return origin + urlsplit(url).path


async def _simulate(wanted: SimulateOptions, row: Operation, script: Script) -> None:
    async with open_desk(wanted.config) as desk:
        made = await desk.source.post("/v1/callback-urls", _wish(wanted, desk))
        task, view = await _rehearse(desk, made, row, script)
    if wanted.json:
        print_json({"callbacks": _sent(task), "submission": view})
    else:
        _print_end(task, view)
    if all(row["status"] is None for row in _sent(task)):
        raise ReceiverError(f"No receiver answers at {desk.there.url}: start `receiver serve`, or set RECEIVER_URL.")
    if any(row["status"] != 200 for row in _sent(task)):
        raise typer.Exit(1)


def _wish(wanted: SimulateOptions, desk: Desk) -> dict[str, Any]:
    known = desk.settings.default_provider if desk.settings else None
    return {
        "provider": wanted.provider or known or _USUAL,
        "operation": wanted.operation,
        "labels": read_labels(wanted.label),
        "simulated": True,
    }


async def _rehearse(desk: Desk, made: Mapping[str, str], row: Operation, script: Script) -> tuple[Task, Json]:
    """The provider of this rehearsal runs until the deliveries have ended: handlers may fetch its files."""
    listener = bind("127.0.0.1", 0)
    http = Http()
    try:
        # Titles and sounds: no secret depends on them.
        entropy = random.Random()  # noqa: S311 - see above
        provider = Simulator(http=http, base_url=address_of(listener), entropy=entropy, script=script)
        async with serving(provider.app, listener):
            await _ask(provider, http, row, nearer(made["url"], desk.there.url))
            await provider.drain()
            view = await _settled(desk, made["submission_id"])
            await provider.close()
    finally:
        await http.close()
    return next(iter(provider.tasks.values())), view


async def _ask(provider: Simulator, http: Http, row: Operation, callback_url: str) -> None:
    body = {"prompt": "A rehearsal", row.callback_field: callback_url}
    headers = {"authorization": "Bearer rehearsal"}
    await http.request("POST", provider.base_url + row.path, json=body, headers=headers)


async def _settled(desk: Desk, ident: str) -> Json:
    found: Json | None = None

    async def look() -> Json:
        nonlocal found
        found = await desk.source.get(f"/v1/submissions/{ident}")
        return found

    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            return await until_calm(look, songs.waiting, _LOOK_S)
    if found is None:
        raise ReceiverError("The database did not answer in time.")
    return found


def _sent(task: Task) -> list[dict[str, Any]]:
    return [{"stage": sent.stage, "status": sent.status} for sent in task.callbacks]


def _print_end(task: Task, view: Json) -> None:
    columns = (
        Column("callback", lambda row: row["stage"]),
        Column("answer", lambda row: str(row["status"] or "none")),
    )
    show(out, _sent(task), columns)
    out.print(f"\n{view['id']} is {view['stage']}", markup=False, soft_wrap=True)
    show_pairs(out, songs.failure(view))
    for line in _lines(view):
        out.print(Text(line), soft_wrap=True)
    if not view["deliveries"]:
        err.print(
            "No handler got them: rehearsals go only to routes that say `via: simulated`.", markup=False, soft_wrap=True
        )


def _lines(view: Json) -> Iterable[str]:
    yield from (f"  {event['type']:22} {event['id']}" for event in reversed(view["events"]))
    yield from (f"  {row['handler']}: {row['state']}" for row in view["deliveries"])
