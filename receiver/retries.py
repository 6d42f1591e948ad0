"""When the next attempt, probe or status call is due. Pure: counts and a random number in, a delay out."""

from collections.abc import Sequence
from datetime import timedelta

MOST_RETRY_AFTER = timedelta(hours=24)
ASK_FOR = timedelta(hours=24)

_SPREAD = 0.2
_PROBES = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15))
_ASKS = tuple(timedelta(seconds=seconds) for seconds in (30, 60, 120, 300, 600))
_QUICKEST, _CALMEST = timedelta(seconds=10), timedelta(minutes=2)
_SLOW_ASK = timedelta(minutes=15)


def next_delay(
    failures: int, schedule: Sequence[timedelta], retry_after: timedelta | None, jitter: float
) -> timedelta | None:
    """How long to wait after so many failed attempts; None: a dead letter.

    `failures` counts from 1, `jitter` lies in [0, 1) and spreads the delay by 20 % to both sides. `retry_after` is
    honoured up to 24 hours: the delay is never below it.
    """
    if failures > len(schedule):
        return None
    delay = _spread(schedule[max(failures, 1) - 1], jitter)
    return delay if retry_after is None else max(delay, min(retry_after, MOST_RETRY_AFTER))


def probe_delay(probes: int) -> timedelta:
    """How long a paused handler waits for its next probe, after so many: 1, 2, 5, 10, then every 15 minutes."""
    return _PROBES[min(max(probes, 0), len(_PROBES) - 1)]


def pace(age: timedelta) -> timedelta:
    """How long until the next look at a submission that no callback can tell of, by its age: a quarter of it, between
    10 seconds and 2 minutes.
    """
    return min(max(age / 4, _QUICKEST), _CALMEST)


def ask_delay(asks: int, waited: timedelta, jitter: float) -> timedelta | None:
    """How long until the next status call, after so many; None: 24 hours are over and the submission is lost.

    `asks` counts from 1, `waited` is the time since the deadline, `jitter` lies in [0, 1): 30 s, 1, 2, 5 and 10
    minutes by 20 % to both sides, then every 15 to 30 minutes. The last call falls on the end of the 24 hours; after
    a longer downtime the first five are made all the same.
    """
    left = ASK_FOR - waited
    if asks <= len(_ASKS):
        delay = _spread(_ASKS[max(asks, 1) - 1], jitter)
        return min(delay, left) if left > timedelta(0) else delay
    return min(_SLOW_ASK * (1 + jitter), left) if left > timedelta(0) else None


def _spread(delay: timedelta, jitter: float) -> timedelta:
    return delay * (1 - _SPREAD + 2 * _SPREAD * jitter)
