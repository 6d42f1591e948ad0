"""Notes: a MIDI task has no file, its result is the notes themselves.

https://docs.sunoapi.org/suno-api/generate-midi-callbacks
"""

from collections.abc import Mapping
from typing import Any

from receiver.events import Result, Stage
from receiver.providers.body import real, text, whole
from receiver.providers.reading import WORDS, Reading, Words, first_list, stage_of, word_of

# A number here means something else than in the record of a cover image.
# https://docs.sunoapi.org/suno-api/get-midi-details
MIDI_FLAGS: Words = {"0": None, "1": Stage.COMPLETE, "2": Stage.FAILED, "3": Stage.FAILED}

_HIGHEST = 127


def read_midi(data: Mapping[str, Any]) -> Reading:
    held = data.get("midiData")
    shown = held if isinstance(held, dict) else data
    results: tuple[Result, ...] = ()
    if isinstance(shown.get("instruments"), list):
        instruments = [_instrument(item) for item in shown["instruments"] if isinstance(item, dict)]
        results = (Result(id="1", data={"instruments": instruments}),)
    word = word_of(data)
    if word is None:
        return Reading(stage=Stage.COMPLETE if results else None, results=results)
    stage = stage_of(word, {**WORDS, **MIDI_FLAGS}, results, whole=True)
    # A number says nothing to a person.
    return Reading(stage=stage, word="failed" if stage is Stage.FAILED and word.isdigit() else word, results=results)


def _instrument(item: dict[str, Any]) -> dict[str, Any]:
    notes = [note for raw in first_list(item, "notes") if isinstance(raw, dict) and (note := _note(raw))]
    return {"name": text(item.get("name")) or "", "notes": notes}


def _note(item: dict[str, Any]) -> dict[str, Any] | None:
    """A note that can be played; one without a pitch or a time is left out."""
    pitch, start, end = whole(item.get("pitch")), real(item.get("start")), real(item.get("end"))
    if pitch is None or not 0 <= pitch <= _HIGHEST or start is None or end is None or not 0 <= start <= end:
        return None
    return {"pitch": pitch, "start": start, "end": end, "velocity": _velocity(item.get("velocity"))}


def _velocity(value: Any) -> float:
    """From 0 to 1; MIDI's own scale ends at 127."""
    velocity = real(value)
    if velocity is None:
        return 1.0
    return min(max(velocity if velocity <= 1 else velocity / _HIGHEST, 0.0), 1.0)
