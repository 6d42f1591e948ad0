import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from receiver.errors import StoreUnavailable
from receiver.events import Event, Stage
from receiver.handler import Delivery, Receipt, TargetFailure, TemporaryFailure
from receiver.routing import Globs, Match, Plan, Route, Step
from receiver.store.records import Claim, Ended, HandlerState
from tests.support.kit import Kit, kit
from tests.support.stages import NOON, complete
from tests.support.workers import happen, reach, recording, running, until, until_due, until_state


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path) as made:
        yield made


async def test_an_event_reaches_every_handler_of_its_route(house: Kit) -> None:
    team, mail = recording(), recording()
    async with running(house.worker({"team": team, "mail": mail})):
        submission_id = await happen(house, Stage.COMPLETE)
        await until(lambda: team.seen and mail.seen)
    (delivery,) = team.seen
    assert (delivery.event.type, delivery.event.submission_id, delivery.attempt) == ("music.complete", submission_id, 1)
    assert [result.id for result in delivery.results] == ["a", "b"]
    assert await house.states() == [("team", "delivered"), ("mail", "delivered")]


async def test_what_waited_for_a_start_is_delivered(house: Kit) -> None:
    await happen(house, Stage.COMPLETE)
    team = recording()
    async with running(house.worker({"team": team})):
        await until(lambda: team.seen)


async def test_a_failed_try_is_made_again_when_it_is_due(house: Kit) -> None:
    async def fail_once(delivery: Delivery) -> None:
        if delivery.attempt == 1:
            raise TemporaryFailure("not now")

    team = recording(fail_once)
    async with running(house.worker({"team": team})):
        await happen(house, Stage.COMPLETE)
        # The clock must not move before the end of the first try is written: it says when the next one is due.
        await until_state(house, "pending", attempts=1)
        house.clock.forward(seconds=5)
        await until_due(house, lambda: len(team.seen) == 2)
    assert team.seen[0].id == team.seen[1].id
    (row,) = await house.deliveries()
    assert [attempt.outcome for attempt in await house.store.attempts(row.id)] == ["again", "delivered"]


async def test_a_handler_that_hangs_holds_nobody_else(house: Kit) -> None:
    async def hang(delivery: Delivery) -> None:
        await asyncio.Event().wait()

    slow, quick = recording(hang, concurrency=1), recording()
    worker = house.worker({"slow": slow, "quick": quick})
    worker.grace = timedelta(0)
    async with running(worker):
        for _ in range(5):
            await happen(house, Stage.COMPLETE)
        await until(lambda: len(quick.seen) == 5)
        assert len(slow.seen) == 1


async def test_needs_are_met_first_and_their_receipts_are_seen(house: Kit) -> None:
    async def archive(delivery: Delivery) -> Receipt:
        return Receipt(details={"where": "disk"})

    handlers = {"archive": recording(archive), "team": recording()}
    steps = (Step(handler="archive"), Step(handler="team", needs=("archive",)))
    async with running(house.worker(handlers, [Route(when=Match(), handlers=steps)])):
        await happen(house, Stage.COMPLETE)
        await until(lambda: handlers["team"].seen)
    assert handlers["team"].seen[0].receipts["archive"].details == {"where": "disk"}


async def test_a_dead_slack_never_holds_a_finished_song_back(house: Kit) -> None:
    async def refuse_text(delivery: Delivery) -> None:
        if delivery.event.stage == "text":
            raise TemporaryFailure("down")

    team = recording(refuse_text)
    async with running(house.worker({"team": team})):
        submission_id = await happen(house, Stage.TEXT)
        await until(lambda: team.seen)
        await reach(house, submission_id, complete())
        await until(lambda: len(team.seen) == 2)
    assert [delivery.event.stage for delivery in team.seen] == ["text", "complete"]
    assert [state for _, state in await house.states()] == ["discarded", "delivered"]


async def test_a_broken_target_pauses_and_a_probe_resumes(house: Kit) -> None:
    broken = True

    async def refuse(delivery: Delivery) -> None:
        if broken:
            raise TargetFailure("the webhook was revoked")

    team, mail = recording(refuse, concurrency=1), recording()
    alarms = Route(
        when=Match(fields={"level": Globs(("problem",))}), handlers=(Step(handler="mail"), Step(handler="team"))
    )
    songs = Route(when=Match(), handlers=(Step(handler="team"),))
    async with running(house.worker({"team": team, "mail": mail}, [songs, alarms])):
        for _ in range(3):
            await happen(house, Stage.COMPLETE)
        await until(lambda: mail.seen)
        broken = False
        house.clock.forward(minutes=1)
        await until_due(house, lambda: len(team.seen) == 4)
    assert [delivery.event.type for delivery in mail.seen] == ["handler.paused"]
    assert all(delivery.event.kind == "music" for delivery in team.seen)
    assert [row.error for row in await house.deliveries() if row.state.value != "delivered"] == []
    assert "handler.resumed" in await house.types()


async def test_a_start_tries_what_was_paused_at_once(house: Kit) -> None:
    paused = HandlerState(name="team", paused_at=NOON, reason="revoked", probe_at=NOON + timedelta(hours=1), probes=9)
    alarm = Event(id=house.new_id("evt"), type="handler.paused", occurred_at=NOON, received_at=NOON)
    assert await house.store.pause(paused, alarm)
    team = recording()
    await happen(house, Stage.COMPLETE)
    async with running(house.worker({"team": team})):
        await until(lambda: team.seen)
    assert (await house.store.handlers()) == []


async def test_stopping_lets_running_attempts_end(house: Kit) -> None:
    go_on = asyncio.Event()

    async def wait(delivery: Delivery) -> None:
        await go_on.wait()

    team = recording(wait)
    async with running(house.worker({"team": team})):
        await happen(house, Stage.COMPLETE)
        await until(lambda: team.seen)
        asyncio.get_running_loop().call_later(0.05, go_on.set)
    assert await house.states() == [("team", "delivered")]


async def test_stopping_gives_back_what_does_not_end_in_time(house: Kit) -> None:
    async def hang(delivery: Delivery) -> None:
        await asyncio.Event().wait()

    team = recording(hang)
    worker = house.worker({"team": team})
    worker.grace = timedelta(milliseconds=20)
    async with running(worker):
        await happen(house, Stage.COMPLETE)
        await until(lambda: team.seen)
    (row,) = await house.deliveries()
    assert row.state == "pending"
    assert [attempt.outcome for attempt in await house.store.attempts(row.id)] == ["released"]


async def test_the_loops_outlive_a_database_that_fails(house: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    team = recording()
    worker = house.worker({"team": team})
    worker.pause = 0.01
    unrouted, failures = house.store.unrouted, iter([StoreUnavailable("disk full"), ZeroDivisionError()])

    async def failing(limit: int) -> list[Event]:
        if error := next(failures, None):
            raise error
        return await unrouted(limit)

    monkeypatch.setattr(house.store, "unrouted", failing)
    async with running(worker):
        await happen(house, Stage.COMPLETE)
        await until(lambda: team.seen)


async def test_an_outcome_that_could_not_be_written_is_written_later(
    house: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    team, end = recording(), house.store.end
    worker = house.worker({"team": team})
    worker.pause = 0.01
    failures = iter([StoreUnavailable("disk full")] * 3)

    async def failing(claim: Claim, ended: Ended) -> bool:
        if error := next(failures, None):
            raise error
        return await end(claim, ended)

    monkeypatch.setattr(house.store, "end", failing)
    async with running(worker):
        await happen(house, Stage.COMPLETE)
        await until(lambda: team.seen)
    assert (await house.states(), len(team.seen)) == ([("team", "delivered")], 1)


async def test_what_a_claim_leased_whose_answer_was_lost_goes_out_at_once(
    house: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    team, claim = recording(), house.store.claim
    worker = house.worker({"team": team})
    worker.pause = 0.01
    lost: list[Claim] = []

    async def losing(*wish: Any) -> list[Claim]:
        claims = await claim(*wish)
        if claims and not lost:
            lost.extend(claims)
            raise StoreUnavailable("the network was cut behind the commit")
        return claims

    monkeypatch.setattr(house.store, "claim", losing)
    async with running(worker):
        await happen(house, Stage.COMPLETE)
        await until(lambda: team.seen)
    assert (await house.states(), len(team.seen), len(lost)) == ([("team", "delivered")], 1, 1)


class Away:
    """A database that takes nothing until `back`."""

    def __init__(self, house: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tries = 0
        self.back = False
        self._end, self._ping = house.store.end, house.store.ping
        monkeypatch.setattr(house.store, "end", self.end)
        monkeypatch.setattr(house.store, "ping", self.ping)

    async def end(self, claim: Claim, ended: Ended) -> bool:
        self.tries += 1
        await self.ping()
        return await self._end(claim, ended)

    async def ping(self) -> None:
        if not self.back:
            raise StoreUnavailable("it is away")
        await self._ping()


async def test_an_outcome_is_written_however_long_the_database_was_away(
    house: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    team, away = recording(), Away(house, monkeypatch)
    worker = house.worker({"team": team})
    worker.pause = 0.0001
    async with running(worker):
        await happen(house, Stage.COMPLETE)
        await until(lambda: away.tries > 12)
        away.back = True
    assert (await house.states(), len(team.seen)) == ([("team", "delivered")], 1)


async def test_a_stop_tries_a_last_time_to_write_what_is_known_and_then_ends(
    house: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    team, away = recording(), Away(house, monkeypatch)
    worker = house.worker({"team": team})
    worker.pause, worker.grace = 3600, timedelta(milliseconds=20)
    async with asyncio.timeout(10), running(worker):
        await happen(house, Stage.COMPLETE)
        await until(lambda: away.tries == 1)
    assert away.tries == 2
    # It was delivered, which nobody could write down: it is given back as untried.
    assert (await house.states(), len(team.seen)) == ([("team", "pending")], 1)


async def test_a_second_stop_ends_the_grace(house: Kit) -> None:
    async def hang(delivery: Delivery) -> None:
        await asyncio.Event().wait()

    team = recording(hang)
    worker = house.worker({"team": team})
    worker.grace = timedelta(hours=1)
    async with asyncio.timeout(10), running(worker):
        await happen(house, Stage.COMPLETE)
        await until(lambda: team.seen)
        worker.stop()
    assert await house.states() == [("team", "pending")]


async def test_a_clock_that_jumps_does_not_run_an_attempt_twice(house: Kit) -> None:
    go_on = asyncio.Event()

    async def wait(delivery: Delivery) -> None:
        await go_on.wait()

    team, mail = recording(wait), recording()
    async with running(house.worker({"team": team, "mail": mail})):
        await happen(house, Stage.COMPLETE)
        await until(lambda: team.seen and mail.seen)
        house.clock.forward(hours=1)
        await happen(house, Stage.COMPLETE)
        await until_due(house, lambda: len(mail.seen) == 2)
        go_on.set()
        await until(lambda: len(team.seen) == 2)
    assert len({delivery.id for delivery in team.seen}) == 2


async def test_a_lost_lease_writes_nothing(house: Kit) -> None:
    async def lose_the_lease(delivery: Delivery) -> None:
        await house.store.abandon("worker-1")

    team = recording(lose_the_lease)
    async with running(house.worker({"team": team})):
        await happen(house, Stage.COMPLETE)
        await until(lambda: team.seen)
    (row,) = await house.deliveries()
    assert row.state != "delivered"


async def test_routing_the_same_event_twice_changes_nothing(house: Kit) -> None:
    await happen(house, Stage.COMPLETE)
    events = await house.store.unrouted(10)
    for _ in range(2):
        await house.store.route([(event, (Plan(handler="team"),)) for event in events])
    assert await house.states() == [("team", "pending")]
