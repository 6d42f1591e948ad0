from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from receiver.handler import RETRY_DELAYS
from receiver.retries import ask_delay, next_delay, pace, probe_delay

JITTER = st.floats(min_value=0, max_value=1, exclude_max=True)
DELAYS = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=40))
DAY = timedelta(hours=24)
MIDDLE = 0.5


def minutes(delay: timedelta | None) -> float | None:
    return None if delay is None else delay.total_seconds() / 60


def test_the_schedule_lasts_75_hours_and_42_minutes() -> None:
    delays = [next_delay(failures, RETRY_DELAYS, None, MIDDLE) for failures in range(1, len(RETRY_DELAYS) + 1)]
    total = sum((delay for delay in delays if delay is not None), timedelta(0))
    assert len(delays) == 11
    assert timedelta(hours=75, minutes=42) <= total < timedelta(hours=75, minutes=43)


def test_the_first_failure_waits_five_seconds() -> None:
    assert next_delay(1, RETRY_DELAYS, None, MIDDLE) == timedelta(seconds=5)


@given(jitter=JITTER, retry_after=st.none() | DELAYS)
def test_it_ends_by_attempts_whatever_the_target_asks_for(jitter: float, retry_after: timedelta | None) -> None:
    assert next_delay(len(RETRY_DELAYS) + 1, RETRY_DELAYS, retry_after, jitter) is None
    assert next_delay(1, (), retry_after, jitter) is None


@given(failures=st.integers(1, len(RETRY_DELAYS)), jitter=JITTER)
def test_jitter_stays_within_a_fifth(failures: int, jitter: float) -> None:
    delay = next_delay(failures, RETRY_DELAYS, None, jitter)
    planned = RETRY_DELAYS[failures - 1]
    assert delay is not None
    assert planned * 0.8 <= delay <= planned * 1.2


def test_jitter_spreads_to_both_sides() -> None:
    assert next_delay(3, RETRY_DELAYS, None, 0.0) == timedelta(seconds=96)
    assert next_delay(3, RETRY_DELAYS, None, 0.999) > timedelta(seconds=143)  # type: ignore[operator]  # not None here


@given(failures=st.integers(1, len(RETRY_DELAYS)), jitter=JITTER, retry_after=DELAYS)
def test_the_delay_is_never_below_retry_after_up_to_a_day(failures: int, jitter: float, retry_after: timedelta) -> None:
    delay = next_delay(failures, RETRY_DELAYS, retry_after, jitter)
    plain = next_delay(failures, RETRY_DELAYS, None, jitter)
    assert delay is not None
    assert plain is not None
    assert delay == max(plain, min(retry_after, DAY))


def test_a_retry_after_of_a_week_is_a_day() -> None:
    assert next_delay(1, RETRY_DELAYS, timedelta(days=7), MIDDLE) == DAY


def test_probes_come_after_1_2_5_10_then_every_15_minutes() -> None:
    assert [minutes(probe_delay(probes)) for probes in range(7)] == [1, 2, 5, 10, 15, 15, 15]


def test_status_calls_back_off_to_a_quarter_of_an_hour() -> None:
    assert [minutes(ask_delay(asks, timedelta(0), MIDDLE)) for asks in range(1, 8)] == [0.5, 1, 2, 5, 10, 22.5, 22.5]


@given(asks=st.integers(6, 500), jitter=JITTER)
def test_late_status_calls_come_every_15_to_30_minutes(asks: int, jitter: float) -> None:
    delay = ask_delay(asks, timedelta(0), jitter)
    assert delay is not None
    assert timedelta(minutes=15) <= delay <= timedelta(minutes=30)


@given(asks=st.integers(0, 500), waited=st.timedeltas(timedelta(0), timedelta(hours=60)), jitter=JITTER)
def test_status_calls_end_after_24_hours(asks: int, waited: timedelta, jitter: float) -> None:
    delay = ask_delay(asks, waited, jitter)
    assert (delay is None) == (waited >= DAY and asks > 5)
    assert delay is None or waited >= DAY or timedelta(0) < delay <= DAY - waited


@given(jitters=st.lists(JITTER, min_size=120, max_size=120))
def test_a_lost_submission_costs_at_most_a_hundred_and_two_status_calls(jitters: list[float]) -> None:
    waited, asks = timedelta(0), 0
    while (delay := ask_delay(asks + 1, waited, jitters[asks])) is not None:
        waited, asks = waited + delay, asks + 1
    assert waited == DAY
    assert 50 < asks <= 102


def test_the_pace_is_a_quarter_of_the_age_within_bounds() -> None:
    ages = (0, 20, 40, 80, 480, 3600)
    assert [pace(timedelta(seconds=age)).total_seconds() for age in ages] == [10, 10, 10, 20, 120, 120]
