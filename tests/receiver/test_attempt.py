import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import SecretStr

from receiver.attempt import Tools, attempt, settle
from receiver.errors import AddressRefused, LinkDead, Outcome, Unreachable
from receiver.events import Level, Via
from receiver.handler import Delivery, Handler, PermanentFailure, Receipt, TargetFailure, TemporaryFailure
from receiver.store.records import Again, Claim, Dead, Delivered, Ended, Paused, Released
from tests.support.deliveries import make_event
from tests.support.kit import Kit, kit

SECRET = "https://hooks.example/T0/very-secret"


class Doing(Handler):
    """Does what its test says."""

    type: Literal["doing"] = "doing"
    url: SecretStr = SecretStr(SECRET)
    does: Any = None

    async def handle(self, delivery: Delivery) -> Receipt | None:
        if isinstance(self.does, BaseException):
            raise self.does
        if self.does == "hang":
            await asyncio.Event().wait()
        return self.does if isinstance(self.does, Receipt) else None


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path) as made:
        yield made


@pytest.fixture
def tools(house: Kit) -> Tools:
    return house.worker({}).tools


def claim(**changes: Any) -> Claim:
    fields: dict[str, Any] = {
        "id": "dlv_1",
        "event": make_event(),
        "submission": None,
        "handler": "team",
        "attempt": 1,
        "failures": 0,
        "owner": "worker-1",
    }
    return Claim(**fields | changes)


OUTCOMES = [
    (None, Delivered),
    (Receipt(details={"ts": "1"}), Delivered),
    (TemporaryFailure("later"), Again),
    (Unreachable("no answer"), Again),
    (LinkDead("404"), Again),
    (PermanentFailure("never"), Dead),
    (AddressRefused("loopback"), Dead),
    (TargetFailure("revoked"), Paused),
    (ZeroDivisionError("oops"), Again),
    (TimeoutError(), Again),
]


@pytest.mark.parametrize(("does", "ended"), OUTCOMES, ids=[repr(does) for does, _ in OUTCOMES])
async def test_each_outcome_has_its_record(tools: Tools, does: Any, ended: type[Ended]) -> None:
    assert type(await attempt(claim(), Doing(does=does), tools)) is ended


async def test_a_handler_that_hangs_is_cut_off_and_tried_again(tools: Tools) -> None:
    ended = await attempt(claim(), Doing(does="hang", timeout=timedelta(milliseconds=20)), tools)
    assert ended == Again(timedelta(seconds=5), "it took longer than 20ms")


async def test_a_cancelled_attempt_is_given_back_untried(tools: Tools) -> None:
    task = asyncio.create_task(attempt(claim(), Doing(does="hang"), tools))
    await asyncio.sleep(0)
    task.cancel()
    assert await task == Released()


async def test_something_cancelled_inside_a_handler_is_a_failure_like_others(tools: Tools) -> None:
    assert type(await attempt(claim(), Doing(does=asyncio.CancelledError()), tools)) is Again


def test_a_probe_that_meets_a_dead_link_resumes_its_handler(tools: Tools) -> None:
    ended = settle(claim(probe=True), Doing(), LinkDead("404"), tools)
    assert isinstance(ended, Again)
    assert (ended.stale, ended.resumed is not None) == (True, True)


def test_retry_after_is_honoured(tools: Tools) -> None:
    outcome = TemporaryFailure("busy", retry_after=timedelta(minutes=7))
    assert settle(claim(), Doing(), outcome, tools) == Again(timedelta(minutes=7), "busy")


def test_dead_links_ask_for_fresh_ones(tools: Tools) -> None:
    ended = settle(claim(), Doing(), LinkDead("404"), tools)
    assert isinstance(ended, Again)
    assert ended.stale


@pytest.mark.parametrize(("failures", "ended"), [(0, Again), (10, Again), (11, Dead)])
def test_the_last_failure_is_the_end(tools: Tools, failures: int, ended: type[Ended]) -> None:
    assert type(settle(claim(failures=failures), Doing(), TemporaryFailure("no"), tools)) is ended


@pytest.mark.parametrize(
    ("outcome", "type_"),
    [(PermanentFailure("never"), "delivery.dead"), (TargetFailure("revoked"), "handler.paused")],
)
def test_a_lost_delivery_and_a_pause_are_told(tools: Tools, outcome: Outcome, type_: str) -> None:
    ended = settle(claim(), Doing(), outcome, tools)
    assert isinstance(ended, Dead | Paused)
    assert ended.event is not None
    assert (ended.event.type, ended.event.level, ended.event.about) == (type_, "problem", "team")


@pytest.mark.parametrize("event", [make_event("delivery.dead", level=Level.PROBLEM), make_event(via=Via.SIMULATED)])
@pytest.mark.parametrize("outcome", [PermanentFailure("never"), TargetFailure("revoked")])
def test_the_delivery_of_an_alarm_or_a_rehearsal_makes_no_alarm(tools: Tools, event: Any, outcome: Outcome) -> None:
    ended = settle(claim(event=event), Doing(), outcome, tools)
    assert isinstance(ended, Dead | Paused)
    assert ended.event is None


def test_a_probe_that_succeeds_resumes_its_handler(tools: Tools) -> None:
    ended = settle(claim(probe=True), Doing(), None, tools)
    assert isinstance(ended, Delivered)
    assert ended.resumed is not None
    assert (ended.resumed.type, ended.resumed.level) == ("handler.resumed", "info")


@pytest.mark.parametrize(("probes", "minutes"), [(0, 1), (1, 2), (2, 5), (3, 10), (4, 15), (40, 15)])
@pytest.mark.parametrize("outcome", [TemporaryFailure("no"), TargetFailure("revoked")])
def test_a_probe_that_fails_spends_nothing(tools: Tools, probes: int, minutes: int, outcome: Outcome) -> None:
    ended = settle(claim(probe=True, probes=probes), Doing(), outcome, tools)
    assert isinstance(ended, Paused)
    assert ended.probe_in == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "does", [TemporaryFailure(f"POST {SECRET}"), ValueError(f"bad {SECRET}"), TargetFailure(SECRET)]
)
async def test_no_secret_stands_in_what_is_kept(tools: Tools, does: Exception) -> None:
    assert "very-secret" not in repr(await attempt(claim(), Doing(does=does), tools))
