"""Where `submit` and `simulate` work: a running receiver to send to, and a source to look at what came of it."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from receiver.cli import songs
from receiver.cli.context import settings_from
from receiver.cli.songs import Json
from receiver.cli.source import Remote, Source, database_source, nearby, remote, remote_source
from receiver.settings import Settings

# Nothing tells when an event has been routed: after so many quick looks without work no more is expected.
_CALM, _QUICK_S = 3, 0.3


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


async def watch(source: Source, ident: str, tell: Callable[[Json], None], pause: float, *, final: bool = True) -> Json:
    """Looks every `pause` seconds until the deliveries have ended, and with `final` the submission too."""
    calm = 0
    while True:
        view: Json = await source.get(f"/v1/submissions/{ident}")
        tell(view)
        over = songs.waiting(view) == 0 and (songs.is_final(view) or not final)
        calm = calm + 1 if over else 0
        if calm == _CALM:
            return view
        await asyncio.sleep(min(pause, _QUICK_S) if over else pause)
