"""A bot for tests: a handler of type slack with a token, the pretend Slack, and deliveries of one submission."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from handlers.slack import Slack
from receiver.handler import Delivery, Receipt
from receiver.outbound import Http
from tests.support.deliveries import NOW, World, make_delivery, make_event
from tests.support.slack import lines
from tests.support.slack_peer import SlackPeer, open_peer
from tests.support.slack_workspace import Said


@dataclass
class Bot:
    """A handler, the pretend Slack that it speaks to, and what its deliveries share."""

    peer: SlackPeer
    handler: Slack
    world: World
    http: Http
    minutes: int = 0

    async def tell(self, kind: str, *results: Any, **fields: Any) -> Receipt | None:
        """A new delivery, a minute after the one before."""
        self.minutes += 1
        self.world.progress.value = {}
        return await self.handler.handle(self.delivery(kind, *results, **fields))

    def delivery(
        self, kind: str, *results: Any, receipts: Mapping[str, Receipt] | None = None, **fields: Any
    ) -> Delivery:
        event = make_event(kind, **{"received_at": NOW + timedelta(minutes=self.minutes), **fields})
        made = make_delivery(self.world, event=event, results=results, receipts=receipts)
        return replace(made, http=self.http, id=f"dlv_{self.minutes}", title="Night Ferry")

    @property
    def only(self) -> Said:
        [said] = self.peer.workspace.top()
        return said

    @property
    def thread(self) -> list[str]:
        return [line for said in self.peer.workspace.replies(self.only.ts) for line in shown(said)]


@asynccontextmanager
async def open_bot(**fields: Any) -> AsyncIterator[Bot]:
    http = Http()
    async with open_peer() as peer:
        handler = Slack.model_validate({"type": "slack", **peer.bot, **fields})
        try:
            yield Bot(peer, handler, World(), http)
        finally:
            await http.close()
            assert peer.workspace.complaints == []


def shown(said: Said) -> list[str]:
    return lines({"blocks": said.blocks})
