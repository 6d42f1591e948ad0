import time
from collections.abc import Iterator

import pytest

from receiver.cli.times import moment, since, zone


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("tokyo")
def test_times_are_shown_in_the_zone_of_this_machine() -> None:
    assert moment("2026-11-21T20:00:00.000Z") == "11-22 05:00:00"
    assert zone("2026-11-21T20:00:00.000Z") == "JST (UTC+09:00)"


def test_no_time_is_shown_as_nothing() -> None:
    assert moment(None) == ""


@pytest.mark.usefixtures("tokyo")
@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-21T08:00", "2026-11-21T08:00:00+09:00"),
        ("2026-11-21", "2026-11-21T00:00:00+09:00"),
        ("2026-11-21T08:00:00Z", "2026-11-21T08:00:00Z"),
        ("2h", "2h"),
        ("yesterday", "yesterday"),
        (None, None),
    ],
)
def test_a_time_without_zone_is_of_this_machine(text: str | None, meant: str | None) -> None:
    assert since(text) == meant
