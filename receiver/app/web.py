"""What answers requests: callbacks, the gateway, files, the API and its streams. Nothing here delivers."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from secrets import token_urlsafe

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from receiver import api, routing
from receiver.api.parts import Parts
from receiver.api.stream_hub import Hub
from receiver.app.checks import Checks
from receiver.app.common import Common, archives, elsewhere
from receiver.app.ids import fresh_id
from receiver.app.loops import Loop, Loops
from receiver.app.urls import UrlMaker, Urls
from receiver.callbacks import Callbacks
from receiver.events import Event
from receiver.files import FileLinks
from receiver.intake import Intake
from receiver.outbound import redact
from receiver.settings import Settings
from receiver.store import database_folder, database_secrets
from receiver.store.base import Store
from receiver.store.records import Process
from receiver.submissions import Gateway, Policy, Sender, Uploads
from receiver.tokens import hash_password, matches_password, redact_tokens
from receiver.web.access import Access, AdminDoor
from receiver.web.answers import EXCEPTION_HANDLERS
from receiver.web.around import middleware

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Web:
    """The app, the loops behind it, and sentences for whoever starts it."""

    app: Starlette
    loops: list[Loop]
    notices: tuple[str, ...]


async def web(common: Common, process: Process, running: Loops) -> Web:
    """`running` are the loops of this process, for those who ask how it is. Raises StoreError."""
    settings, store, signer = common.settings, common.store, common.signer
    access, notices = await _access(settings, store)
    sender = Sender(store=store, intake=common.intake, http=common.http, providers=settings.providers)
    hub = Hub(store)
    checks = _checks(common, process, running)
    routes: list[BaseRoute] = [
        Callbacks(signer, common.intake, settings.limits.callback_body, keep=_proving(settings)).route(),
        FileLinks(signer, store, archives(settings.handlers), elsewhere(settings.handlers)).route(),
        *api.routes(_parts(common, access, checks, hub)),
        Route("/{provider}/{path:path}", _gateway(common, access, sender).serve, methods=_METHODS),
    ]
    app = Starlette(routes=routes, middleware=middleware(redactor(settings)), exception_handlers=EXCEPTION_HANDLERS)
    # A redirect would lose a provider's callback: it may not follow one.
    app.router.redirect_slashes = False
    return Web(app, [sender, hub], notices)


def _gateway(common: Common, access: Access, sender: Sender) -> Gateway:
    settings = common.settings
    return Gateway(
        store=common.store,
        intake=common.intake,
        access=access,
        sender=sender,
        uploads=Uploads(common.http, settings.providers, settings.limits.upload),
        providers=settings.providers,
        default=settings.default_provider,
        callback_url=common.urls.callback,
        clients={
            name: Policy(labels=client.labels, forward=client.forward_callbacks)
            for name, client in settings.clients.items()
        },
        body_limit=settings.limits.submission_body,
    )


def _checks(common: Common, process: Process, running: Loops) -> Checks:
    settings = common.settings
    return Checks(
        store=common.store,
        loops=running,
        process=process,
        handlers=common.handlers.keys(),
        clients=settings.clients.keys(),
        public=settings.public_url is not None,
        folder=database_folder(settings.database),
        free_disk=settings.limits.free_disk,
    )


def _parts(common: Common, access: Access, checks: Checks, hub: Hub) -> Parts:
    settings = common.settings
    maker = url_maker(settings, common.store, common.urls, common.intake)
    return Parts(
        store=common.store,
        access=access,
        new_id=fresh_id,
        handlers=lambda: settings.handlers,
        make_callback_url=maker.make,
        register=maker.register,
        plan_for=planner(settings.routes),
        alive=checks.alive(),
        ready=checks.ready(),
        hub=hub,
    )


def _proving(settings: Settings) -> frozenset[str]:
    """The headers by which the configured providers prove themselves."""
    return frozenset(name for provider in settings.providers.values() for name in provider.kept_headers())


def url_maker(settings: Settings, store: Store, urls: Urls, intake: Intake) -> UrlMaker:
    return UrlMaker(
        urls=urls, store=store, intake=intake, providers=settings.providers, clients=settings.clients.keys()
    )


def planner(routes: Sequence[routing.Route]) -> Callable[[Event, str], routing.Plan | None]:
    """How these routes give an event to a handler; None where they don't."""
    return lambda event, handler: next((step for step in routing.plan(event, routes) if step.handler == handler), None)


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


def redactor(settings: Settings) -> Callable[[str], str]:
    """Takes every secret of the configuration, and every callback token, out of a text."""
    known = [
        *database_secrets(settings.database),
        *(secret.get_secret_value() for secret in settings.secret),
        *(secret.get_secret_value() for secret in settings.admin.password or ()),
        *(token.get_secret_value() for client in settings.clients.values() for token in client.token),
        *(secret for provider in settings.providers.values() for secret in provider.secrets(b"")),
        *(secret for handler in settings.handlers.values() for secret in handler.secrets()),
    ]
    return lambda text: redact(redact_tokens(text), known)
