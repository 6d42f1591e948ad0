"""Puts a process together: the web, the work, or both."""

from dataclasses import dataclass

from starlette.applications import Starlette

from receiver.app.common import common
from receiver.app.ids import fresh_id, this_process
from receiver.app.loops import Loops
from receiver.app.web import web
from receiver.app.work import work
from receiver.errors import SchemaTooOld
from receiver.outbound import Http, Media
from receiver.presence import Pulse
from receiver.settings import Settings
from receiver.store import database_folder, open_store
from receiver.store.base import Store
from receiver.store.records import Process


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A process that is built and not yet running; without an `app` it answers nothing.

    `notices` are sentences for whoever starts it.
    """

    app: Starlette | None
    store: Store
    loops: Loops
    notices: tuple[str, ...] = ()
    clients: tuple[Http | Media, ...] = ()

    async def close(self) -> None:
        """After the loops have ended."""
        for client in self.clients:
            await client.close()
        await self.store.close()


async def open_database(settings: Settings, *, exclusive: bool = False, migrate: bool | None = None) -> Store:
    """The store of these settings, migrated where `migrate` says so; left out: where it is a file of this machine.

    Raises StoreError: SchemaTooOld where it is not migrated.
    """
    store = open_store(settings.database, None, fresh_id, exclusive=exclusive)
    try:
        await store.open()
        if migrate or (migrate is None and database_folder(settings.database)):
            await store.migrate()
        else:
            await _refuse_old(store)
    except BaseException:
        # A store that stays open keeps its process alive.
        await store.close()
        raise
    return store


async def _refuse_old(store: Store) -> None:
    if missing := await store.missing():
        said = "1 migration is" if missing == 1 else f"{missing} migrations are"
        raise SchemaTooOld(f"{said} missing in the database: run `receiver migrate` first.")


async def build(settings: Settings, local_url: str, process: Process | None = None) -> Service:
    """Everything that `process` runs; left out: the web and the work, which migrates first.

    `local_url` is where this machine reaches its web. Raises StoreError.
    """
    process = process or this_process(web=True, work=True)
    both = process.does_web and process.does_work
    store = await open_database(settings, exclusive=True, migrate=both)
    try:
        return await _assemble(settings, store, local_url, process)
    except BaseException:
        await store.close()
        raise


async def _assemble(settings: Settings, store: Store, local_url: str, process: Process) -> Service:
    shared = await common(settings, store, local_url)
    pulse = Pulse(store=store, process=process)
    # Before anything is delivered: it counts what waited for a worker.
    await pulse.beat()
    loops = Loops([pulse])
    if process.does_work:
        loops.add(await work(shared, process))
    made = await web(shared, process, loops) if process.does_web else None
    if made:
        loops.add(made.loops)
    return Service(
        app=made.app if made else None,
        store=store,
        loops=loops,
        notices=made.notices if made else (),
        clients=(shared.http, shared.media),
    )
