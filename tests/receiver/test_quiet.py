from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.quiet import Quiet

NIGHT = Quiet.model_validate({"from": "22:00", "to": "07:00", "zone": "Europe/Berlin"})
LUNCH = Quiet.model_validate({"from": "12:00", "to": "13:30"})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("quiet", "now", "left"),
    [
        # Berlin is an hour ahead in winter, two in summer.
        (NIGHT, "2026-11-21T20:59:59", None),
        (NIGHT, "2026-11-21T21:00:00", timedelta(hours=9)),
        (NIGHT, "2026-11-21T23:30:00", timedelta(hours=6, minutes=30)),
        (NIGHT, "2026-11-22T05:59:59", timedelta(seconds=1)),
        (NIGHT, "2026-11-22T06:00:00", None),
        (NIGHT, "2026-07-01T20:00:00", timedelta(hours=9)),
        (LUNCH, "2026-07-01T11:59:59", None),
        (LUNCH, "2026-07-01T12:00:00", timedelta(minutes=90)),
        (LUNCH, "2026-07-01T13:30:00", None),
    ],
)
def test_quiet_hours_are_told_by_the_clocks_of_their_zone(quiet: Quiet, now: str, left: timedelta | None) -> None:
    assert quiet.left(at(now)) == left


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        pytest.param("2026-03-28T21:00:00", 8, id="the clocks go forward"),
        pytest.param("2026-10-24T20:00:00", 10, id="the clocks go back"),
    ],
)
def test_a_night_in_which_the_clocks_change_has_its_true_length(now: str, hours: int) -> None:
    assert NIGHT.left(at(now)) == timedelta(hours=hours)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds are naive
def test_quiet_ends_when_it_says(now: datetime) -> None:
    left = NIGHT.left(now)
    if left is not None:
        assert timedelta(0) < left <= timedelta(hours=10)
        assert NIGHT.left(now + left) is None or left == timedelta(seconds=1)


def test_the_zone_is_utc_where_none_is_said() -> None:
    assert str(LUNCH.zone) == "UTC"
    assert LUNCH.model_dump(mode="json", by_alias=True) == {"from": "12:00", "to": "13:30", "zone": "UTC"}
