import logging

import pytest

from receiver.web.seldom import Seldom

logger = logging.getLogger(__name__)


def test_what_happens_to_every_request_is_said_once_in_a_while(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("receiver.web.seldom.monotonic", lambda: now)
    seldom = Seldom(logger)
    for now in (100.0, 100.0, 109.9, 110.0, 110.1, 130.0):  # noqa: B007 - the clock of the one that is tested
        seldom.warn("%s was answered 503", "it")
    assert [record.getMessage() for record in caplog.records] == [
        "it was answered 503",
        "it was answered 503",
        "the same happened 2 times more since it was said before",
        "it was answered 503",
        "the same happened 1 times more since it was said before",
    ]
