import logging

import pytest

from handlers.log import Log
from tests.support.deliveries import make_delivery, make_event, make_track


async def test_event_makes_one_line_at_its_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await Log(type="log", level="warning").handle(
        make_delivery(results=[make_track(title="a\nb"), make_track("t2", None)])
    )
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"music.complete sub_{'2' * 32} a b, t2"


async def test_event_without_results_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    event = make_event("handler.paused", submission_id=None)
    await Log(type="log").handle(make_delivery(event=event, results=[]))
    assert [record.getMessage() for record in caplog.records] == ["handler.paused - -"]
