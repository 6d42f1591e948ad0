"""`/v1/handlers`: what is configured, whether it is paused; pause, resume and test. For the admin alone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.api.bodies import PauseBody, RehearsalBody, read
from receiver.api.deliveries import delivery_json
from receiver.api.parts import Parts
from receiver.errors import Rejection
from receiver.events import Event, Failure, Level
from receiver.rehearsal import Rehearsal, rehearse
from receiver.routing import Plan
from receiver.shapes import timestamp
from receiver.stages import Change
from receiver.store.records import DeliveryRow, HandlerState, Query
from receiver.web.answers import json_answer, not_found
from receiver.web.params import read_params

_BY_HAND = "paused by hand"


class Handlers:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store

    def routes(self) -> Sequence[Route]:
        return (
            Route("/v1/handlers", self.list, methods=["GET"]),
            Route("/v1/handlers/{name}/test", self.test, methods=["POST"]),
            Route("/v1/handlers/{name}/pause", self.pause, methods=["POST"]),
            Route("/v1/handlers/{name}/resume", self.resume, methods=["POST"]),
        )

    async def list(self, request: Request) -> Response:
        """In the order of the configuration. There is one page of them."""
        await self._parts.access.require_admin(request)
        read_params(request.query_params, ())
        states = {state.name: state for state in await self._store.handlers()}
        data = [self._shape(name, states.get(name)) for name in self._parts.handlers()]
        return json_answer({"data": data, "next": None})

    async def test(self, request: Request) -> Response:
        """A rehearsal for this handler: 202 with its delivery, whose end `/v1/deliveries/{id}` tells."""
        name = await self._named(request)
        body = await read(RehearsalBody, request, self._parts)
        try:
            rehearsal = rehearse(body.type, self._store.now(), self._parts.new_id)
        except ValueError as error:
            raise Rejection(422, "Unprocessable Content", f"The type {error}.") from None
        return json_answer(delivery_json(await self._deliver(rehearsal, name)), 202)

    async def pause(self, request: Request) -> Response:
        """Its deliveries wait and lose no try, until it is resumed by hand: nothing probes it."""
        name = await self._named(request)
        body = await read(PauseBody, request, self._parts)
        now = self._store.now()
        reason = f"{_BY_HAND}: {body.reason}" if body.reason else _BY_HAND
        state = HandlerState(name=name, paused_at=now, reason=reason)
        error = Failure(code="handler.paused", message=reason, advice=f"Resume it: POST /v1/handlers/{name}/resume")
        alarm = replace(self._event(name, "handler.paused"), level=Level.PROBLEM, error=error)
        if not await self._store.pause(state, alarm):
            raise Rejection(409, "Conflict", f"{name} is paused already. Resume it to let its deliveries go.")
        return await self._answer(name)

    async def resume(self, request: Request) -> Response:
        """Everything that waits for it is due at once."""
        name = await self._named(request)
        read_params(request.query_params, ())
        if not await self._store.resume(name, self._event(name, "handler.resumed")):
            raise Rejection(409, "Conflict", f"{name} is not paused. There is nothing to resume.")
        return await self._answer(name)

    async def _named(self, request: Request) -> str:
        await self._parts.access.require_admin(request)
        read_params(request.query_params, ())
        name = str(request.path_params["name"])
        if name not in self._parts.handlers():
            raise not_found()
        return name

    async def _deliver(self, rehearsal: Rehearsal, name: str) -> DeliveryRow:
        event = rehearsal.event
        if rehearsal.submission is None:
            await self._store.emit([event])
        else:
            told = (event,)
            await self._store.change(rehearsal.submission, lambda current, _: Change(submission=current, events=told))
        ident = self._parts.new_id("dlv")
        await self._store.replay(event.id, Plan(handler=name), ident)
        # A route that says `via: simulated` may have been quicker.
        page = await self._store.delivery_rows(Query(event_id=event.id, handler=name, limit=1))
        return page.data[0]

    async def _answer(self, name: str) -> Response:
        states = {state.name: state for state in await self._store.handlers()}
        return json_answer(self._shape(name, states.get(name)))

    def _event(self, name: str, type_: str) -> Event:
        now = self._store.now()
        ident = self._parts.new_id("evt")
        return Event(id=ident, type=type_, occurred_at=now, received_at=now, raw={"handler": name}, about=name)

    def _shape(self, name: str, state: HandlerState | None) -> dict[str, Any]:
        handler = self._parts.handlers()[name]
        paused = state if state and state.paused_at else None
        return {
            "name": name,
            "type": handler.type,
            "fallback": handler.fallback,
            "paused_at": timestamp(paused.paused_at) if paused and paused.paused_at else None,
            "reason": paused.reason if paused else None,
            "probe_at": timestamp(paused.probe_at) if paused and paused.probe_at else None,
        }
