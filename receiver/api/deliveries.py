"""`/v1/events` and `/v1/deliveries`: what happened and who was told. For the admin alone."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.api.bodies import RedeliverBody, read
from receiver.api.lists import gone, listed, listed_events, read_query, storable_id
from receiver.api.parts import Parts
from receiver.errors import Rejection
from receiver.events import DeliveryState, Event
from receiver.handler import RECEIPT
from receiver.shapes import event_json, json_bytes, timestamp
from receiver.store.records import Attempt, DeliveryRow
from receiver.web.answers import json_answer, not_found
from receiver.web.params import read_params

_PAGE = frozenset({"q", "since", "type", "submission_id", "cursor", "limit"})
_EVENT_FILTERS = _PAGE | {"level", "provider", "client", "stage", "label.", "event_id"}
_DELIVERY_FILTERS = _EVENT_FILTERS | {"handler", "state"}
# Bytes of a provider's body that a list shows; few bodies have more.
_SHOWN_RAW = 64 * 1024


class Deliveries:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> Sequence[Route]:
        return (
            Route("/v1/events", self.list_events, methods=["GET"]),
            Route("/v1/events/{ident}", self.show_event, methods=["GET"]),
            Route("/v1/deliveries", self.list, methods=["GET"]),
            Route("/v1/deliveries/{ident}", self.show, methods=["GET"]),
            Route("/v1/deliveries/{ident}/redeliver", self.redeliver, methods=["POST"]),
        )

    async def list_events(self, request: Request) -> Response:
        """With `raw` up to 64 KiB; whole where `event_id` names the event."""
        await self._parts.access.require_admin(request)
        store = self._parts.store
        query = read_query(request, _EVENT_FILTERS, store.now())
        page = await listed_events(store.events, query, event_json if query.event_id else _listed_event)
        return json_answer({"data": page.data, "next": page.next})

    async def show_event(self, request: Request) -> Response:
        """With the provider's whole body as `raw`. An event that was removed for its age is 410."""
        await self._parts.access.require_admin(request)
        read_params(request.query_params, ())
        ident = storable_id(request.path_params["ident"])
        event = await self._parts.store.event(ident)
        if event is None:
            raise await gone(self._parts.store, ident) or not_found()
        return json_answer(event_json(event))

    async def list(self, request: Request) -> Response:
        await self._parts.access.require_admin(request)
        store = self._parts.store
        page = await listed(store.delivery_rows, read_query(request, _DELIVERY_FILTERS, store.now()))
        return json_answer({"data": [delivery_json(row) for row in page.data], "next": page.next})

    async def show(self, request: Request) -> Response:
        """With its attempts, the first one first, as `history`."""
        await self._parts.access.require_admin(request)
        read_params(request.query_params, ())
        row = await self._parts.store.delivery(storable_id(request.path_params["ident"]))
        if row is None:
            raise not_found()
        attempts = await self._parts.store.attempts(row.id)
        shape = delivery_json(row) | {"history": [_attempt_json(attempt) for attempt in attempts]}
        return json_answer(shape)

    async def redeliver(self, request: Request) -> Response:
        """Answers with the delivery that is due now: with `again` for a delivered one, a new one."""
        await self._parts.access.require_admin(request)
        read_params(request.query_params, ())
        ident = storable_id(request.path_params["ident"])
        body = await read(RedeliverBody, request, self._parts)
        row = await self._parts.store.redeliver(ident, again=body.again, new_id=self._parts.new_id("dlv"))
        if row is None:
            raise not_found()
        if row.state is DeliveryState.DELIVERED:
            raise Rejection(409, "Conflict", 'It is delivered. Send {"again": true} for a new delivery of the event.')
        return json_answer(delivery_json(row))


def _listed_event(event: Event) -> dict[str, Any]:
    size = len(json_bytes(event.raw))
    if size <= _SHOWN_RAW:
        return event_json(event)
    return event_json(event) | {"raw": f"[{size} bytes: see /v1/events/{event.id}]"}


def delivery_json(row: DeliveryRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "event_id": row.event_id,
        "event_type": row.event_type,
        "submission_id": row.submission_id,
        "handler": row.handler,
        "state": row.state.value,
        "waiting_for": row.waiting_for.value if row.waiting_for else None,
        "attempts": row.attempts,
        "created_at": timestamp(row.created_at),
        "due_at": timestamp(row.due_at) if row.due_at else None,
        "receipt": RECEIPT.dump_python(row.receipt, mode="json") if row.receipt else None,
        "error": row.error,
    }


def _attempt_json(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "started_at": timestamp(attempt.started_at),
        "ended_at": timestamp(attempt.ended_at) if attempt.ended_at else None,
        "outcome": attempt.outcome,
        "error": attempt.error,
    }
