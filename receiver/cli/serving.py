"""`serve`, `migrate` and `check`: the commands of an installation."""

import os
import socket
from typing import Annotated

import typer

from receiver.app import Service, bind, build, fresh_id, redactor, serve_until_signal
from receiver.cli import logs
from receiver.cli.context import DEFAULT_PORT, ConfigOption, config_path, err, out, run, settings_from, usage
from receiver.events import utc_now
from receiver.settings import Settings, warnings
from receiver.store import open_store


def serve(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Where to listen; else 0.0.0.0 with $PORT, else 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="The port; else $PORT, else 8000.")] = None,
) -> None:
    """Take callbacks and submissions, and deliver, in one process; migrates the database first."""
    settings = settings_from(config)
    logs.set_up(redactor(settings))
    listener = bind(*_address(host, port))
    run(_serve(settings, listener))


def migrate(config: ConfigOption = None) -> None:
    """Bring the database up to this version."""
    settings = settings_from(config)
    ran = run(_migrate(settings))
    out.print(f"{ran} migrations ran." if ran else "The database is up to date.")


def check(config: ConfigOption = None) -> None:
    """Say everything that is wrong with the configuration, at once."""
    settings = settings_from(config)
    for warning in warnings(settings):
        err.print(f"warning: {warning}", markup=False)
    out.print(
        f"{config_path(config)} is fine: {_count(len(settings.providers), 'provider')}, "
        f"{_count(len(settings.handlers), 'handler')}, {_count(len(settings.routes), 'route')}.",
        markup=False,
    )


async def _serve(settings: Settings, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    # Where this machine reaches itself, whichever addresses it listens on.
    local = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not listened on
    service = await build(settings, f"http://{local}:{port}")
    await serve_until_signal(service, listener, lambda: _greet(settings, service, f"http://{host}:{port}"))


async def _migrate(settings: Settings) -> int:
    store = open_store(settings.database, utc_now, fresh_id, exclusive=False)
    await store.open()
    try:
        return await store.migrate()
    finally:
        await store.close()


def _greet(settings: Settings, service: Service, address: str) -> None:
    for notice in service.notices:
        err.print(notice, markup=False)
    if settings.public_url is None:
        err.print("No public_url: status mode. Providers are asked for every song from 20 s on.", markup=False)
    err.print(f"Ready on {address}", markup=False)


def _address(host: str | None, port: int | None) -> tuple[str, int]:
    given = os.environ.get("PORT", "")
    if given and not given.isdigit():
        raise usage(f"PORT must be a number, not {given!r}.")
    everywhere = "0.0.0.0" if given and port is None else "127.0.0.1"  # noqa: S104 - a host that sets PORT routes to it
    return host or everywhere, port if port is not None else int(given or DEFAULT_PORT)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
