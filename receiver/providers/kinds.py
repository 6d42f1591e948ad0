"""Which reader takes a body: the operation says it, or the body does where it plainly has another kind's shape."""

from collections.abc import Callable, Mapping
from typing import Any

from receiver.events import Kind
from receiver.providers.made import STEM_OBJECTS, VIDEO_NAMES, WAV_NAMES, read_images, read_stems, read_video, read_wav
from receiver.providers.music import read_music, read_recovery, song_items
from receiver.providers.notes import read_midi
from receiver.providers.other import read_other
from receiver.providers.reading import Reading, spread
from receiver.providers.said import (
    lyric_items,
    read_lyrics,
    read_persona,
    read_phrase,
    read_style,
    read_timestamps,
    read_voice,
)

READERS: Mapping[Kind, Callable[[Mapping[str, Any]], Reading]] = {
    Kind.MUSIC: read_music,
    Kind.LYRICS: read_lyrics,
    Kind.WAV: read_wav,
    Kind.STEMS: read_stems,
    Kind.MIDI: read_midi,
    Kind.VIDEO: read_video,
    Kind.COVER_IMAGE: read_images,
    Kind.VOICE_PHRASE: read_phrase,
    Kind.VOICE: read_voice,
    Kind.RECOVERY: read_recovery,
    Kind.TIMESTAMPS: read_timestamps,
    Kind.PERSONA: read_persona,
    Kind.STYLE: read_style,
    Kind.OTHER: read_other,
}

# Fields that only one kind has, in the order in which they decide.
_MARKS: tuple[tuple[Kind, frozenset[str]], ...] = (
    (Kind.STEMS, frozenset(STEM_OBJECTS)),
    (Kind.WAV, frozenset(WAV_NAMES)),
    (Kind.VIDEO, frozenset(VIDEO_NAMES)),
    (Kind.COVER_IMAGE, frozenset({"images"})),
    (Kind.MIDI, frozenset({"instruments", "midiData"})),
    (Kind.VOICE, frozenset({"voiceId"})),
    (Kind.VOICE_PHRASE, frozenset({"validateInfo"})),
    (Kind.TIMESTAMPS, frozenset({"alignedWords"})),
    (Kind.PERSONA, frozenset({"personaId"})),
)
# These read each other's shape as well as their own; where the operation is unknown, what lies beside a video is kept.
_ALIKE = ({Kind.MUSIC, Kind.RECOVERY}, {Kind.OTHER, Kind.VIDEO})
_SONG_FIELDS = frozenset({"audio_url", "audioUrl", "stream_audio_url", "streamAudioUrl"})


def kind_of(kind: Kind, data: Mapping[str, Any]) -> Kind:
    """The kind whose shape the data plainly has; of an unclear one the operation's own."""
    found = _shape(data)
    return kind if found is None or {found, kind} in _ALIKE else found


def _shape(data: Mapping[str, Any]) -> Kind | None:
    lyrics = [item for item in lyric_items(data) if isinstance(item, dict)]
    if any("text" in item and "id" not in item for item in lyrics):
        return Kind.LYRICS
    if set(data) == {"data"}:  # the envelope held a list in place of an object
        return Kind.RECOVERY
    names = spread(data).keys()
    marked = next((kind for kind, marks in _MARKS if marks & names), None)
    if marked is not None:
        return marked
    songs = [item for item in song_items(data) if isinstance(item, dict)]
    return Kind.MUSIC if any(_SONG_FIELDS & item.keys() for item in songs) else None
