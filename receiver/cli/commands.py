"""Every command, one line each."""

import typer

from receiver.cli import (
    callback_urls,
    demo,
    lists,
    redelivering,
    route_test,
    serving,
    simulating,
    submitting,
)

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
app.command()(demo.demo)
app.command()(submitting.submit)
app.command()(simulating.simulate)
app.command("callback-url")(callback_urls.callback_url)
app.command()(lists.submissions)
app.command()(lists.events)
app.command()(lists.deliveries)
app.command()(redelivering.redeliver)
app.command()(redelivering.replay)
app.command("route-test")(route_test.route_test)
