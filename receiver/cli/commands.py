"""Every command, one line each."""

import typer

from receiver.cli import serving

app = typer.Typer(
    name="receiver",
    help="Receives what Suno music APIs call back, keeps it, and sends it on.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)

app.command()(serving.serve)
app.command()(serving.migrate)
app.command()(serving.check)
