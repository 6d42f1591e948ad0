"""`serve`, `migrate` and `check`: the commands of an installation."""

import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from receiver.app import bind, build, fresh_id, redactor, serve_until_signal
from receiver.cli import logs
from receiver.cli.context import (
    DEFAULT_PORT,
    LARGEST_PORT,
    ConfigOption,
    config_path,
    environment_port,
    err,
    out,
    run,
    settings_from,
)
from receiver.events import utc_now
from receiver.settings import Settings, warnings
from receiver.store import open_store, sqlite_path


def serve(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Where to listen; else 0.0.0.0 with $PORT, else 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=LARGEST_PORT, help="The port; else $PORT, else 8000.")] = None,
) -> None:
    """Run the receiver: web and worker in one process.

    It takes callbacks and submissions, and delivers; it migrates the database first.
    """
    settings = settings_from(config)
    logs.set_up(redactor(settings))
    listener = bind(*_address(host, port))
    run(_serve(settings, config_path(config), listener))


def migrate(config: ConfigOption = None) -> None:
    """Bring the database up to this version."""
    settings = settings_from(config)
    ran = run(_migrate(settings))
    out.print(f"{_count(ran, 'migration')} ran." if ran else "The database is up to date.", soft_wrap=True)


def check(config: ConfigOption = None) -> None:
    """Say every mistake in the configuration at once."""
    settings = settings_from(config)
    for warning in warnings(settings):
        err.print(f"warning: {warning}", markup=False, soft_wrap=True)
    out.print(
        f"{config_path(config)} is fine: {_count(len(settings.providers), 'provider')}, "
        f"{_count(len(settings.handlers), 'handler')}, {_count(len(settings.routes), 'route')}.",
        markup=False,
        soft_wrap=True,
    )


async def _serve(settings: Settings, config: Path, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    # Where this machine reaches itself, whichever addresses it listens on.
    local = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not listened on
    service = await build(settings, f"http://{local}:{port}")
    shown = f"[{host}]" if ":" in host else host
    greeting = _greeting(settings, config, f"http://{shown}:{port}")
    await serve_until_signal(service, listener, lambda: _say([*service.notices, *greeting]))


async def _migrate(settings: Settings) -> int:
    store = open_store(settings.database, utc_now, fresh_id, exclusive=False)
    await store.open()
    try:
        return await store.migrate()
    finally:
        await store.close()


def _greeting(settings: Settings, config: Path, address: str) -> Iterator[str]:
    if settings.public_url is None:
        yield "No public_url: status mode. Providers are asked for every song from 20 s on."
    yield f"Configuration {config.absolute()}"
    yield f"Database {sqlite_path(settings.database).absolute()}"
    yield f"Ready on {address}"


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        err.print(line, markup=False, soft_wrap=True)


def _address(host: str | None, port: int | None) -> tuple[str, int]:
    given = environment_port(os.environ)
    everywhere = "0.0.0.0" if given is not None and port is None else "127.0.0.1"  # noqa: S104 - a host that sets PORT routes to it
    return host or everywhere, next(number for number in (port, given, DEFAULT_PORT) if number is not None)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
