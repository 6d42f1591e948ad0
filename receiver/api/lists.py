"""What all lists of the API share: query parameters in, a page of the store out."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from starlette.requests import Request

from receiver.api.bodies import storable
from receiver.api.parts import ApiStore
from receiver.errors import Rejection
from receiver.events import DeliveryState, Event, Level, Stage
from receiver.shapes import timestamp
from receiver.store.records import Page, Query
from receiver.web.answers import not_found
from receiver.web.params import read_choice, read_labels, read_limit, read_params, read_since

T = TypeVar("T")
S = TypeVar("S")

# An event brings its provider's body, of up to 8 MiB: so many at a time are in memory.
_AT_ONCE = 8


def read_query(request: Request, allowed: Collection[str], now: datetime) -> Query:
    """The filters of a list, from its address; events have a stage `updated` too. Raises Rejection: 400."""
    params = read_params(request.query_params, allowed)
    return Query(
        q=params.get("q"),
        since=read_since(params.get("since"), now),
        client=params.get("client"),
        provider=params.get("provider"),
        stage=read_choice("stage", params.get("stage"), [*Stage, "updated"]),
        labels=read_labels(params),
        submission_id=params.get("submission_id"),
        type=params.get("type"),
        level=read_choice("level", params.get("level"), list(Level)),
        handler=params.get("handler"),
        state=read_choice("state", params.get("state"), list(DeliveryState)),
        event_id=params.get("event_id"),
        cursor=params.get("cursor"),
        limit=read_limit(params.get("limit")),
    )


async def listed(read_page: Callable[[Query], Awaitable[Page[T]]], query: Query) -> Page[T]:
    """A page. Raises Rejection: 400 for a cursor that the store did not make."""
    try:
        return await read_page(query)
    except (ValueError, OverflowError):
        # Overflow: a forged cursor may hold numbers that no database has.
        if query.cursor is None:
            raise
        raise Rejection(400, "Bad Request", "Give cursor as `next` of the page before, or leave it out.") from None


async def listed_events(
    read_page: Callable[[Query], Awaitable[Page[Event]]], query: Query, shape: Callable[[Event], S]
) -> Page[S]:
    """A page of events, each shaped before many more are read. Raises Rejection: as `listed`."""
    shaped: list[S] = []
    while True:
        step = replace(query, limit=min(_AT_ONCE, query.limit - len(shaped)))
        page = await listed(read_page, step)
        shaped += [shape(event) for event in page.data]
        if page.next is None or len(shaped) >= query.limit:
            return Page(shaped, page.next)
        query = replace(query, cursor=page.next)


async def gone(store: ApiStore, event_id: str) -> Rejection | None:
    """The answer for an event that was removed for its age, 410; None where it was not."""
    left = await store.tombstone(event_id)
    if left is None:
        return None
    came, went = timestamp(left.received_at), timestamp(left.pruned_at)
    said = f"{left.type} of {came} was removed on {went}: events are kept for retention.events."
    if left.submission_id:
        said += f" Its submission stays, with results and links: /v1/submissions/{left.submission_id}"
    return Rejection(410, "Gone", said)


def storable_id(ident: str) -> str:
    """An id from an address. Raises Rejection: 404 for what no database would hold."""
    try:
        storable(ident)
    except ValueError:
        raise not_found() from None
    return ident
