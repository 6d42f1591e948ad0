"""Which events a stream has: the filters of `/v1/events`, as a query of the store and for an event at hand. Pure."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from starlette.requests import Request

from receiver.api.lists import read_query
from receiver.events import Event
from receiver.routing import Globs
from receiver.store.records import Query
from receiver.web.access import Identity

_FINAL_TYPES = frozenset({"submission.rejected", "submission.lost"})
_FINAL_STAGES = frozenset({"complete", "failed"})
_FILTERS = frozenset({"type", "level", "provider", "stage", "submission_id", "since", "label.", "last_event_id"})
_AS_ADMIN = _FILTERS | {"client"}


def ends(event: Event) -> bool:
    """Whether its submission is final with it."""
    return event.type in _FINAL_TYPES or event.type.partition(".")[2] in _FINAL_STAGES


def read_filters(request: Request, identity: Identity, now: datetime) -> Query:
    """What the caller asks for and may see. Raises Rejection: 400."""
    query = read_query(request, _AS_ADMIN if identity.admin else _FILTERS, now)
    return query if identity.admin else replace(query, client=identity.client)


def wanted(query: Query) -> Callable[[Event], bool]:
    """Tells for one event what the store tells for all."""
    plain = ("client", "provider", "stage", "level", "submission_id")
    fields = [(name, value) for name in plain if (value := getattr(query, name)) is not None]
    types = Globs((query.type,)) if query.type else None

    def wants(event: Event) -> bool:
        return (
            all(getattr(event, name) == value for name, value in fields)
            and (types is None or types.match(event.type))
            and all(event.labels.get(name) == value for name, value in query.labels.items())
            and (query.since is None or event.received_at >= query.since)
        )

    return wants
