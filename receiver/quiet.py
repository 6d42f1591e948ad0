"""Quiet hours: when a handler had better wait, and for how long. Pure; the time is passed in."""

import re
from datetime import datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from receiver.units import Section

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def _read_clock(value: object) -> object:
    if isinstance(value, time):
        return value
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('is not a time of day; write "22:00", in quotes')
    return time(int(match[1]), int(match[2]))


def _read_zone(value: object) -> object:
    if isinstance(value, ZoneInfo):
        return value
    try:
        return ZoneInfo(str(value))
    except (KeyError, OSError, ValueError):  # an unknown name, a folder of names, a path
        raise ValueError("is not a time zone; write one such as Europe/Berlin or UTC") from None


ClockTime = Annotated[
    time,
    BeforeValidator(_read_clock),
    PlainSerializer(lambda value: f"{value:%H:%M}"),
    WithJsonSchema({"type": "string", "pattern": r"^([01]?\d|2[0-3]):[0-5]\d$", "examples": ["22:00"]}),
]
Zone = Annotated[
    ZoneInfo,
    BeforeValidator(_read_zone),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["Europe/Berlin"]}),
]


class Quiet(Section):
    """From when to when, by the clocks of a zone, nobody wants to be told; problems excepted."""

    start: ClockTime = Field(alias="from")
    """When it begins: "22:00"."""
    end: ClockTime = Field(alias="to")
    """When it ends, on the next day where that is earlier: "07:00"."""
    zone: Zone = ZoneInfo("UTC")
    """Whose clocks: Europe/Berlin."""

    @model_validator(mode="after")
    def _some_time(self) -> "Quiet":
        if self.start == self.end:
            raise ValueError("begins when it ends; write two different times")
        return self

    def left(self, now: datetime) -> timedelta | None:
        """How long it is quiet still; None where it is not. `now` is aware."""
        here = now.astimezone(self.zone)
        clock = here.time().replace(tzinfo=None)
        over_night = self.start > self.end
        within = clock >= self.start or clock < self.end if over_night else self.start <= clock < self.end
        if not within:
            return None
        day = here.date() + timedelta(days=1 if over_night and clock >= self.start else 0)
        # Added on the wall clock and compared as moments: a night in which the clocks change is longer or shorter.
        until = datetime.combine(day, self.end, self.zone)
        return max(until.astimezone(now.tzinfo) - now, timedelta(seconds=1))
