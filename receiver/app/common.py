"""What the web and the work share: the store, the clients, the addresses and the intake."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from secrets import token_hex

from receiver.app.ids import fresh_id
from receiver.app.urls import Urls
from receiver.files import Archive, Presign, RemoteArchive
from receiver.forwarding import ClientCallbacks
from receiver.handler import Handler
from receiver.intake import Intake
from receiver.outbound import Http, Media
from receiver.routing import CLIENT
from receiver.settings import Settings
from receiver.store.base import Store
from receiver.tokens import Signer

# In status mode no callback can come: the first question is asked early.
_ASK_FROM = timedelta(seconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    settings: Settings
    store: Store
    signer: Signer
    urls: Urls
    http: Http
    media: Media
    intake: Intake

    @property
    def handlers(self) -> dict[str, Handler]:
        """The configured handlers, and the reserved one that serves the clients' own callbacks."""
        return {**self.settings.handlers, CLIENT: ClientCallbacks.for_providers(self.settings.providers)}


async def common(settings: Settings, store: Store, local_url: str) -> Common:
    """`local_url` is where this machine reaches its own web. Raises StoreError."""
    signer = await open_signer(settings, store)
    return Common(
        settings=settings,
        store=store,
        signer=signer,
        urls=Urls(signer=signer, public_url=settings.public_url, local_url=local_url),
        http=Http(),
        media=Media(settings.outbound.allow, limit=settings.limits.file),
        intake=Intake(
            store=store,
            providers=settings.providers,
            new_id=fresh_id,
            callback_limit=settings.limits.callback_body,
            ask_from=None if settings.public_url else _ASK_FROM,
        ),
    )


async def open_signer(settings: Settings, store: Store) -> Signer:
    """The configured secrets, or the one that is kept in the database."""
    if settings.secret:
        return Signer([secret.get_secret_value() for secret in settings.secret])
    return Signer([await store.setting("secret", partial(token_hex, 32))])


def archives(handlers: Mapping[str, Handler]) -> dict[str, Archive]:
    """Those that keep files on a disk of this machine."""
    return {name: handler for name, handler in handlers.items() if isinstance(handler, Archive)}


def elsewhere(handlers: Mapping[str, Handler]) -> dict[str, Presign]:
    """Those that keep files elsewhere, and where a reader is sent to."""
    return {name: handler.presign for name, handler in handlers.items() if isinstance(handler, RemoteArchive)}
