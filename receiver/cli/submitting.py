"""`submit`: a song through the gateway of a running receiver, watched until its files are archived."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from handlers.text import one_line, shorten
from receiver.cli.context import ConfigOption, JsonOption, out, run, usage
from receiver.cli.desk import Desk, open_desk
from receiver.cli.following import Following
from receiver.cli.lists import print_json
from receiver.cli.options import read_labels, taking
from receiver.cli.source import problem_of
from receiver.client import AsyncReceiver
from receiver.errors import ReceiverError
from receiver.outbound import Http
from receiver.providers import provider_class
from receiver.providers.base import Operation
from receiver.shapes import json_bytes
from receiver.units import parse_duration, suggestion

# Without a configuration at hand the paths of this type are taken: its family shares them.
_USUAL_TYPE = "sunoapi"
_LONGEST_TITLE = 80
_MODEL = "V5"


@dataclass(frozen=True, kw_only=True)
class SubmitOptions:
    prompt: Annotated[
        str | None,
        typer.Argument(metavar="PROMPT", help="What it is about; with --title or --style the words that are sung."),
    ] = None
    title: Annotated[str | None, typer.Option(help="The title.")] = None
    style: Annotated[str | None, typer.Option(help="Genre and mood: indie folk, warm.")] = None
    lyrics: Annotated[str | None, typer.Option(help="The words that are sung; the prompt is the style then.")] = None
    instrumental: Annotated[bool, typer.Option("--instrumental", help="Nobody sings.")] = False
    model: Annotated[str, typer.Option(help="The provider's name of a model.")] = _MODEL
    operation: Annotated[str, typer.Option(help="What is asked for.")] = "generate"
    provider: Annotated[str | None, typer.Option(help="A provider of the configuration, else its default.")] = None
    label: Annotated[
        list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="A label; may be repeated.")
    ] = None
    data: Annotated[str | None, typer.Option(help="The whole body as JSON, or @file.")] = None
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Only submit; print the id.")] = False
    timeout: Annotated[str, typer.Option(help="How long to watch.")] = "15m"
    json: JsonOption = False
    config: ConfigOption = None


@taking(SubmitOptions)
def submit(wanted: SubmitOptions) -> None:
    """Ask for a song through a running receiver."""
    run(_submit(wanted, read_body(wanted), _seconds(wanted.timeout)))


def read_body(wanted: SubmitOptions) -> bytes:
    """The request's JSON: `--data` as it is, else made of the options. Raises ConfigError."""
    if wanted.data is not None:
        _refuse_beside_data(wanted)
        return _data(wanted.data)
    if not wanted.prompt:
        raise usage('Say what the song is about: receiver submit "a song about rain". Or give --data.')
    return json_bytes(compose(wanted, wanted.prompt))


def _refuse_beside_data(wanted: SubmitOptions) -> None:
    beside = {
        "PROMPT": wanted.prompt,
        "--title": wanted.title,
        "--style": wanted.style,
        "--lyrics": wanted.lyrics,
        "--instrumental": wanted.instrumental,
        "--model": wanted.model != _MODEL,
    }
    if said := [name for name, value in beside.items() if value]:
        raise usage(f"--data is the whole body: leave out {', '.join(said)}, or write it into the JSON.")


def compose(wanted: SubmitOptions, prompt: str) -> dict[str, Any]:
    """The body in the words of the sunoapi family: https://docs.sunoapi.org/suno-api/generate-music"""
    plain = {"instrumental": wanted.instrumental, "model": wanted.model}
    if not (wanted.title or wanted.style or wanted.lyrics):
        return {"prompt": prompt, "customMode": False, **plain}
    sung = {} if wanted.instrumental else {"prompt": wanted.lyrics or prompt}
    title = wanted.title or shorten(one_line(prompt), _LONGEST_TITLE)
    return {**sung, "customMode": True, **plain, "style": wanted.style or prompt, "title": title}


def target(desk: Desk, provider: str | None, operation: str) -> str:
    """The path at the gateway. Raises ConfigError where a name is unknown."""
    if desk.settings is None:
        row = _row(provider_class(_USUAL_TYPE).operations, operation)
        return f"/{provider}{row.path}" if provider else row.path
    name = provider or desk.settings.default_provider
    if name is None:
        raise usage(f"Name a provider with --provider: {', '.join(desk.settings.providers) or 'there is none yet'}.")
    if name not in desk.settings.providers:
        raise usage(f"There is no provider {name!r}; {suggestion(name, desk.settings.providers)}")
    return f"/{name}{_row(desk.settings.providers[name].rows(), operation).path}"


def _row(rows: tuple[Operation, ...], name: str) -> Operation:
    found = next((row for row in rows if row.name == name), None)
    if found is None:
        raise usage(f"There is no operation {name!r}; {suggestion(name, [row.name for row in rows])}")
    return found


async def _submit(wanted: SubmitOptions, body: bytes, seconds: float) -> None:
    labels = read_labels(wanted.label)
    async with open_desk(wanted.config) as desk:
        path = target(desk, wanted.provider, wanted.operation)
        ident = await send(desk, path, body, labels)
        if wanted.no_wait:
            out.print(ident)
            return
        async with AsyncReceiver(desk.there.url, desk.there.token) as calls:
            changes = partial(calls.events, submission=ident)
            following = Following(desk.source, ident, seconds, changes, quiet=wanted.json)
            view, well = await following.to_its_end()
    if wanted.json:
        print_json(view)
    if not well:
        raise typer.Exit(1)


async def send(desk: Desk, path: str, body: bytes, labels: Mapping[str, str]) -> str:
    """The submission's id; the request is sent once. Raises ReceiverError with what the gateway said."""
    if not desk.there.token:
        raise usage("There are no clients in the configuration, so the gateway is closed: add one under `clients:`.")
    extra = {"x-receiver-labels": ",".join(f"{name}={value}" for name, value in labels.items())} if labels else {}
    http = Http()
    try:
        answer = await desk.there.send(http, "POST", path, body, extra)
    finally:
        await http.close()
    if answer.status == 401:
        raise ReceiverError("The receiver does not know this token: its configuration is another one, or has changed.")
    ident = answer.headers.get("x-receiver-submission")
    if ident is None:
        raise ReceiverError(f"Nothing was submitted. {problem_of(answer)}")
    return ident


def _data(text: str) -> bytes:
    try:
        content = Path(text[1:]).read_bytes() if text.startswith("@") else text.encode()
        json.loads(content)
    except OSError as error:
        raise usage(f"{text[1:]} can't be read: {error.strerror}.") from None
    except ValueError:
        raise usage("--data wants JSON, or @ and the name of a file that holds it.") from None
    return content


def _seconds(text: str) -> float:
    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise usage(f"--timeout {error}.") from None
