"""`/v1/stream` and `/v1/submissions/{id}/events`: server-sent events, without a gap from where the caller was.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from collections.abc import Sequence
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.api.lists import storable_id
from receiver.api.parts import Parts
from receiver.api.stream_answer import HEADERS, Start, Stream
from receiver.api.stream_filters import read_filters
from receiver.api.stream_hub import Hub
from receiver.api.submissions import find_submission
from receiver.errors import Rejection
from receiver.store.records import Query
from receiver.web.params import read_params

BEAT = timedelta(seconds=15)
_LONGEST_ID = 100


class Streams:
    """`beat` is how long a stream may be silent."""

    def __init__(self, parts: Parts, hub: Hub, beat: timedelta = BEAT) -> None:
        self._parts = parts
        self._hub = hub
        self._beat = beat

    def routes(self) -> Sequence[Route]:
        return (
            Route("/v1/stream", self.all, methods=["GET"]),
            Route("/v1/submissions/{ident}/events", self.one, methods=["GET"]),
        )

    async def all(self, request: Request) -> Stream | Response:
        """Behind `Last-Event-ID`, else from `since` on, else from now on."""
        identity = await self._parts.access.identify(request)
        query = read_filters(request, identity, self._parts.store.now())
        last = _last_event_id(request)
        if request.method == "HEAD":
            return _head()
        start = Start(last, now=last is None and query.since is None)
        return Stream(hub=self._hub, query=query, start=start, beat=self._beat)

    async def one(self, request: Request) -> Stream | Response:
        """A submission's events from its first one on, until it is final. Where the caller has them all already: 204,
        which tells a browser not to come back.
        """
        identity = await self._parts.access.identify(request)
        params = read_params(request.query_params, {"provider", "last_event_id"})
        ident, store = storable_id(request.path_params["ident"]), self._parts.store
        submission = await find_submission(store, ident, params.get("provider"), identity)
        query, last = Query(submission_id=submission.id), _last_event_id(request)
        if request.method == "HEAD":
            return _head()
        if last and submission.stage.is_final and not await self._hub.store.events_after(last, query):
            return Response(status_code=204, headers=HEADERS)

        async def final() -> bool:
            found = await store.submission(submission.id)
            return found is None or found.stage.is_final

        return Stream(hub=self._hub, query=query, start=Start(last), beat=self._beat, final=final)


def _head() -> Response:
    return Response(headers=HEADERS)


def _last_event_id(request: Request) -> str | None:
    """The header, which a browser sends by itself, before the parameter. Raises Rejection: 400."""
    given = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
    if given and (len(given) > _LONGEST_ID or not given.isascii() or not given.isprintable()):
        raise Rejection(400, "Bad Request", "Give Last-Event-ID as the `id` of an event, as the stream has sent it.")
    return given or None
