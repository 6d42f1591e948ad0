"""`listen`: the events of a running receiver as they happen, and each of them on to an address of this machine."""

import os
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.text import Text

from handlers.signing import signing_key, webhook_headers
from handlers.text import is_web, one_line
from receiver.cli.context import ConfigOption, JsonOption, err, out, run, settings_from, usage
from receiver.cli.lists import ClientOption, ProviderOption, TypeOption
from receiver.cli.options import LabelOption, given, read_labels, taking
from receiver.cli.source import Forbidden, Remote, nearby, remote
from receiver.cli.times import moment, since
from receiver.client import AsyncReceiver, NotAllowed
from receiver.errors import Outcome
from receiver.events import Event, utc_now
from receiver.outbound import Http
from receiver.shapes import event_json, json_bytes, timestamp

_PATIENCE = timedelta(seconds=30)
_TYPE_WIDTH = 22


@dataclass(frozen=True, kw_only=True)
class ListenOptions:
    forward: Annotated[
        str | None, typer.Option(metavar="URL", help="POST each event to it, as the webhook handler would.")
    ] = None
    secret: Annotated[
        str | None, typer.Option(metavar="whsec_…", help="Signs what is forwarded; or $WEBHOOK_SECRET.")
    ] = None
    since: Annotated[
        str | None, typer.Option(help="First what happened since: a time, how long ago (2h), or behind an event's id.")
    ] = None
    type: TypeOption = None
    level: Annotated[str | None, typer.Option(help="info or problem.")] = None
    provider: ProviderOption = None
    client: ClientOption = None
    label: LabelOption = None
    json: JsonOption = False
    config: ConfigOption = None

    def filters(self) -> dict[str, str]:
        named = {"type": self.type, "level": self.level, "provider": self.provider, "client": self.client}
        return given(named)


@taking(ListenOptions)
def listen(wanted: ListenOptions) -> None:
    """Show a running receiver's events as they happen.

    With --forward each is sent to a program of yours.
    """
    run(_listen(wanted, _target(wanted)))


@dataclass(frozen=True, slots=True)
class Target:
    """Where events go to. Nothing is tried again: whoever develops sees what came of it."""

    url: str
    secrets: Sequence[SecretStr]

    async def send(self, http: Http, event: Event) -> str:
        """What came of it, in a word or a few."""
        content = json_bytes(event_json(event))
        headers = webhook_headers(event.id, utc_now(), content, self.secrets)
        try:
            answer = await http.request("POST", self.url, headers=headers, content=content, timeout=_PATIENCE)
        except Outcome as failure:
            return failure.reason
        return str(answer.status)


def _target(wanted: ListenOptions) -> Target | None:
    """Raises ConfigError for what can't be sent to, or signed with."""
    secret = wanted.secret or os.environ.get("WEBHOOK_SECRET", "")
    if wanted.forward is None:
        if wanted.secret:
            raise usage("--secret signs what is forwarded: give --forward URL too.")
        return None
    if not is_web(wanted.forward):
        raise usage("--forward wants an http or https address: http://127.0.0.1:3000/hooks")
    try:
        return Target(wanted.forward, [signing_key(SecretStr(secret))] if secret else [])
    except ValueError as error:
        raise usage(f"--secret {error}.") from None


async def _listen(wanted: ListenOptions, target: Target | None) -> None:
    there = receiver_of(wanted.config)
    labels = read_labels(wanted.label)
    http = Http()
    try:
        async with AsyncReceiver(there.url, there.token, notice=_say) as calls:
            _say(f"Listening to {there.url}; Ctrl-C ends it.")
            begin = since(wanted.since)
            async with aclosing(calls.events(begin, labels=labels, **wanted.filters())) as events:
                async for event in events:
                    _show(event, await target.send(http, event) if target else None, as_json=wanted.json)
    except NotAllowed as refused:
        raise Forbidden(f"The receiver at {there.url} does not know this token: set RECEIVER_TOKEN.") from refused
    finally:
        await http.close()


def receiver_of(config: Path | None) -> Remote:
    """The receiver of the environment, else this machine's: as its admin where the password is in the configuration.

    Raises ConfigError.
    """
    there = remote(os.environ)
    if there is not None:
        return there
    settings = settings_from(config)
    if settings.admin.password:
        return Remote(nearby(os.environ), settings.admin.password[0].get_secret_value())
    for name, client in settings.clients.items():
        _say(f"There is no admin.password in the configuration: only the events of client {name!r} are shown.")
        return Remote(nearby(os.environ), client.token[0].get_secret_value())
    raise usage("There is neither admin.password nor a client in the configuration: set RECEIVER_URL, RECEIVER_TOKEN.")


def _show(event: Event, outcome: str | None, *, as_json: bool) -> None:
    if as_json:
        out.print(Text(json_bytes(event_json(event)).decode()), soft_wrap=True)
        if outcome:
            _say(f"{event.id}  {outcome}")
    else:
        out.print(Text(line(event, outcome)), soft_wrap=True)
    # In a pipe the next program wants it now.
    out.file.flush()


def line(event: Event, outcome: str | None = None) -> str:
    """An event for a person; `outcome` is what came of forwarding it."""
    made = next((result.title for result in event.results if result.title), None)
    said = (event.error.meaning or event.error.message) if event.error else None
    parts = [
        moment(timestamp(event.received_at), "%H:%M:%S"),
        f"{event.type:{_TYPE_WIDTH}}",
        event.id,
        event.submission_id or "",
        one_line(made or said or ""),
        f"→ {outcome}" if outcome else "",
    ]
    return "  ".join(part for part in parts if part).rstrip()


def _say(text: str) -> None:
    err.print(text, markup=False, soft_wrap=True)
