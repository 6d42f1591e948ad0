"""Where `submit` and `simulate` work: a running receiver to send to, and a source to look at what came of it."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from receiver.cli import songs
from receiver.cli.context import settings_from
from receiver.cli.songs import Json
from receiver.cli.source import Remote, Source, database_source, nearby, remote, remote_source
from receiver.settings import Settings

T = TypeVar("T")

# Nothing tells when an event has been routed: after so many quick looks without work no more is expected.
_CALM, _QUICK_S = 3, 0.3
_OVER = object()


@dataclass(frozen=True, slots=True)
class Desk:
    """`settings` are known where the receiver runs on this machine; the token may be empty then."""

    there: Remote
    source: Source
    settings: Settings | None


@asynccontextmanager
async def open_desk(config: Path | None) -> AsyncIterator[Desk]:
    """The receiver of RECEIVER_URL, else the one on this machine with the configuration's database."""
    there = remote(os.environ)
    if there is not None:
        async with remote_source(there) as source:
            yield Desk(there, source, None)
        return
    settings = settings_from(config)
    async with database_source(settings) as source:
        yield Desk(Remote(nearby(os.environ), _token(settings)), source, settings)


def _token(settings: Settings) -> str:
    tokens = [client.token for client in settings.clients.values()]
    known = next(iter(tokens), None) or settings.admin.password or ()
    return next((token.get_secret_value() for token in known), "")


async def until_final(
    source: Source, ident: str, tell: Callable[[Json], None], changes: AsyncIterator[object], pause: float
) -> Json:
    """Looks whenever something changes until the submission is final; every `pause` seconds once `changes` end."""
    while True:
        view: Json = await source.get(f"/v1/submissions/{ident}")
        tell(view)
        if songs.is_final(view):
            return view
        if await anext(changes, _OVER) is _OVER:
            await asyncio.sleep(pause)


async def until_calm(look: Callable[[], Awaitable[T]], busy: Callable[[T], object], pause: float) -> T:
    """Looks every `pause` seconds until nothing is busy, and was not some quick looks before."""
    calm = 0
    while True:
        seen = await look()
        calm = 0 if busy(seen) else calm + 1
        if calm == _CALM:
            return seen
        await asyncio.sleep(min(pause, _QUICK_S) if calm else pause)
