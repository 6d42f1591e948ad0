"""Runs a service until a signal, its web under uvicorn; then ends within ten seconds."""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from receiver.app.protocol import BoundedProtocol
from receiver.app.service import Service
from receiver.errors import ReceiverError

# Requests on their way get so many seconds after the signal; the worker's own grace runs beside it.
_GRACE_S = 5
_BACKLOG = 2048


class PortInUse(ReceiverError):
    pass


class Server(uvicorn.Server):
    """Leaves the signals to us, and ends without taking the process with it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises PortInUse with a sentence that says what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise PortInUse(f"Can't listen on {host}:{port}: {error.strerror}. Name another with --port.") from None
    listener.setblocking(False)
    return listener


def server_for(app: ASGIApp) -> Server:
    # Callback and file URLs are capabilities: an access log would write them down.
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_S,
        timeout_keep_alive=75,
    )
    return Server(config)


async def serve_until_signal(
    service: Service, listener: socket.socket | None, ready: Callable[[], Any] = lambda: None
) -> None:
    """Until SIGTERM or SIGINT: runs the loops and, with a listener, answers requests; then stops both, and closes.

    After a second signal nothing has any grace. Raises what a loop broke off with.
    """
    server = server_for(service.app) if service.app and listener else None

    def stop() -> None:
        service.loops.stop()
        if server:
            server.force_exit = server.should_exit
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    _calm_collector()
    try:
        service.loops.start()
        ready()
        if server and listener:
            await server.serve(sockets=[listener])
        else:
            # Nobody asks a worker how it is: it ends where one of its loops does, and whoever started it sees that.
            await service.loops.first()
        service.loops.end()
        await service.loops.join()
    finally:
        # The handlers stay until the end: a later Ctrl-C must not break off the closing.
        await service.close()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _calm_collector() -> None:
    """What the start has made stays for good: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    # A callback makes some hundred objects: by default that is a collection for every few of them.
    gc.set_threshold(20_000, 20, 50)
