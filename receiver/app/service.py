"""Builds every part from the settings and hands each the others that it needs."""

import os
import random
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from secrets import token_hex, token_urlsafe

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from receiver import api, routing
from receiver.api.parts import Parts
from receiver.api.stream_hub import Hub
from receiver.app.checks import Checks
from receiver.app.loops import Loops
from receiver.app.urls import UrlMaker, Urls
from receiver.attempt import Tools
from receiver.callbacks import Callbacks
from receiver.events import Event, new_id, utc_now
from receiver.files import Archive, FileLinks, Presign, RemoteArchive
from receiver.forwarding import ClientCallbacks
from receiver.handler import Handler
from receiver.intake import Intake
from receiver.outbound import Http, Media, redact
from receiver.reconciler import Reconciler
from receiver.routing import CLIENT
from receiver.settings import Settings
from receiver.store import open_store, sqlite_path
from receiver.store.base import Store
from receiver.submissions import Gateway, Policy, Sender, Uploads
from receiver.tokens import Signer, hash_password, matches_password, redact_tokens
from receiver.watch import Watch
from receiver.web.access import Access, AdminDoor
from receiver.web.answers import EXCEPTION_HANDLERS
from receiver.web.around import middleware
from receiver.worker import Worker

# In status mode no callback can come: the first question is asked early.
_ASK_FROM = timedelta(seconds=20)
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A receiver that is built and not yet running. `notices` are sentences for whoever starts it."""

    app: Starlette
    store: Store
    loops: Loops
    notices: tuple[str, ...] = ()
    clients: tuple[Http | Media, ...] = ()

    async def close(self) -> None:
        """After the loops have ended."""
        for client in self.clients:
            await client.close()
        await self.store.close()


def fresh_id(prefix: str) -> str:
    return new_id(prefix, utc_now(), os.urandom(10))


async def open_database(settings: Settings, *, exclusive: bool = False) -> Store:
    """The store of these settings, migrated. Raises StoreError."""
    store = open_store(settings.database, utc_now, fresh_id, exclusive=exclusive)
    try:
        await store.open()
        await store.migrate()
    except BaseException:
        # A store that stays open keeps its process alive.
        await store.close()
        raise
    return store


async def build(settings: Settings, local_url: str) -> Service:
    """Everything that `serve` runs; `local_url` is where this machine reaches it. Raises StoreError."""
    store = await open_database(settings, exclusive=True)
    try:
        return await _assemble(settings, store, local_url)
    except BaseException:
        await store.close()
        raise


async def _assemble(settings: Settings, store: Store, local_url: str) -> Service:
    await store.abandon()
    signer = await open_signer(settings, store)
    access, notices = await _access(settings, store)
    builder = _Builder(
        settings, store, Urls(signer=signer, public_url=settings.public_url, local_url=local_url), access
    )
    sender = builder.sender()
    gateway = builder.gateway(sender)
    hub = Hub(store)
    loops = Loops([sender, builder.worker(), builder.reconciler(), builder.watch(), hub])
    routes: list[BaseRoute] = [
        Callbacks(signer, builder.intake, settings.limits.callback_body, keep=_proving(settings)).route(),
        FileLinks(signer, store, _archives(settings.handlers), _elsewhere(settings.handlers)).route(),
        *api.routes(builder.api(loops, hub)),
        Route("/{provider}/{path:path}", gateway.serve, methods=_METHODS),
    ]
    app = Starlette(routes=routes, middleware=middleware(redactor(settings)), exception_handlers=EXCEPTION_HANDLERS)
    # A redirect would lose a provider's callback: it may not follow one.
    app.router.redirect_slashes = False
    return Service(app=app, store=store, loops=loops, notices=notices, clients=(builder.http, builder.media))


class _Builder:
    """The parts that share the store, the clients and the intake."""

    def __init__(self, settings: Settings, store: Store, urls: Urls, access: Access) -> None:
        self._settings = settings
        self._store = store
        self._urls = urls
        self._access = access
        self.http = Http()
        self.media = Media(settings.outbound.allow, limit=settings.limits.file)
        self.intake = Intake(
            store=store,
            providers=settings.providers,
            new_id=fresh_id,
            callback_limit=settings.limits.callback_body,
            ask_from=None if settings.public_url else _ASK_FROM,
        )

    def worker(self) -> Worker:
        tools = Tools(
            store=self._store,
            http=self.http,
            media=self.media,
            link=self._urls.file,
            new_id=fresh_id,
            jitter=random.random,
            free_disk=self._settings.limits.free_disk,
        )
        owner = f"{socket.gethostname()}-{os.getpid()}"
        return Worker(owner=owner, handlers=with_client(self._settings), routes=self._settings.routes, tools=tools)

    def reconciler(self) -> Reconciler:
        return Reconciler(
            store=self._store,
            intake=self.intake,
            http=self.http,
            providers=self._settings.providers,
            jitter=random.random,
            public=self._settings.public_url is not None,
        )

    def watch(self) -> Watch:
        archives = _archives(self._settings.handlers)
        folders = {sqlite_path(self._settings.database).parent, *(archive.directory for archive in archives.values())}
        return Watch(
            store=self._store,
            new_id=fresh_id,
            archives=[*archives, *_elsewhere(self._settings.handlers)],
            folders=sorted(folders),
            free_disk=self._settings.limits.free_disk,
        )

    def sender(self) -> Sender:
        return Sender(store=self._store, intake=self.intake, http=self.http, providers=self._settings.providers)

    def gateway(self, sender: Sender) -> Gateway:
        settings = self._settings
        return Gateway(
            store=self._store,
            intake=self.intake,
            access=self._access,
            sender=sender,
            uploads=Uploads(self.http, settings.providers, settings.limits.upload),
            providers=settings.providers,
            default=settings.default_provider,
            callback_url=self._urls.callback,
            clients={
                name: Policy(labels=client.labels, forward=client.forward_callbacks)
                for name, client in settings.clients.items()
            },
            body_limit=settings.limits.submission_body,
        )

    def api(self, loops: Loops, hub: Hub) -> Parts:
        checks = Checks(
            store=self._store,
            loops=loops,
            handlers=with_client(self._settings).keys(),
            clients=self._settings.clients.keys(),
            public=self._settings.public_url is not None,
            folder=sqlite_path(self._settings.database).parent,
            free_disk=self._settings.limits.free_disk,
        )
        maker = url_maker(self._settings, self._store, self._urls, self.intake)
        return Parts(
            store=self._store,
            access=self._access,
            new_id=fresh_id,
            handlers=lambda: self._settings.handlers,
            make_callback_url=maker.make,
            register=maker.register,
            plan_for=planner(self._settings.routes),
            alive=checks.alive(),
            ready=checks.ready(),
            hub=hub,
        )


def _proving(settings: Settings) -> frozenset[str]:
    """The headers by which the configured providers prove themselves."""
    return frozenset(name for provider in settings.providers.values() for name in provider.kept_headers())


def with_client(settings: Settings) -> dict[str, Handler]:
    """The configured handlers, and the reserved one that serves the clients' own callbacks."""
    return {**settings.handlers, CLIENT: ClientCallbacks.for_providers(settings.providers)}


def url_maker(settings: Settings, store: Store, urls: Urls, intake: Intake) -> UrlMaker:
    return UrlMaker(
        urls=urls, store=store, intake=intake, providers=settings.providers, clients=settings.clients.keys()
    )


def planner(routes: Sequence[routing.Route]) -> Callable[[Event, str], routing.Plan | None]:
    """How these routes give an event to a handler; None where they don't."""
    return lambda event, handler: next((step for step in routing.plan(event, routes) if step.handler == handler), None)


async def open_signer(settings: Settings, store: Store) -> Signer:
    """The configured secrets, or the one that is kept in the database."""
    if settings.secret:
        return Signer([secret.get_secret_value() for secret in settings.secret])
    return Signer([await store.setting("secret", partial(token_hex, 32))])


async def _access(settings: Settings, store: Store) -> tuple[Access, tuple[str, ...]]:
    clients = {name: [token.get_secret_value() for token in client.token] for name, client in settings.clients.items()}
    key = os.urandom(32)
    if settings.admin.password:
        passwords = [password.get_secret_value() for password in settings.admin.password]
        return Access(AdminDoor(passwords=passwords), clients, key), ()
    made = token_urlsafe(18)
    mine = hash_password(made, os.urandom(16))
    kept = await store.setting("admin_password", lambda: mine)
    told = (f"The admin password is {made} (shown once; set admin.password to choose your own).",)
    door = AdminDoor(verify=lambda password: matches_password(password, kept))
    return Access(door, clients, key), told if kept == mine else ()


def _archives(handlers: Mapping[str, Handler]) -> dict[str, Archive]:
    return {name: handler for name, handler in handlers.items() if isinstance(handler, Archive)}


def _elsewhere(handlers: Mapping[str, Handler]) -> dict[str, Presign]:
    return {name: handler.presign for name, handler in handlers.items() if isinstance(handler, RemoteArchive)}


def redactor(settings: Settings) -> Callable[[str], str]:
    """Takes every secret of the configuration, and every callback token, out of a text."""
    known = [
        *(secret.get_secret_value() for secret in settings.secret),
        *(secret.get_secret_value() for secret in settings.admin.password or ()),
        *(token.get_secret_value() for client in settings.clients.values() for token in client.token),
        *(secret for provider in settings.providers.values() for secret in provider.secrets(b"")),
        *(secret for handler in settings.handlers.values() for secret in handler.secrets()),
    ]
    return lambda text: redact(redact_tokens(text), known)
