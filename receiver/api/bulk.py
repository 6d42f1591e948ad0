"""`/v1/redeliveries` and `/v1/replays`: putting work back, a page a call, so whoever calls can stop at any page."""

from collections.abc import Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.api.bodies import RedeliveriesBody, ReplaysBody, read
from receiver.api.deliveries import delivery_json
from receiver.api.lists import gone, listed, listed_events
from receiver.api.parts import Parts
from receiver.errors import Rejection
from receiver.events import OWN_KINDS, Event, Via
from receiver.routing import Plan
from receiver.store.records import Page, Query
from receiver.web.answers import json_answer
from receiver.web.params import read_params, read_since

_NO_FILTER = {"handler", "all", "cursor", "limit", "dry_run"}


class Bulk:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store

    def routes(self) -> Sequence[Route]:
        return (
            Route("/v1/redeliveries", self.redeliver, methods=["POST"]),
            Route("/v1/replays", self.replay, methods=["POST"]),
        )

    async def redeliver(self, request: Request) -> Response:
        """Dead letters, or discarded deliveries, become due. `data` has them as they are then, or as they are now."""
        await self._parts.access.require_admin(request)
        read_params(request.query_params, ())
        body = await read(RedeliveriesBody, request, self._parts)
        if body.handler is not None:
            self._check_handler(body.handler)
        page = await listed(self._store.delivery_rows, self._query(body))
        rows = page.data
        if not body.dry_run:
            rows = [row for old in page.data if (row := await self._store.redeliver(old.id))]
        data = [delivery_json(row) for row in rows]
        return json_answer({"dry_run": body.dry_run, "data": data, "next": page.next})

    async def replay(self, request: Request) -> Response:
        """Events go to a handler that never had them, as its routes say. `data` has the new deliveries."""
        await self._parts.access.require_admin(request)
        read_params(request.query_params, ())
        body = await read(ReplaysBody, request, self._parts)
        self._check(body)
        page = await self._events(body)
        made = []
        for event in page.data:
            plan = self._plan(event, body)
            if plan is None or await self._had(event, body.handler):
                continue
            delivery_id = None if body.dry_run else self._parts.new_id("dlv")
            if delivery_id is None or await self._store.replay(event.id, plan, delivery_id):
                made.append({"delivery_id": delivery_id, "event_id": event.id, "event_type": event.type})
        return json_answer({"dry_run": body.dry_run, "data": made, "next": page.next})

    def _plan(self, event: Event, body: ReplaysBody) -> Plan | None:
        if not body.all:
            return self._parts.plan_for(event, body.handler)
        return Plan(handler=body.handler) if _may_have(event, body) else None

    def _check_handler(self, name: str) -> None:
        known = self._parts.handlers()
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise Rejection(422, "Unprocessable Content", f"Give handler as one of the configured ones: {names}.")

    def _check(self, body: ReplaysBody) -> None:
        self._check_handler(body.handler)
        if not body.model_fields_set - _NO_FILTER:
            raise Rejection(422, "Unprocessable Content", 'Say which events, if only by time: {"since": "7d"}.')

    async def _events(self, body: ReplaysBody) -> Page[Event]:
        if body.event_id is None:
            return await listed_events(self._store.events, self._query(body), _without_body)
        event = await self._store.event(body.event_id)
        if event is None and (refusal := await gone(self._store, body.event_id)):
            raise refusal
        return Page([event] if event else [], None)

    async def _had(self, event: Event, handler: str) -> bool:
        page = await self._store.delivery_rows(Query(event_id=event.id, handler=handler, limit=1))
        return bool(page.data)

    def _query(self, body: RedeliveriesBody | ReplaysBody) -> Query:
        filters = body.model_dump(exclude={"dry_run", "since", "all"})
        if isinstance(body, ReplaysBody):
            # The handler is where the events go, not what they are chosen by.
            del filters["handler"]
        return Query(since=read_since(body.since, self._store.now()), **filters)


def _without_body(event: Event) -> Event:
    return replace(event, raw=None)


def _may_have(event: Event, body: ReplaysBody) -> bool:
    """As for routes: no handler gets an alarm about itself or what is simulated, nor our own types unless named."""
    if event.about == body.handler or event.via is Via.SIMULATED:
        return False
    return event.kind not in OWN_KINDS or bool(body.type or body.level or body.event_id)
