"""Every handler type with its target on loopback: what the contract suite runs each of them against."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from ruamel.yaml import YAML

from handlers import handler_class
from receiver.handler import Delivery, Handler
from receiver.outbound import Http
from tests.support import s3_peer, webhook_peer
from tests.support.deliveries import FakeMedia, World, make_delivery, make_track, make_web

MANUAL = (Path(__file__).parents[2] / "docs" / "handlers.md").read_text()
SECRET = "s3cr3t-v4lue"
_VALUES = {
    "API_TOKEN": SECRET,
    "APPRISE_URL": f"json://user:{SECRET}@127.0.0.1:9/",
    "WEBHOOK_SECRET": webhook_peer.SIGNING,
}
# Those that keep to themselves.
_ALONE = frozenset({"file", "log"})


class Peer(Protocol):
    """The target of a type. `fields` make the documented configuration reach it, `seen` is what came, as text."""

    fields: dict[str, Any]

    @property
    def seen(self) -> list[str]: ...

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None: ...


@dataclass
class Target:
    """A handler that reaches its target, and what its deliveries share."""

    handler: Handler
    http: Http
    peer: Any = None
    world: World = field(default_factory=lambda: World(media=FakeMedia(make_web(make_track()))))

    def delivery(self, **changes: Any) -> Delivery:
        return replace(make_delivery(self.world, **changes), http=self.http)


def section(type_: str) -> str:
    found = re.search(rf"^## `{type_}`$(.*?)(?=^## |\Z)", MANUAL, re.DOTALL | re.MULTILINE)
    assert found, f"docs/handlers.md has no section on {type_}"
    return found[1]


def documented(type_: str) -> dict[str, Any]:
    """The first YAML block in the section of a type; a variable in it becomes a secret of the form that it needs."""
    block = re.search(r"```yaml\n(.*?)```", section(type_), re.DOTALL)
    assert block, f"the section on {type_} has no YAML block"
    text = re.sub(r"\$\{(\w+)\}", lambda found: _VALUES.get(found[1], f"https://hooks.example.com/{SECRET}"), block[1])
    fields = next(iter(YAML(typ="safe", pure=True).load(text)["handlers"].values()))
    return dict(fields)


@asynccontextmanager
async def reach(name: str, tmp_path: Path) -> AsyncIterator[Target]:
    """The handler of a case: a type, or `slack with a token`."""
    http = Http()
    try:
        if name in _ALONE:
            yield Target(build(name, {"directory": str(tmp_path / "songs")} if name == "file" else {}), http)
            return
        type_ = name.partition(" ")[0]
        async with import_module(f"tests.support.{type_}_peer").open_peer(tmp_path) as peer:
            handler = build(type_, peer.bot if name != type_ else peer.fields)
            async with handler.open():
                yield Target(handler, http, peer)
    finally:
        await http.close()


@asynccontextmanager
async def answering(name: str, status: int, tmp_path: Path) -> AsyncIterator[Target]:
    """The same, with a target that answers this to everything: an HTTP status, for mail a reply code."""
    if name == "s3":
        async with s3_peer.open_pretender(s3_peer.refuse(status, "SomeWord", SECRET)) as (_, fields):
            http = Http()
            yield Target(build(name, fields), http)
            await http.close()
        return
    async with reach(name, tmp_path) as target:
        target.peer.answer(status, f"no_such_path {SECRET}".encode(), retry_after="7")
        yield target


def build(type_: str, fields: dict[str, Any]) -> Handler:
    """As the documentation shows it, but with what reaches the target; a token excludes the webhook."""
    shown = documented(type_)
    if "token" in fields:
        del shown["webhook_url"]
    return handler_class(type_).model_validate(shown | fields)
