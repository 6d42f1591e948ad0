"""`callback-url`: a URL for a submission that does not go through the gateway."""

from dataclasses import dataclass
from typing import Annotated

import typer
from rich.text import Text

from receiver.cli.context import ConfigOption, JsonOption, err, out, run
from receiver.cli.lists import print_json
from receiver.cli.options import given, read_labels, taking
from receiver.cli.source import open_source


@dataclass(frozen=True, kw_only=True)
class CallbackUrlOptions:
    provider: Annotated[str, typer.Option(help="The provider that will call it.")]
    operation: Annotated[str, typer.Option(help="What will be asked for.")] = "generate"
    client: Annotated[str | None, typer.Option(help="Whose submission it is.")] = None
    label: Annotated[
        list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="A label of it; may be repeated.")
    ] = None
    standing: Annotated[
        bool, typer.Option("--standing", help="One URL for many submissions, told apart by their task ids.")
    ] = False
    json: JsonOption = False
    config: ConfigOption = None


@taking(CallbackUrlOptions)
def callback_url(wanted: CallbackUrlOptions) -> None:
    """Make a callback URL, for a song asked for elsewhere.

    The URL alone is printed; the submission's id goes to stderr.
    """
    run(_make(wanted))


async def _make(wanted: CallbackUrlOptions) -> None:
    body = {
        "provider": wanted.provider,
        "operation": wanted.operation,
        "labels": read_labels(wanted.label),
        "standing": wanted.standing,
        **given({"client": wanted.client}),
    }
    async with open_source(wanted.config, new=True) as source:
        made = await source.post("/v1/callback-urls", body)
    if wanted.json:
        print_json(made)
        return
    out.print(Text(made["url"]), soft_wrap=True)
    err.print(Text(made["submission_id"]), soft_wrap=True)
