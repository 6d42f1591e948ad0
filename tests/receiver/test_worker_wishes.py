"""What a handler's configuration asks of the worker: a fallback, quiet hours, an edit when a receipt comes late."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest

from handlers.notifier import Notifier
from receiver.events import Stage
from receiver.handler import ArchivedFile, Delivery, PermanentFailure, Receipt, TargetFailure
from receiver.quiet import Quiet
from receiver.routing import Match, Route, Step
from tests.support.kit import Kit, kit
from tests.support.workers import Recording, happen, recording, running, until, until_due, until_state


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path) as made:
        yield made


def only(*steps: Step) -> list[Route]:
    return [Route(when=Match(), handlers=steps)]


async def test_what_a_handler_can_not_deliver_goes_to_its_fallback(house: Kit) -> None:
    async def refuse(delivery: Delivery) -> None:
        raise PermanentFailure("it is refused")

    team, mail = recording(refuse, fallback="mail"), recording()
    async with running(house.worker({"team": team, "mail": mail}, only(Step(handler="team")))):
        await happen(house, Stage.COMPLETE)
        await until(lambda: mail.seen)
    assert [delivery.event.type for delivery in mail.seen] == ["music.complete"]
    assert await house.types() == ["music.complete", "delivery.dead"]


async def test_what_waits_long_on_a_pause_goes_to_the_fallback_too(house: Kit) -> None:
    async def broken(delivery: Delivery) -> None:
        raise TargetFailure("the webhook was revoked")

    team, mail = recording(broken, fallback="mail"), recording()
    async with running(house.worker({"team": team, "mail": mail}, only(Step(handler="team")))):
        await happen(house, Stage.COMPLETE)
        await until_state(house, "waiting")
        house.clock.forward(minutes=10)
        await until_due(house, lambda: mail.seen)
    assert ("team", "waiting") in await house.states()


class Quieted(Recording, Notifier):
    type: Literal["recording"] = "recording"


async def test_quiet_hours_hold_a_song_back_until_they_end(house: Kit) -> None:
    now = house.clock.time
    begin, end = now.time(), (now + timedelta(hours=1)).time()
    team = Quieted(quiet=Quiet.model_validate({"from": begin, "to": end}))
    async with running(house.worker({"team": team})):
        await happen(house, Stage.COMPLETE)
        await until_state(house, "pending")
        (row,) = await house.deliveries()
        while row.due_at == row.created_at:
            (row,) = await house.deliveries()
        assert row.due_at == now + timedelta(hours=1)
        assert (row.attempts, team.seen) == (0, [])
        house.clock.forward(hours=1)
        await until_due(house, lambda: team.seen)


class Editing(Recording):
    @property
    def edits(self) -> bool:
        return True


async def test_a_receipt_that_comes_late_has_the_message_edited(house: Kit) -> None:
    kept = ArchivedFile(
        result_id="a", role="audio", key="a.mp3", size=3, sha256="ab", media_type="audio/mpeg", link="https://x/a"
    )
    ready: list[bool] = []

    async def keep(delivery: Delivery) -> Receipt:
        if not ready:
            raise TargetFailure("the disk is full")
        return Receipt(files=(kept,))

    archive, team = recording(keep), Editing()
    steps = (Step(handler="archive"), Step(handler="team", needs=("archive",), wait=timedelta(minutes=10)))
    async with running(house.worker({"archive": archive, "team": team}, only(*steps))):
        await happen(house, Stage.COMPLETE)
        await until_state(house, "waiting", attempts=1, handler="archive")
        house.clock.forward(minutes=10)
        await until_due(house, lambda: team.seen)
        # Each try must end at the time at which it began, or the next probe is later than the test expects.
        await until_state(house, "delivered", handler="team")
        await until_state(house, "waiting", attempts=2, handler="archive")
        assert team.seen[0].archived("a", "audio") is None
        ready.append(True)
        house.clock.forward(minutes=15)
        await until_due(house, lambda: len(team.seen) == 2)
    first, second = team.seen
    assert (second.id, second.attempt) == (first.id, 2)
    assert second.archived("a", "audio") == "https://x/a"
