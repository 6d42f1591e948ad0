"""The API over a store in memory, for the admin and for one client."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from handlers.log import Log
from receiver.api import routes
from receiver.api.parts import CallbackUrl, CallbackUrlWish, Parts, Registration
from receiver.errors import Rejection
from receiver.events import DeliveryState, Event, Kind, Stage, Submission
from receiver.routing import Plan
from receiver.stages import Decide
from receiver.store.records import Attempt, Callback, DeliveryRow, HandlerState, Page, Query, Tombstone
from receiver.web.access import Access, AdminDoor
from tests.support.web import Answered, Ask, application, ask

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ADMIN = [("authorization", "Bearer admin")]
APP = [("authorization", "Bearer app")]


def submission(
    ident: str, client: str | None = "app", task_id: str | None = None, provider: str = "suno"
) -> Submission:
    return Submission(
        id=ident,
        provider=provider,
        operation="generate",
        kind=Kind.MUSIC,
        stage=Stage.ACCEPTED,
        created_at=NOW,
        client=client,
        task_id=task_id,
    )


def event(ident: str, **changes: Any) -> Event:
    plain = Event(id=ident, type="music.complete", submission_id="sub_1", occurred_at=NOW, received_at=NOW)
    return replace(plain, **changes)


def row(ident: str, state: DeliveryState = DeliveryState.DEAD, **changes: Any) -> DeliveryRow:
    plain = DeliveryRow(
        id=ident,
        event_id="evt_1",
        event_type="music.complete",
        submission_id="sub_1",
        handler="team",
        state=state,
        waiting_for=None,
        attempts=2,
        created_at=NOW,
        due_at=None,
        receipt=None,
        error="no answer",
    )
    return replace(plain, **changes)


@dataclass
class FakeStore:
    """Knows just enough of filters for these tests; remembers every query. Handlers are tested on a real store."""

    kept: list[Submission] = field(default_factory=list)
    happened: list[Event] = field(default_factory=list)
    rows: list[DeliveryRow] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)
    replayed: list[tuple[str, Plan, str]] = field(default_factory=list)
    redelivered: list[tuple[str, bool, str]] = field(default_factory=list)
    tombstones: dict[str, Tombstone] = field(default_factory=dict)

    def now(self) -> datetime:
        return NOW

    async def submission(self, submission_id: str) -> Submission | None:
        return next((kept for kept in self.kept if kept.id == submission_id), None)

    async def by_task(self, task_id: str, provider: str | None = None) -> list[Submission]:
        return [kept for kept in self.kept if kept.task_id == task_id and provider in (None, kept.provider)]

    async def submissions(self, query: Query) -> Page[Submission]:
        self._note(query)
        return Page([kept for kept in self.kept if query.client in (None, kept.client)], "after")

    async def events(self, query: Query) -> Page[Event]:
        self._note(query)
        start = int(query.cursor or 0)
        end = start + query.limit
        return Page(self.happened[start:end], str(end) if end < len(self.happened) else None)

    async def event(self, event_id: str) -> Event | None:
        return next((event for event in self.happened if event.id == event_id), None)

    async def tombstone(self, event_id: str) -> Tombstone | None:
        return self.tombstones.get(event_id)

    async def delivery_rows(self, query: Query) -> Page[DeliveryRow]:
        self._note(query)
        wanted = ((query.event_id, "event_id"), (query.handler, "handler"), (query.state, "state"))
        rows = [row for row in self.rows if all(value in (None, getattr(row, name)) for value, name in wanted)]
        return Page([row for row in rows if query.q is None or query.q in row.id], "after")

    async def delivery(self, delivery_id: str) -> DeliveryRow | None:
        return next((row for row in self.rows if row.id == delivery_id), None)

    async def attempts(self, delivery_id: str) -> list[Attempt]:
        return [Attempt(number=1, started_at=NOW, ended_at=None, outcome="again", error=delivery_id)]

    async def redeliver(self, delivery_id: str, *, again: bool = False, new_id: str = "") -> DeliveryRow | None:
        self.redelivered.append((delivery_id, again, new_id))
        found = next((row for row in self.rows if row.id == delivery_id), None)
        if found is None or (found.state is DeliveryState.DELIVERED and not again):
            return found
        ident = new_id if found.state is DeliveryState.DELIVERED else delivery_id
        return replace(found, id=ident, state=DeliveryState.PENDING, due_at=NOW)

    async def replay(self, event_id: str, plan: Plan, delivery_id: str) -> bool:
        self.replayed.append((event_id, plan, delivery_id))
        return True

    async def change(
        self, subject: str | Submission, decide: Decide, callback: Callback | None = None
    ) -> Submission | None:
        raise NotImplementedError

    async def emit(self, events: Sequence[Event]) -> None:
        raise NotImplementedError

    async def handlers(self) -> list[HandlerState]:
        raise NotImplementedError

    async def pause(self, state: HandlerState, event: Event) -> bool:
        raise NotImplementedError

    async def resume(self, name: str, event: Event) -> bool:
        raise NotImplementedError

    def _note(self, query: Query) -> None:
        if query.cursor == "forged":
            raise ValueError
        if query.cursor == "huge":
            raise OverflowError
        self.queries.append(query)


@dataclass
class Api:
    store: FakeStore
    parts: Parts
    wishes: list[CallbackUrlWish]
    plans: dict[tuple[str, str], Plan]
    registered: list[Registration]

    async def get(self, path: str, query: str = "", headers: Sequence[tuple[str, str]] = ADMIN) -> Answered:
        return await ask(application(routes(self.parts)), Ask(path, "GET", query, headers))

    async def post(self, path: str, body: Any = None, headers: Sequence[tuple[str, str]] = ADMIN) -> Answered:
        content = b"" if body is None else json.dumps(body).encode()
        return await ask(application(routes(self.parts)), Ask(path, "POST", headers=headers, body=content))


def make_api() -> Api:
    """The admin's password is `admin`, the token of the client `app` is `app`; its `plans` are the routes'."""
    store = FakeStore()
    wishes: list[CallbackUrlWish] = []
    registered: list[Registration] = []
    plans: dict[tuple[str, str], Plan] = {}

    async def make_callback_url(wish: CallbackUrlWish) -> CallbackUrl:
        if wish.provider != "suno":
            raise Rejection(422, "Unprocessable Content", "Give provider as one of: suno.")
        wishes.append(wish)
        return CallbackUrl("sub_9", "https://example.com/callbacks/t")

    async def register(wish: Registration) -> tuple[Submission, bool]:
        made = replace(submission("sub_8", wish.client, wish.task_id, wish.provider), labels=wish.labels)
        registered.append(wish)
        return made, wish.task_id != "known"

    parts = Parts(
        store=store,
        access=Access(AdminDoor(passwords=["admin"]), {"app": ["app"]}, b"k" * 32),
        new_id=lambda prefix: f"{prefix}_new",
        handlers=lambda: {name: Log(type="log") for name in ("archive", "team")},
        make_callback_url=make_callback_url,
        register=register,
        plan_for=lambda event, handler: plans.get((event.id, handler)),
    )
    return Api(store, parts, wishes, plans, registered)
