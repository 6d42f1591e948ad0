"""Where lists come from: `/v1` of a running receiver, or the same `/v1` over the configuration's database."""

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette

from receiver import api
from receiver.api.parts import CallbackUrl, CallbackUrlWish, Parts, Registration
from receiver.app import fresh_id, open_database, url_maker
from receiver.app.common import open_signer
from receiver.app.urls import UrlMaker, Urls
from receiver.app.web import planner
from receiver.cli.context import DEFAULT_PORT, environment_port, settings_from, usage
from receiver.cli.interrupts import finished
from receiver.cli.within import ask
from receiver.errors import NotSent, Outcome, ReceiverError
from receiver.events import Submission
from receiver.intake import Intake
from receiver.outbound import Answer, Http
from receiver.settings import Settings
from receiver.shapes import json_bytes
from receiver.store import database_folder, shown_database
from receiver.store.base import Store
from receiver.web.access import Access, AdminDoor
from receiver.web.answers import EXCEPTION_HANDLERS

# Longer than the gateway waits for the provider.
_PATIENCE = timedelta(seconds=120)
# Mistakes in what was asked for, against those in what is there.
_USAGE = frozenset({400, 422})

Send = Callable[[str, str, bytes | None], Awaitable[Answer]]


class NoReceiver(ReceiverError):
    pass


class NoDatabase(ReceiverError):
    pass


class Forbidden(ReceiverError):
    pass


class NotThere(ReceiverError):
    pass


class Conflict(ReceiverError):
    pass


@dataclass(frozen=True, slots=True)
class Source:
    """Asks `/v1`. `live` says that a running receiver answers; else it is the database.

    Every method raises ConfigError for a wrong wish, Forbidden, NotThere, Conflict, NoReceiver, or ReceiverError with
    one sentence.
    """

    send: Send
    live: bool

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        target = f"{path}?{urlencode(params)}" if params else path
        return settle(await self.send("GET", target, None))

    async def post(self, path: str, body: Any) -> Any:
        return settle(await self.send("POST", path, json_bytes(body)))


@dataclass(frozen=True, slots=True)
class Remote:
    """A running receiver, and a token for it."""

    url: str
    token: str = field(repr=False)

    async def send(
        self, http: Http, method: str, target: str, body: bytes | None, extra: Mapping[str, str] | None = None
    ) -> Answer:
        """One request, with `extra` headers. Raises NoReceiver."""
        headers = {"authorization": f"Bearer {self.token}", "accept": "application/json", **(extra or {})}
        if body is not None:
            headers["content-type"] = "application/json"
        try:
            return await http.request(method, self.url + target, headers=headers, content=body, timeout=_PATIENCE)
        except NotSent as failure:
            raise NoReceiver(f"No receiver at {self.url}: {failure.reason}. Start `receiver serve` there.") from None
        except Outcome as failure:
            raise NoReceiver(f"The receiver at {self.url} gave no answer: {failure.reason}.") from None


def remote(environ: Mapping[str, str]) -> Remote | None:
    """The receiver that RECEIVER_URL names. Raises ConfigError where only half is said."""
    url, token = environ.get("RECEIVER_URL", "").rstrip("/"), environ.get("RECEIVER_TOKEN", "")
    if not url and not token:
        return None
    if not url or not token:
        missing = "RECEIVER_TOKEN" if url else "RECEIVER_URL"
        raise usage(f"{missing} is not set: set both to ask a running receiver, or neither to look in the database.")
    if not url.startswith(("http://", "https://")):
        raise usage("RECEIVER_URL must start with http:// or https://.")
    return Remote(url, token)


def nearby(environ: Mapping[str, str]) -> str:
    """Where `receiver serve` listens on this machine. Raises ConfigError."""
    port = environment_port(environ)
    return f"http://127.0.0.1:{DEFAULT_PORT if port is None else port}"


@asynccontextmanager
async def open_source(config: Path | None, *, new: bool = False) -> AsyncIterator[Source]:
    """The running receiver of the environment, else the configuration's database. Raises ReceiverError.

    `new`: a database that is not there is made.
    """
    there = remote(os.environ)
    opened = remote_source(there) if there else database_source(settings_from(config), new=new)
    async with opened as source:
        yield source


@asynccontextmanager
async def remote_source(there: Remote) -> AsyncIterator[Source]:
    http = Http()

    async def send(method: str, target: str, body: bytes | None) -> Answer:
        return await there.send(http, method, target, body)

    try:
        yield Source(send, live=True)
    finally:
        await http.close()


def require_database(settings: Settings) -> None:
    """Raises NoDatabase where its file is not there: whoever looks for something makes none."""
    shown = shown_database(settings.database)
    if database_folder(settings.database) and not Path(shown).exists():
        raise NoDatabase(f"There is no database at {shown}: start `receiver serve`, which makes it, or check --config.")


@asynccontextmanager
async def database_source(settings: Settings, *, new: bool = False) -> AsyncIterator[Source]:
    """The API over this database, without a server: what a running receiver would answer, in the same words."""
    if not new:
        require_database(settings)
    store = await open_database(settings)
    try:
        password = token_urlsafe()
        app = _application(settings, store, password)

        async def send(method: str, target: str, body: bytes | None) -> Answer:
            return await ask(app, method, target, body, {"authorization": f"Bearer {password}"})

        yield Source(send, live=False)
    finally:
        await finished(store.close())


def _application(settings: Settings, store: Store, password: str) -> Starlette:
    async def maker() -> UrlMaker:
        signer = await open_signer(settings, store)
        urls = Urls(signer=signer, public_url=settings.public_url, local_url=nearby(os.environ))
        limit = settings.limits.callback_body
        intake = Intake(store=store, providers=settings.providers, new_id=fresh_id, callback_limit=limit)
        return url_maker(settings, store, urls, intake)

    async def make_callback_url(wish: CallbackUrlWish) -> CallbackUrl:
        return await (await maker()).make(wish)

    async def register(wish: Registration) -> tuple[Submission, bool]:
        return await (await maker()).register(wish)

    parts = Parts(
        store=store,
        access=Access(AdminDoor(passwords=[password]), {}, os.urandom(32)),
        new_id=fresh_id,
        handlers=lambda: settings.handlers,
        make_callback_url=make_callback_url,
        register=register,
        plan_for=planner(settings.routes),
    )
    return Starlette(routes=api.routes(parts), exception_handlers=EXCEPTION_HANDLERS)


def settle(answer: Answer) -> Any:
    """The JSON of a good answer; raises what the others stand for."""
    if 200 <= answer.status < 300:
        return _content(answer)
    said = problem_of(answer)
    if answer.status == 401:
        raise Forbidden("The receiver does not know this token: set RECEIVER_TOKEN to the admin password.")
    if answer.status == 403:
        raise Forbidden("This token may not do that: set RECEIVER_TOKEN to the admin password.")
    if answer.status in _USAGE:
        raise usage(said)
    raise {404: NotThere, 409: Conflict}.get(answer.status, ReceiverError)(said)


def problem_of(answer: Answer) -> str:
    """What an answer that is none says, in one sentence."""
    try:
        content = answer.json()
    except ValueError:
        content = None
    if isinstance(content, dict) and isinstance(content.get("detail"), str):
        return str(content["detail"])
    return f"It answered {answer.status}, and not in a receiver's words: check RECEIVER_URL."


def _content(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError:
        raise ReceiverError("It answered with something else than JSON: check RECEIVER_URL.") from None
