import logging
from dataclasses import replace

import pytest

from handlers.log import Log
from receiver.events import Failure
from receiver.handler import Delivery
from tests.support.deliveries import make_delivery, make_event, make_track

SUBMISSION = f"sub_{'2' * 32}"
PROBLEM = Failure(code="handler.paused", message="Slack says\nno_service")
FAILED = Failure(code="430", message="too fast")


async def logged(delivery: Delivery, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.set_level(logging.INFO)
    await Log(type="log").handle(delivery)
    return caplog.messages


async def test_event_makes_one_line_at_its_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await Log(type="log", level="warning").handle(
        make_delivery(results=[make_track(title="a\nb"), make_track("t2", None)])
    )
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"music.complete {SUBMISSION} a b, t2"


async def test_event_without_results_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    event = make_event("disk.low", submission_id=None)
    assert await logged(make_delivery(event=event, results=[]), caplog) == ["disk.low - -"]


async def test_alarm_says_which_handler_and_why(caplog: pytest.LogCaptureFixture) -> None:
    event = make_event("handler.paused", about="team", error=PROBLEM)
    expected = [f"handler.paused {SUBMISSION} team: Slack says no_service"]
    assert await logged(make_delivery(event=event), caplog) == expected


async def test_failure_says_which_song_and_why(caplog: pytest.LogCaptureFixture) -> None:
    event = make_event("music.failed", error=FAILED)
    delivery = replace(make_delivery(event=event, results=[]), title="a ferry at night")
    assert await logged(delivery, caplog) == [f"music.failed {SUBMISSION} a ferry at night: too fast"]


async def test_failure_of_something_unnamed_says_why(caplog: pytest.LogCaptureFixture) -> None:
    event = make_event("music.failed", error=FAILED)
    assert await logged(make_delivery(event=event, results=[]), caplog) == [f"music.failed {SUBMISSION} too fast"]
