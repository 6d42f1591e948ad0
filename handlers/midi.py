"""Notes to a Standard MIDI File: one track an instrument, times as they were heard. Pure."""

import io
from collections.abc import Iterator, Sequence
from itertools import cycle

import mido  # type: ignore[import-untyped]  # it ships no types
from pydantic import BaseModel, ConfigDict, Field

from handlers.lyrics import Seconds
from handlers.text import one_line, shorten

# At 120 beats a minute a beat is half a second, so a second has twice as many ticks as a beat.
_TEMPO_US = 500_000
_TICKS_PER_BEAT = 480
_TICKS_PER_S = 960
_DRUMS = 9
_MELODIC = tuple(channel for channel in range(16) if channel != _DRUMS)
# General MIDI's programs, counted from 0, for the names that providers give to stems.
_PROGRAMS = {
    "vocal": 52,
    "bass": 33,
    "guitar": 25,
    "string": 48,
    "brass": 61,
    "woodwind": 73,
    "synth": 81,
    "piano": 0,
}
_NAME_MOST = 80


class Note(BaseModel):
    """`velocity` is from 0 to 1."""

    model_config = ConfigDict(hide_input_in_errors=True)

    pitch: int = Field(ge=0, le=127)
    start: Seconds
    end: Seconds
    velocity: float = Field(ge=0, le=1, allow_inf_nan=False)


class Instrument(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    name: str
    notes: tuple[Note, ...]


def midi(instruments: Sequence[Instrument], title: str | None) -> bytes | None:
    """A file of type 1; None where there is no note."""
    played = [instrument for instrument in instruments if instrument.notes]
    if not played:
        return None
    file = mido.MidiFile(type=1, ticks_per_beat=_TICKS_PER_BEAT, charset="utf-8")
    head = [mido.MetaMessage("set_tempo", tempo=_TEMPO_US)]
    if name := shorten(one_line(title or ""), _NAME_MOST):
        head.insert(0, mido.MetaMessage("track_name", name=name))
    file.tracks.append(mido.MidiTrack(head))
    channels = cycle(_MELODIC)
    for instrument in played:
        channel = _DRUMS if _is_drums(instrument.name) else next(channels)
        file.tracks.append(mido.MidiTrack(_track(instrument, channel)))
    written = io.BytesIO()
    file.save(file=written)
    return written.getvalue()


def _track(instrument: Instrument, channel: int) -> Iterator[mido.Message]:
    yield mido.MetaMessage("track_name", name=shorten(one_line(instrument.name), _NAME_MOST))
    lowered = instrument.name.lower()
    program = next((number for name, number in _PROGRAMS.items() if name in lowered), 0)
    yield mido.Message("program_change", channel=channel, program=program)
    before = 0
    for tick, velocity, pitch in sorted(_strokes(instrument.notes)):
        # A note that begins where another of its pitch ends is sorted after that end: a velocity of 0 is an end.
        kind = "note_on" if velocity else "note_off"
        yield mido.Message(kind, channel=channel, note=pitch, velocity=velocity, time=tick - before)
        before = tick


def _strokes(notes: Sequence[Note]) -> Iterator[tuple[int, int, int]]:
    """Beginnings and ends: tick, velocity (0 for an end), pitch."""
    for note in notes:
        start = round(note.start * _TICKS_PER_S)
        yield start, max(1, round(note.velocity * 127)), note.pitch
        # What has no length is heard as short as can be.
        yield max(round(note.end * _TICKS_PER_S), start + 1), 0, note.pitch


def _is_drums(name: str) -> bool:
    return any(word in name.lower() for word in ("drum", "percussion"))
