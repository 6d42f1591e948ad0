"""Every command, one line each."""

from importlib.metadata import version
from typing import Annotated

import typer

from receiver.cli import (
    backing_up,
    callback_urls,
    demo,
    listening,
    lists,
    pruning,
    redelivering,
    rereading,
    route_test,
    serving,
    simulating,
    submitting,
    trying,
)
from receiver.cli.context import out


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(f"receiver {version('suno-receiver')}")
        raise typer.Exit


app = typer.Typer(
    name="receiver",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)


@app.callback()
def _receiver(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Receives what Suno music APIs call back, keeps it, and sends it on."""


app.command()(serving.serve)
app.command()(serving.web)
app.command()(serving.worker)
app.command()(serving.migrate)
app.command()(serving.check)
app.command()(demo.demo)
app.command()(submitting.submit)
app.command()(simulating.simulate)
app.command()(listening.listen)
app.command("callback-url")(callback_urls.callback_url)
app.command()(lists.submissions)
app.command()(lists.events)
app.command()(lists.deliveries)
app.command()(redelivering.redeliver)
app.command()(redelivering.replay)
app.command("route-test")(route_test.route_test)
app.command()(rereading.reparse)
app.command()(rereading.drift)
app.command()(pruning.prune)
app.command()(backing_up.backup)
app.command()(trying.preview)
app.command("test-handler")(trying.try_handler)
