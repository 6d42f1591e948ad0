"""The interface of a store. What is promised here holds for every store.

A method that writes returns after its commit is on disk, and raises StoreUnavailable when it could not be.
The store's own clock decides what is due; callers pass durations.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from receiver.events import Event, Submission
from receiver.routing import Plan
from receiver.stages import Decide
from receiver.store.records import (
    Attempt,
    Callback,
    Claim,
    DeliveryRow,
    Ended,
    HandlerState,
    KeptCallback,
    KeptKey,
    KeptReply,
    Key,
    Mark,
    Page,
    Presence,
    Process,
    Pruned,
    Query,
    Retention,
    StoredFile,
    Terms,
    Tombstone,
)


class Bell(Protocol):
    """Wakes a loop when there is work. The look at the clock behind it is the safety."""

    def ring(self) -> None: ...

    async def wait(self, at_most: timedelta) -> None: ...


class Store(Protocol):
    outbox: Bell
    """Rings when an event waits to be routed."""
    deliveries: Bell
    """Rings when a delivery became due."""
    asks: Bell
    """Rings when a submission wants a status call."""
    news: Bell
    """Rings when an event is on disk: for the one who tells all others of this process."""

    def now(self) -> datetime: ...

    async def open(self) -> None:
        """Raises StoreUnavailable, StoreBusy or SchemaTooNew, each with one sentence that says what to do."""

    async def close(self) -> None: ...

    async def migrate(self) -> int:
        """Brings the schema up to this version; returns how many migrations ran."""

    async def missing(self) -> int:
        """How many migrations `migrate` would run."""

    async def ping(self) -> None:
        """Commits something; raises StoreUnavailable."""

    async def setting(self, name: str, make: Callable[[], str]) -> str:
        """A value kept in the database; made once, by whoever asks first."""

    async def leads(self, task: str) -> bool:
        """Whether this process does a task that only one may do at a time; asked again before each turn of it.

        When the one that leads dies, another does within a lease. Raises StoreUnavailable.
        """

    async def present(self, process: Process, *, ending: bool = False) -> None:
        """Says that this process runs, or ends now."""

    async def processes(self) -> list[Presence]:
        """Who runs, and who did in the last three days."""

    # Submissions

    async def change(
        self, subject: str | Submission, decide: Decide, callback: Callback | None = None
    ) -> Submission | None:
        """Decides and writes in one transaction, alone on this submission.

        A Submission as `subject` is stored first where its id is not known. None: no such submission.
        The callback is kept raw, once per submission and SHA-256, with a count; past 100 different bodies or 64 MiB
        it is counted only, its events have no `raw`, and alarms of one type go out once. Events and their place in
        the outbox are written with it. A provider's event takes its `raw` from the callback. `decide` may be called
        twice; what it raises is raised here, with the callback kept, as is a record that could not be read back.
        """

    async def reread(self, known: KeptCallback, decide: Decide) -> Submission | None:
        """As `change`, for a callback that is kept already: it is not counted again, and its remark becomes that of
        the new decision, to which it is no duplicate.
        """

    async def kept_callbacks(
        self, after: str | None, limit: int, *, since: datetime | None = None, unread: bool = False
    ) -> list[KeptCallback]:
        """Oldest first, from behind this id; with `unread` those that no parser understood."""

    async def add(self, submission: Submission) -> Submission:
        """Stores it where its id is not known; the one that is stored then."""

    async def take_key(self, key: Key, submission: Submission) -> KeptKey | None:
        """Stores the submission and takes the key for it, together; where it is taken, its earlier use and nothing
        else. After KEY_LIFE a key is free again.
        """

    async def keep_reply(self, submission_id: str, reply: KeptReply | None) -> None:
        """The answer that a repeat gets of whoever submits again with the key; None frees the key."""

    async def submission(self, submission_id: str) -> Submission | None:
        """Raises StoreUnavailable also where this version can't read it; lists leave such a one out."""

    async def by_task(self, task_id: str, provider: str | None = None) -> list[Submission]:
        """Newest first."""

    async def due_asks(self, limit: int, hold: timedelta) -> list[Submission]:
        """Submissions whose `ask_at` has come, each put off by `hold` so that nobody else asks meanwhile."""

    async def next_ask(self) -> datetime | None: ...

    # Events and deliveries

    async def unrouted(self, limit: int) -> list[Event]:
        """The outbox, oldest first, without the bodies of callbacks: routes look at no `raw`.

        An event that this version can't read leaves it here, and is told in the log.
        """

    async def route(self, plans: Sequence[tuple[Event, Sequence[Plan]]]) -> None:
        """Writes the deliveries and marks the events as routed, together. Routing an event twice changes nothing.

        An undelivered earlier stage for the same handler is superseded; a running one is waited for.
        """

    async def emit(self, events: Sequence[Event]) -> None:
        """Events of our own that belong to no change of a submission."""

    async def claim(
        self,
        owner: str,
        lease: timedelta,
        terms: Mapping[str, Terms],
        most: int,
        holding: Collection[str] = (),
    ) -> list[Claim]:
        """Due deliveries of these handlers, oldest first, within their terms and `most`; leases them.

        Also: takes back leases that ran out, ends waits that are over, picks probes of paused handlers, hands on what
        has waited for PATIENCE on a pause, and puts off what is due in quiet hours. A lease of this owner's on one of
        `holding`, the deliveries that it still runs, is renewed instead: the clock jumped.
        """

    async def heartbeat(self, claims: Sequence[Claim], lease: timedelta) -> None: ...

    async def end(self, claim: Claim, ended: Ended) -> bool:
        """Writes how an attempt ended; False where the lease was lost meanwhile, and then nothing is written."""

    async def abandon(self, owner: str | None = None, holding: Collection[str] = ()) -> int:
        """Takes back every lease of this owner but those on `holding`, the deliveries that it still runs.

        Without an owner: of all, at the start of the only process there can be; where others may live, none. No retry
        is spent; a lease that runs out by itself costs one.
        """

    async def next_due(self, terms: Mapping[str, Terms] | None = None) -> datetime | None:
        """When `claim` with these terms will find something next, if nothing rings; perhaps in the past.

        A handler at its concurrency is left out: the end of an attempt rings. Without terms every handler counts.
        """

    async def handlers(self) -> list[HandlerState]: ...

    async def pause(self, state: HandlerState, event: Event) -> bool: ...

    async def resume(self, name: str, event: Event) -> bool:
        """Everything that waits for this handler is due at once; False where it was not paused."""

    async def probe(self, name: str) -> None:
        """The next claim tries this paused handler."""

    async def redeliver(self, delivery_id: str, *, again: bool = False, new_id: str = "") -> DeliveryRow | None:
        """Dead or discarded becomes due; `again` makes a new delivery of a delivered one. None: no such delivery.

        A delivery in any other state is returned as it is.
        """

    async def replay(self, event_id: str, plan: Plan, delivery_id: str) -> bool:
        """A delivery of a past event to a handler that never had it; False where it had.

        Where the handler had, or will have, a later stage of its submission, it is discarded at once.
        """

    async def save_progress(self, claim: Claim, value: Mapping[str, Any]) -> None: ...

    async def recall(self, handler: str, submission_id: str) -> dict[str, Any]: ...

    async def remember(self, handler: str, submission_id: str, value: Mapping[str, Any]) -> None: ...

    # Lists

    async def submissions(self, query: Query) -> Page[Submission]: ...

    async def events(self, query: Query) -> Page[Event]: ...

    async def events_after(self, event_id: str | None, query: Query) -> list[Event]:
        """In the order of their commits, oldest first, from behind this event; None: from the first one kept."""

    async def delivery_rows(self, query: Query) -> Page[DeliveryRow]: ...

    async def delivery(self, delivery_id: str) -> DeliveryRow | None: ...

    async def undelivered(self, handlers: Collection[str], age: timedelta, limit: int) -> list[DeliveryRow]:
        """Deliveries of these handlers, older than `age`, neither delivered nor discarded; oldest first.

        Those of which a `file.expiring` tells (its `raw` has their `delivery_id`) are left out.
        """

    async def attempts(self, delivery_id: str) -> list[Attempt]: ...

    async def event(self, event_id: str) -> Event | None:
        """None also where it was removed; then it has a tombstone. Lists leave such a one out."""

    async def file(self, file_id: str) -> StoredFile | None: ...

    # Retention

    async def prune(self, keep: Retention, mark: Mark | None, limit: int, *, dry_run: bool = False) -> Pruned:
        """Removes what is too old, of at most `limit` rows behind the mark; None: from the beginning.

        Of a callback its body and headers go, of an event all but its id and its fact, so that both still happen once;
        and its deliveries with their attempts. Whatever may still be needed stays: what is unrouted, undelivered or
        dead, with its body; what no parser understood; submissions, files, and what an archive remembers.
        With `dry_run` it only counts.
        """

    async def prunable(self, keep: Retention) -> int:
        """How many rows a sweep of `prune` will look at."""

    async def tombstone(self, event_id: str) -> Tombstone | None:
        """What is left of an event that was removed; None where there is one, or never was."""

    async def counts(self) -> Mapping[str, int]:
        """How much waits: `unrouted`, and deliveries by state."""

    async def open_handlers(self) -> list[str]:
        """Who has deliveries that are pending, or wait for a pause to end; by name, cheap however many there are."""

    async def has_dead(self) -> bool:
        """Whether there is any dead letter; cheap too."""
