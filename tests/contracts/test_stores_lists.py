"""Lists in every store: newest first, page by page, by filters."""

from dataclasses import replace

import pytest

from receiver.events import Event, Submission
from receiver.routing import Plan
from receiver.store.base import Store
from receiver.store.records import Delivered, Query
from tests.contracts.store_kit import (
    SECOND,
    START,
    a_result,
    a_submission,
    an_alarm,
    an_event,
    one_claim,
    routed,
    stored,
)


async def some_submissions(store: Store) -> list[Submission]:
    made = [
        replace(
            a_submission(f"task-{number}"),
            created_at=START + number // 2 * SECOND,
            client="app" if number % 2 else "web",
            labels={"project": f"p{number}"},
            results=(a_result(f"Ärger {number}"),),
        )
        for number in range(5)
    ]
    for submission in made:
        await stored(store, submission)
    return made[::-1]


async def test_pages_of_submissions_show_each_once_newest_first(store: Store) -> None:
    made = await some_submissions(store)
    seen: list[Submission] = []
    query = Query(limit=2)
    while True:
        page = await store.submissions(query)
        seen += page.data
        if page.next is None:
            break
        query = replace(query, cursor=page.next)
    assert seen == made


@pytest.mark.parametrize(
    ("query", "tasks"),
    [
        pytest.param(Query(client="app"), ["task-3", "task-1"], id="client"),
        pytest.param(Query(since=START + 2 * SECOND), ["task-4"], id="since"),
        pytest.param(Query(labels={"project": "p2"}), ["task-2"], id="label"),
        pytest.param(Query(labels={"project": "p2", "user": "x"}), [], id="labels"),
        pytest.param(Query(q="ärger 1"), ["task-1"], id="title"),
        pytest.param(Query(q="TASK-3"), ["task-3"], id="task-id"),
        pytest.param(Query(q="%"), [], id="no-wildcard"),
        pytest.param(Query(stage="failed"), [], id="stage"),
        pytest.param(Query(provider="kie"), [], id="provider"),
    ],
)
async def test_submissions_are_found_by(store: Store, query: Query, tasks: list[str]) -> None:
    await some_submissions(store)
    assert [one.task_id for one in (await store.submissions(query)).data] == tasks


async def some_events(store: Store) -> list[Event]:
    submission = a_submission("task-7")
    made = [
        replace(an_event("music.complete", submission), client="app", labels={"a": "b"}, results=(a_result(),)),
        an_alarm("disk.low"),
        an_alarm("provider.silent"),
    ]
    for event in made:
        await store.emit([event])
    return made[::-1]


@pytest.mark.parametrize(
    ("query", "types"),
    [
        pytest.param(Query(type="music.complete"), ["music.complete"], id="type"),
        pytest.param(Query(type="music.*"), ["music.complete"], id="pattern"),
        pytest.param(Query(level="problem"), ["provider.silent", "disk.low"], id="level"),
        pytest.param(Query(client="app", labels={"a": "b"}), ["music.complete"], id="client-and-label"),
        pytest.param(Query(q="night"), ["music.complete"], id="title"),
        pytest.param(Query(submission_id="sub_none"), [], id="submission"),
    ],
)
async def test_events_are_found_by(store: Store, query: Query, types: list[str]) -> None:
    await some_events(store)
    assert [event.type for event in (await store.events(query)).data] == types


async def test_pages_of_events_follow_each_other(store: Store) -> None:
    made = await some_events(store)
    first = await store.events(Query(limit=2))
    assert first.data == made[:2]
    rest = await store.events(Query(limit=2, cursor=first.next))
    assert (rest.data, rest.next) == (made[2:], None)


async def test_one_event_is_found_by_its_id(store: Store) -> None:
    made = await some_events(store)
    assert await store.event(made[0].id) == made[0]
    assert await store.event("evt_unknown") is None
    assert await store.submission("sub_unknown") is None
    assert await store.file("unknown") is None


async def test_one_delivery_is_found_by_its_id_also_that_of_an_alarm(store: Store) -> None:
    alarm = Event(id="evt_" + "9" * 32, type="disk.low", occurred_at=store.now(), received_at=store.now())
    await store.emit([alarm])
    await store.route([(alarm, [Plan(handler="mail")])])
    (row,) = (await store.delivery_rows(Query(q="dlv_"))).data
    assert await store.delivery(row.id) == row
    assert await store.delivery("dlv_unknown") is None


async def test_deliveries_are_found_by_what_they_are_about(store: Store) -> None:
    one, other = await stored(store, a_submission("task-a")), await stored(store, a_submission("task-b"))
    await routed(store, one, "music.complete", [Plan(handler="team")])
    await store.end(await one_claim(store), Delivered())
    await routed(store, other, "music.failed", [Plan(handler="team"), Plan(handler="mail")])

    async def found(query: Query) -> set[tuple[str, str]]:
        return {(row.event_type, row.handler) for row in (await store.delivery_rows(query)).data}

    assert await found(Query(state="delivered")) == {("music.complete", "team")}
    assert await found(Query(handler="mail")) == {("music.failed", "mail")}
    assert await found(Query(submission_id=one.id)) == {("music.complete", "team")}
    assert await found(Query(q="task-a")) == {("music.complete", "team")}
    assert await found(Query(type="*.failed", handler="team")) == {("music.failed", "team")}
    first = await store.delivery_rows(Query(limit=2))
    rest = await store.delivery_rows(Query(limit=2, cursor=first.next))
    assert len({row.id for row in [*first.data, *rest.data]}) == 3


async def test_the_undelivered_go_on_behind_those_that_were_told(store: Store) -> None:
    alarm = an_alarm("disk.low")
    await store.emit([alarm])
    await store.route([(alarm, [Plan(handler="archive")])])
    plans = [Plan(handler="archive"), Plan(handler="copies"), Plan(handler="mail")]
    await routed(store, await stored(store), "music.complete", plans)
    told = []
    for _ in range(3):
        (row,) = await store.undelivered(["archive", "copies"], 0 * SECOND, 1)
        told.append(row.id)
        expiring = an_alarm("file.expiring")
        await store.emit([replace(expiring, submission_id=row.submission_id, raw={"delivery_id": row.id})])
    assert len(set(told)) == 3
    assert await store.undelivered(["archive", "copies"], 0 * SECOND, 1) == []


@pytest.mark.parametrize("cursor", ["", "!", "bm8", "WzEsMl0", "e30", "\ud800", "W1tb"])
async def test_a_cursor_of_no_page_is_refused(store: Store, cursor: str) -> None:
    for listed in (store.submissions, store.delivery_rows):
        if cursor:
            with pytest.raises(ValueError, match="cursor"):
                await listed(Query(cursor=cursor))
    with pytest.raises(ValueError, match="cursor"):
        await store.events(Query(cursor=cursor or "!"))
