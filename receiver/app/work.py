"""What works without being asked: routes, delivers, asks providers, looks at disks, removes what is too old."""

import random

from receiver.app.common import Common, archives, elsewhere
from receiver.app.ids import fresh_id
from receiver.app.loops import Loop
from receiver.attempt import Tools
from receiver.pruner import Pruner
from receiver.reconciler import Reconciler
from receiver.store import database_folder
from receiver.store.records import Process, Retention
from receiver.watch import Watch
from receiver.worker import Worker


async def work(common: Common, process: Process) -> list[Loop]:
    """The loops of a worker; what only one may lease on this database, it has now. Raises StoreError."""
    await common.store.abandon()
    return [_worker(common, process), _reconciler(common), _watch(common, process), _pruner(common)]


def _worker(common: Common, process: Process) -> Worker:
    tools = Tools(
        store=common.store,
        http=common.http,
        media=common.media,
        link=common.urls.file,
        new_id=fresh_id,
        jitter=random.random,
        free_disk=common.settings.limits.free_disk,
    )
    return Worker(owner=process.id, handlers=common.handlers, routes=common.settings.routes, tools=tools)


def _reconciler(common: Common) -> Reconciler:
    return Reconciler(
        store=common.store,
        intake=common.intake,
        http=common.http,
        providers=common.settings.providers,
        jitter=random.random,
        public=common.settings.public_url is not None,
    )


def _pruner(common: Common) -> Pruner:
    keep = common.settings.retention
    return Pruner(store=common.store, keep=Retention(events=keep.events, callbacks=keep.callbacks))


def _watch(common: Common, process: Process) -> Watch:
    settings = common.settings
    kept = archives(settings.handlers)
    database = database_folder(settings.database)
    folders = {*([database] if database else ()), *(archive.directory for archive in kept.values())}
    return Watch(
        store=common.store,
        new_id=fresh_id,
        archives=[*kept, *elsewhere(settings.handlers)],
        folders=sorted(folders),
        free_disk=settings.limits.free_disk,
        host=process.host,
    )
