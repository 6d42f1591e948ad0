"""What the simulator's songs are: titles, tags and lyrics from the request, or invented where it names none."""

import hashlib
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from receiver.simulator import jpeg, mp3

_FIRST_WORDS = ("Night", "Paper", "Salt", "Copper", "Winter", "Quiet", "Yellow", "Last")
_LAST_WORDS = ("Ferry", "Lanterns", "Harbour", "Letters", "Orchard", "Signal", "Sparrow", "Mile")
_TAGS = ("indie folk, warm, acoustic", "synthwave, night drive", "dream pop, slow", "swing, brass, bright")
_LINES = (
    "the tide keeps time with me",
    "we leave the porch light on",
    "a whistle down the line",
    "the map is only blue",
)
_MODELS = {"V3_5": "chirp-v3-5", "V4": "chirp-v4", "V4_5": "chirp-auk-turbo", "V5_5": "chirp-fenix"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """A track of a task. `number` counts from 0; `duration` is in seconds and true to the audio."""

    id: str
    number: int
    title: str
    tags: str
    lyrics: str
    model: str
    seed: bytes

    @property
    def duration(self) -> float:
        return mp3.duration_of(self.seed)

    def audio(self) -> bytes:
        return mp3.encode(self.seed, self.title)

    def image(self) -> bytes:
        return jpeg.encode(self.seed)


def make_songs(task_id: str, request: Mapping[str, Any], count: int, entropy: random.Random) -> tuple[Song, ...]:
    """The tracks of one task: one title and lyric, as the provider does; sound and cover follow from the task id."""
    title = text_of(request, "title") or f"{entropy.choice(_FIRST_WORDS)} {entropy.choice(_LAST_WORDS)}"
    tags = text_of(request, "style", "tags") or entropy.choice(_TAGS)
    lyrics = _lyrics(request, title, entropy)
    model = _MODELS.get(text_of(request, "model"), "chirp-fenix")
    return tuple(
        Song(
            id=str(uuid.UUID(int=entropy.getrandbits(128), version=4)),
            number=number,
            title=title,
            tags=tags,
            lyrics=lyrics,
            model=model,
            seed=hashlib.sha256(f"{task_id}/{number}".encode()).digest(),
        )
        for number in range(count)
    )


def _lyrics(request: Mapping[str, Any], title: str, entropy: random.Random) -> str:
    if request.get("instrumental") is True:
        return "[Instrumental]"
    own = text_of(request, "lyrics") or (text_of(request, "prompt") if request.get("customMode") is not False else "")
    if own:
        return own
    verse = entropy.sample(_LINES, 3)
    return "\n".join(["[Verse]", *verse, "[Chorus]", f"{title}, {entropy.choice(_LINES)}"])


def text_of(request: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that holds text. Half a surrogate pair can't be sent on and becomes a question mark."""
    values = (request.get(name) for name in names)
    found = next((value for value in values if isinstance(value, str) and value), "")
    return found.encode("utf-8", "replace").decode()
