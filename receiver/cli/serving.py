"""`serve`, `web`, `worker`, `migrate` and `check`: the commands of an installation."""

import os
import socket
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer

from receiver.app import bind, build, fresh_id, redactor, serve_until_signal, this_process
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
    usage,
)
from receiver.cli.source import nearby
from receiver.settings import Settings, disk_warnings, warnings
from receiver.store import database_folder, open_store, shown_database
from receiver.store.records import Process

HostOption = Annotated[str | None, typer.Option(help="Where to listen; else 0.0.0.0 with $PORT, else 127.0.0.1.")]
PortOption = Annotated[int | None, typer.Option(min=0, max=LARGEST_PORT, help="The port; else $PORT, else 8000.")]


def serve(config: ConfigOption = None, host: HostOption = None, port: PortOption = None) -> None:
    """Run the receiver: web and worker in one process.

    It takes callbacks and submissions, and delivers; it migrates the database first.
    """
    settings = _settings(config)
    listener = bind(*_address(host, port))
    run(_serve(settings, config_path(config), this_process(web=True, work=True), listener))


def web(config: ConfigOption = None, host: HostOption = None, port: PortOption = None) -> None:
    """Run the web alone: what answers requests.

    It takes callbacks and submissions and delivers nothing: for that, run `receiver worker` beside it. Any number of
    each may run, on PostgreSQL, which `receiver migrate` has brought up to date.
    """
    settings = _shared_settings(config)
    listener = bind(*_address(host, port))
    run(_serve(settings, config_path(config), this_process(web=True, work=False), listener))


def worker(config: ConfigOption = None) -> None:
    """Run a worker alone: what delivers.

    It asks providers what no callback told, too, and answers no requests: for that, run `receiver web` beside it. Any
    number of each may run, on PostgreSQL, which `receiver migrate` has brought up to date.
    """
    settings = _shared_settings(config)
    run(_serve(settings, config_path(config), this_process(web=False, work=True), None))


def migrate(config: ConfigOption = None) -> None:
    """Bring the database up to this version."""
    settings = settings_from(config)
    ran = run(_migrate(settings))
    out.print(f"{_count(ran, 'migration')} ran." if ran else "The database is up to date.", soft_wrap=True)


def check(config: ConfigOption = None) -> None:
    """Say every mistake in the configuration at once."""
    settings = settings_from(config)
    for warning in warnings(settings, os.environ):
        err.print(f"warning: {warning}", markup=False, soft_wrap=True)
    out.print(
        f"{config_path(config)} is fine: {_count(len(settings.providers), 'provider')}, "
        f"{_count(len(settings.handlers), 'handler')}, {_count(len(settings.routes), 'route')}.",
        markup=False,
        soft_wrap=True,
    )


def _settings(config: Path | None) -> Settings:
    settings = settings_from(config)
    logs.set_up(redactor(settings))
    return settings


def _shared_settings(config: Path | None) -> Settings:
    """Settings whose database takes more than one process. Raises ConfigError."""
    settings = _settings(config)
    if database_folder(settings.database):
        raise usage(
            "SQLite takes one process: run `receiver serve`, which is web and worker in one, "
            "or set `database` to postgresql://…"
        )
    return settings


async def _serve(settings: Settings, config: Path, process: Process, listener: socket.socket | None) -> None:
    service = await build(settings, _local_url(listener) if listener else nearby(os.environ), process)
    greeting = _greeting(settings, config, f"Ready on {_shown_url(listener)}" if listener else "Ready to deliver")
    await serve_until_signal(service, listener, lambda: _say([*service.notices, *greeting]))


def _local_url(listener: socket.socket) -> str:
    """Where this machine reaches itself, whichever addresses it listens on."""
    host, port = listener.getsockname()[:2]
    return _url("127.0.0.1" if ip_address(host).is_unspecified else host, port)


def _shown_url(listener: socket.socket) -> str:
    return _url(*listener.getsockname()[:2])


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


async def _migrate(settings: Settings) -> int:
    store = open_store(settings.database, None, fresh_id, exclusive=False)
    await store.open()
    try:
        return await store.migrate()
    finally:
        await store.close()


def _greeting(settings: Settings, config: Path, ready: str) -> Iterator[str]:
    if settings.public_url is None:
        yield "No public_url: status mode. Providers are asked for every song from 20 s on."
    yield from (f"warning: {warning}" for warning in disk_warnings(settings, os.environ))
    yield f"Configuration {config.absolute()}"
    yield f"Database {shown_database(settings.database)}"
    yield ready


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        err.print(line, markup=False, soft_wrap=True)


def _address(host: str | None, port: int | None) -> tuple[str, int]:
    given = environment_port(os.environ)
    everywhere = "0.0.0.0" if given is not None and port is None else "127.0.0.1"  # noqa: S104 - a host that sets PORT routes to it
    return host or everywhere, next(number for number in (port, given, DEFAULT_PORT) if number is not None)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
