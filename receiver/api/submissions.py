"""`/v1/submissions` and `/v1/callback-urls`: a client sees its own, the admin all."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.api.bodies import CallbackUrlBody, read
from receiver.api.lists import listed, listed_events, read_query, storable_id
from receiver.api.parts import ApiStore, CallbackUrlWish, Parts
from receiver.api.stream_waits import read_wait, until_final
from receiver.events import Event, Submission
from receiver.shapes import submission_json, timestamp
from receiver.store.records import Query
from receiver.web.access import Identity
from receiver.web.answers import json_answer, not_found
from receiver.web.params import read_params

_FILTERS = frozenset({"q", "stage", "provider", "since", "cursor", "limit", "label."})
_MOST = 200  # events and deliveries shown with one submission


class Submissions:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> Sequence[Route]:
        return (
            Route("/v1/submissions", self.list, methods=["GET"]),
            Route("/v1/submissions/{ident}", self.show, methods=["GET"]),
            Route("/v1/callback-urls", self.make_callback_url, methods=["POST"]),
        )

    async def list(self, request: Request) -> Response:
        """Without events and deliveries, so that a page is one query."""
        identity = await self._parts.access.identify(request)
        allowed = _FILTERS | {"client"} if identity.admin else _FILTERS
        query = read_query(request, allowed, self._parts.store.now())
        if not identity.admin:
            query = replace(query, client=identity.client)
        page = await listed(self._parts.store.submissions, query)
        return json_answer({"data": [submission_json(submission) for submission in page.data], "next": page.next})

    async def show(self, request: Request) -> Response:
        """By our id or by the provider's task id; of several the newest that the caller may see.

        With `wait`, when it is final or so many seconds are over.
        """
        identity = await self._parts.access.identify(request)
        params = read_params(request.query_params, {"provider", "wait"})
        at_most, ident = read_wait(params.get("wait")), storable_id(request.path_params["ident"])
        submission = await find_submission(self._parts.store, ident, params.get("provider"), identity)
        if at_most and not submission.stage.is_final:
            submission = await self._later(submission, at_most, request)
        return json_answer(submission_json(submission) | await self._around(submission))

    async def make_callback_url(self, request: Request) -> Response:
        await self._parts.access.require_admin(request)
        read_params(request.query_params, ())
        body = await read(CallbackUrlBody, request, self._parts)
        made = await self._parts.make_callback_url(CallbackUrlWish(**body.model_dump()))
        return json_answer({"submission_id": made.submission_id, "url": made.url}, 201)

    async def _later(self, submission: Submission, at_most: timedelta, request: Request) -> Submission:
        async def look() -> Submission | None:
            return await self._parts.store.submission(submission.id)

        # Over a bare database nobody tells what happens: what it is now is the answer.
        if self._parts.hub:
            await until_final(self._parts.hub, submission.id, look, at_most, request.receive)
        return await look() or submission

    async def _around(self, submission: Submission) -> dict[str, Any]:
        query = Query(submission_id=submission.id, limit=_MOST)
        events = await listed_events(self._parts.store.events, query, _short)
        deliveries = await self._parts.store.delivery_rows(query)
        return {
            "events": events.data,
            "deliveries": [
                {"id": row.id, "event_id": row.event_id, "handler": row.handler, "state": row.state.value}
                for row in deliveries.data
            ],
        }


async def find_submission(store: ApiStore, ident: str, provider: str | None, identity: Identity) -> Submission:
    """The newest that the caller may see. Raises Rejection: 404."""
    by_id = await store.submission(ident)
    candidates = [by_id] if by_id else await store.by_task(ident, provider)
    for submission in candidates:
        if identity.sees(submission.client) and provider in (None, submission.provider):
            return submission
    raise not_found()


def _short(event: Event) -> dict[str, Any]:
    return {"id": event.id, "type": event.type, "occurred_at": timestamp(event.occurred_at)}
