"""`demo`: everything on this machine without a key. A pretend provider, a receiver, a few songs, and where they are."""

import asyncio
import logging
import os
import random
import shlex
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from secrets import token_urlsafe
from typing import Annotated, Any

import typer

from receiver.app import Service, bind, build, redactor
from receiver.app.server import PortInUse
from receiver.cli import demo_songs, logs
from receiver.cli.context import DEFAULT_PORT, err, out, run
from receiver.cli.demo_folder import DemoFolder
from receiver.cli.demo_story import Story
from receiver.cli.desk import Desk
from receiver.cli.loopback import address_of, serving
from receiver.cli.options import taking
from receiver.cli.source import Remote, remote_source
from receiver.events import utc_now
from receiver.outbound import Http
from receiver.settings import Settings, load
from receiver.simulator import Simulator

_HOST = "127.0.0.1"
_SECRET_BYTES = 24


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where the receiver listens; in use: another.")] = (
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
    """The receiver runs until a signal; without a terminal until the songs are there."""
    stays = out.is_terminal and not wanted.exit
    service.loops.start()
    try:
        async with serving(service.app, listener):
            with _signals() as signalled:
                await _until(signalled, story.tell(demo_songs.plots(wanted.songs)))
                if stays and not signalled.is_set():
                    _say_what_is_next(story, listener)
                    await signalled.wait()
    finally:
        service.loops.stop()
        await service.loops.join()
        await service.close()


async def _until(signalled: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Does the work, or leaves it where it is when the signal comes. Raises what the work raises."""
    working, waiting = asyncio.create_task(work), asyncio.create_task(signalled.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
    finally:
        working.cancel()
        waiting.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)


@contextmanager
def _signals() -> Iterator[asyncio.Event]:
    """Is set when someone wants this to end."""
    signalled, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled.set)
    try:
        yield signalled
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _say_what_is_next(story: Story, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    where = f"PORT={port} " if port != DEFAULT_PORT else ""
    command = f"{where}receiver submit --config {shlex.quote(str(story.folder.config))} 'a song about rain'"
    out.print(f"          {command}\n", markup=False, soft_wrap=True)
    out.print(f"The receiver is still running on {address_of(listener)}: Ctrl-C ends it.", markup=False)


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
    except PortInUse:
        free = bind(_HOST, 0)
        err.print(f"Port {port} is in use, so this takes {free.getsockname()[1]}.", markup=False)
        return free


def _log_to(path: Path, settings: Settings) -> None:
    """The log would run through the timeline: it goes into a file of its own."""
    logs.set_up(redactor(settings))
    file = path.open("a", encoding="utf-8")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(file)
