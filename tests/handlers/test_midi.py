import io
from typing import Any

import mido  # type: ignore[import-untyped]  # it ships no types
import pytest

from handlers.midi import Instrument, midi


def instrument(name: str, *notes: tuple[int, float, float, float]) -> Instrument:
    shaped = [dict(zip(("pitch", "start", "end", "velocity"), note, strict=True)) for note in notes]
    return Instrument.model_validate({"name": name, "notes": shaped})


def read(content: bytes | None) -> Any:
    assert content is not None
    assert content.startswith(b"MThd")
    return mido.MidiFile(file=io.BytesIO(content), charset="utf-8")


def played(file: Any) -> list[tuple[float, str, int, int]]:
    """When what sounds or ends, in seconds."""
    found, now = [], 0.0
    for message in file:
        now += message.time
        if message.type in ("note_on", "note_off"):
            found.append((round(now, 3), message.type, message.note, message.velocity))
    return found


def test_notes_come_back_as_they_were_heard() -> None:
    file = read(midi([instrument("Piano", (60, 0.5, 1.25, 1.0), (64, 0.75, 2.0, 0.5))], "Night Ferry"))
    assert played(file) == [
        (0.5, "note_on", 60, 127),
        (0.75, "note_on", 64, 64),
        (1.25, "note_off", 60, 0),
        (2.0, "note_off", 64, 0),
    ]
    assert file.type == 1
    assert [track.name for track in file.tracks] == ["Night Ferry", "Piano"]


def test_note_that_follows_at_once_on_its_own_pitch_is_struck_again() -> None:
    file = read(midi([instrument("Piano", (60, 0, 1, 1), (60, 1, 2, 1))], None))
    assert [kind for _, kind, _, _ in played(file)] == ["note_on", "note_off", "note_on", "note_off"]


def test_note_without_length_and_strength_is_still_a_note() -> None:
    assert [row[1:] for row in played(read(midi([instrument("x", (60, 1, 1, 0))], None)))] == [
        ("note_on", 60, 1),
        ("note_off", 60, 0),
    ]


def test_drums_have_their_channel_and_nobody_else_has_it() -> None:
    parts = [instrument(name, (60, 0, 1, 1)) for name in ("Drums", *(f"voice {n}" for n in range(20)))]
    channels = [track[1].channel for track in read(midi(parts, None)).tracks[1:]]
    assert channels[0] == 9
    assert 9 not in channels[1:]
    assert set(channels[1:]) == set(range(16)) - {9}


def test_known_instruments_have_their_sound() -> None:
    programs = [
        track[1].program
        for track in read(midi([instrument(name, (60, 0, 1, 1)) for name in ("Bass", "zither")], None)).tracks[1:]
    ]
    assert programs == [33, 0]


@pytest.mark.parametrize("name", ["</script>\n\0", "夜" * 500, "", "\u202e"])
def test_hostile_name_is_a_name(name: str) -> None:
    assert len(read(midi([instrument(name, (60, 0, 1, 1))], name)).tracks) == 2


@pytest.mark.parametrize("parts", [[], [instrument("Piano")]], ids=["no instrument", "no note"])
def test_without_notes_there_is_no_file(parts: list[Instrument]) -> None:
    assert midi(parts, "x") is None


@pytest.mark.parametrize(
    "note", [(128, 0, 1, 1), (-1, 0, 1, 1), (60, -1, 1, 1), (60, 0, 1e12, 1), (60, 0, 1, 2), (60, 0, float("nan"), 1)]
)
def test_note_that_is_none_is_refused(note: tuple[int, float, float, float]) -> None:
    with pytest.raises(ValueError):
        instrument("x", note)
