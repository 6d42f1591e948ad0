"""`demo`: everything on this machine without a key. A pretend provider, a receiver, a few songs, and where they are."""

import asyncio
import errno
import logging
import os
import random
import shlex
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from secrets import token_urlsafe
from typing import Annotated

import typer

from receiver.app import Service, bind, build, redactor
from receiver.app.server import PortInUse
from receiver.cli import demo_songs, logs
from receiver.cli.context import DEFAULT_PORT, LARGEST_PORT, err, out, run
from receiver.cli.demo_folder import DemoFolder
from receiver.cli.demo_story import Story
from receiver.cli.desk import Desk
from receiver.cli.interrupts import finished
from receiver.cli.loopback import address_of, serving
from receiver.cli.options import taking
from receiver.cli.program import program
from receiver.cli.source import Remote, remote_source
from receiver.events import utc_now
from receiver.outbound import Http
from receiver.settings import Settings, load
from receiver.simulator import Simulator

_HOST = "127.0.0.1"
_SECRET_BYTES = 24


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    port: Annotated[int, typer.Option(min=0, max=LARGEST_PORT, help="Where the receiver listens; in use: another.")] = (
        DEFAULT_PORT
    )
    folder: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path("data")
    songs: Annotated[int, typer.Option(min=1, max=12, help="How many.")] = 3
    fast: Annotated[bool, typer.Option("--fast", help="Songs in a moment, for tests.")] = False
    exit: Annotated[bool, typer.Option("--exit", help="End when the songs are there; so it is in a pipe.")] = False


@taking(DemoOptions)
def demo(wanted: DemoOptions) -> None:
    """Show everything on this machine, without a key."""
    try:
        run(_demo(wanted, DemoFolder(wanted.folder)))
    except KeyboardInterrupt:
        # Whoever has seen enough is no failure.
        raise typer.Exit from None


async def _demo(wanted: DemoOptions, folder: DemoFolder) -> None:
    folder.prepare(partial(token_urlsafe, _SECRET_BYTES))
    listener = _listen(wanted.port)
    url = address_of(listener)
    out.print(
        f"A receiver on {url}, a pretend provider behind it.\nEverything is kept in {folder.path}.\n",
        markup=False,
        soft_wrap=True,
    )
    async with _provider(wanted.fast) as provider:
        settings = load(folder.config, {**os.environ, "DEMO_PROVIDER": provider, "DEMO_URL": url})
        _log_to(folder.log, settings)
        service = await build(settings, url)
        there = Remote(url, folder.token.read_text("utf-8"))
        async with remote_source(Remote(url, folder.password.read_text("utf-8"))) as source:
            story = Story(Desk(there, source, settings), folder, utc_now())
            await _serve(service, listener, story, wanted)


async def _serve(service: Service, listener: socket.socket, story: Story, wanted: DemoOptions) -> None:
    """The receiver runs until an interrupt; without a terminal until the songs are there."""
    assert service.app is not None
    service.loops.start()
    try:
        async with serving(service.app, listener):
            await story.tell(demo_songs.plots(wanted.songs))
            if out.is_terminal and not wanted.exit:
                _say_what_is_next(story, listener)
                await asyncio.Event().wait()
    finally:
        await finished(_end(service))


async def _end(service: Service) -> None:
    service.loops.stop()
    await service.loops.join()
    await service.close()


def _say_what_is_next(story: Story, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    where = f"PORT={port} " if port != DEFAULT_PORT else ""
    config = shlex.quote(str(story.folder.config))
    out.print(
        f"          {where}{program()} submit --config {config} 'a song about rain'\n", markup=False, soft_wrap=True
    )
    out.print(
        f"The receiver is still running on {address_of(listener)}, for programs and for the links above.\n"
        "Send it a song with the last command, from another terminal. Ctrl-C ends it.",
        markup=False,
        soft_wrap=True,
    )


@asynccontextmanager
async def _provider(fast: bool) -> AsyncIterator[str]:
    """The address of the pretend provider, while it runs."""
    listener = bind(_HOST, 0)
    http = Http()
    # Titles and sounds: no secret depends on them.
    entropy = random.Random()  # noqa: S311 - see above
    script = demo_songs.FAST if fast else demo_songs.SLOW
    simulator = Simulator(http=http, base_url=address_of(listener), entropy=entropy, script=script)
    try:
        async with serving(simulator.app, listener):
            yield address_of(listener)
            await simulator.close()
    finally:
        await simulator.close()
        await http.close()


def _listen(port: int) -> socket.socket:
    try:
        return bind(_HOST, port)
    except PortInUse as error:
        why = error.__context__
        if not isinstance(why, OSError) or why.errno != errno.EADDRINUSE:
            raise
    free = bind(_HOST, 0)
    instead = free.getsockname()[1]
    said = f"Port {port} is in use by another program, so the receiver listens on {instead} instead."
    err.print(said, markup=False, soft_wrap=True)
    return free


def _log_to(path: Path, settings: Settings) -> None:
    """The log would run through the timeline: it goes into a file of its own."""
    logs.set_up(redactor(settings))
    file = path.open("a", encoding="utf-8")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(file)
