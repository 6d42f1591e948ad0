"""The servers that the service is compared with, each a process of its own: `python -m bench.peers NAME`.

`store` is the callback endpoint on its own with SQLite, `memory` the same without a store, `bare` Starlette and json
alone; `stub` answers any POST like a provider that accepts a submission, after a pause.
"""

import argparse
import asyncio
import itertools
import json
import signal
from pathlib import Path

import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.seeds import Memory, intake, signer, sqlite
from bench.wire import Message, listen, ok
from receiver.app import Service, bind, serve_until_signal
from receiver.app.loops import Loops
from receiver.callbacks import Callbacks
from receiver.store.sqlite.store import SqliteStore
from receiver.web.answers import EXCEPTION_HANDLERS
from receiver.web.around import middleware


def _callback_app(store: SqliteStore) -> Starlette:
    door = intake(store)
    routes = [Callbacks(signer(), door, door.callback_limit).route()]
    return Starlette(routes=routes, middleware=middleware(lambda text: text), exception_handlers=EXCEPTION_HANDLERS)


async def _parse(request: Request) -> Response:
    json.loads(await request.body())
    return Response(b'{"status":"received"}', media_type="application/json")


async def _serve(app: Starlette, store: SqliteStore) -> None:
    """As the service is served, but without its loops."""
    listener = bind("127.0.0.1", 0)
    service = Service(app=app, store=store, loops=Loops([]))
    await serve_until_signal(service, listener, lambda: _say(listener.getsockname()[1]))


async def serve_store(database: Path) -> None:
    store = sqlite(database)
    await store.open()
    await _serve(_callback_app(store), store)


async def serve_memory(database: Path) -> None:
    store = Memory(database)
    await _serve(_callback_app(store), store)


async def serve_bare(database: Path) -> None:
    app = Starlette(routes=[Route("/callbacks/{token:path}", _parse, methods=["POST"])])
    await _serve(app, Memory(database))


async def serve_stub(pause: float) -> None:
    tasks = itertools.count(1)

    def accept(_: Message) -> bytes:
        data = {"code": 200, "msg": "success", "data": {"taskId": f"{next(tasks):032x}"}}
        return ok(json.dumps(data).encode())

    server, port = await listen(accept, pause)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    _say(port)
    await stopped.wait()
    server.close()


async def _work(peer: str, database: Path, pause: float) -> None:
    match peer:
        case "store":
            await serve_store(database)
        case "memory":
            await serve_memory(database)
        case "bare":
            await serve_bare(database)
        case _:
            await serve_stub(pause)


def _say(port: int) -> None:
    print(f"Ready on http://127.0.0.1:{port}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=["store", "memory", "bare", "stub"])
    parser.add_argument("--database", type=Path, default=Path("unused.db"))
    parser.add_argument("--pause", type=float, default=0.0, help="seconds before the stub answers")
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(given.peer, given.database, given.pause))


if __name__ == "__main__":
    main()
