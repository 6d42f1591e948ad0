"""What the simulator keeps of a request: the operation, the task, the callbacks sent, and the plan of its stages."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from receiver.simulator.script import Script, StageWord
from receiver.simulator.songs import Song

_ALL: tuple[StageWord, ...] = ("text", "first", "complete")


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation as documented: its stages, its most tracks, the shape of its failure.

    `shape` says what its callbacks and records look like, `field` where its callback URL stands, `extensions` which
    files it makes.
    """

    name: str
    stages: tuple[StageWord, ...] = _ALL
    tracks: int = 8
    fail_shape: Literal["null", "error"] = "null"
    sources: bool = True
    shape: str = "music"
    field: str = "callBackUrl"
    extensions: tuple[str, ...] = ("mp3", "jpeg")


OPERATIONS = {
    "/api/v1/generate": Operation("generate"),
    "/api/v1/generate/extend": Operation("extend"),
    "/api/v1/generate/upload-cover": Operation("upload_cover"),
    "/api/v1/generate/upload-extend": Operation("upload_extend"),
    "/api/v1/generate/add-instrumental": Operation("add_instrumental"),
    "/api/v1/generate/add-vocals": Operation("add_vocals"),
    "/api/v1/generate/replace-section": Operation("replace_section", ("complete",), 1, "error", sources=False),
    "/api/v1/generate/mashup": Operation("mashup"),
    "/api/v1/generate/sounds": Operation("sounds"),
}


def _made(name: str, *extensions: str, tracks: int = 1, shape: str = "", field: str = "callBackUrl") -> Operation:
    """All but songs are called back once."""
    return Operation(name, ("complete",), tracks, shape=shape or name, field=field, extensions=extensions)


MADE = {
    "/api/v1/lyrics": _made("lyrics", tracks=2),
    "/api/v1/wav/generate": _made("wav", "wav"),
    "/api/v1/vocal-removal/generate": _made("stems", "mp3"),
    "/api/v1/midi/generate": _made("midi"),
    "/api/v1/mp4/generate": _made("mp4", "mp4"),
    "/api/v1/suno/cover/generate": _made("cover_image", "jpeg", tracks=2),
    "/api/v1/voice/validate": _made("voice_phrase"),
    "/api/v1/voice/regenerate": _made("voice_phrase_regenerate", shape="voice_phrase", field="calBackUrl"),
    "/api/v1/voice/generate": _made("voice"),
    "/api/v1/suno/recovery": _made("recovery", "mp3", tracks=2),
}
# These answer with what they make, and call nobody back.
INSTANT = {
    "/api/v1/generate/get-timestamped-lyrics": "timestamps",
    "/api/v1/generate/generate-persona": "persona",
    "/api/v1/style/generate": "style",
}


@dataclass(frozen=True, slots=True)
class Sent:
    """One try of a callback: its stage, its body (text where it was broken on purpose), the answer's status or None."""

    stage: StageWord
    body: Any = field(repr=False)
    status: int | None


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """A file of a task: links of one `fresh` number live and die together."""

    fresh: int
    number: int
    extension: str


@dataclass(slots=True, kw_only=True)
class Task:
    """One accepted request. `stage` is what the status call tells, None before the first; `whole` ends `half`."""

    id: str
    operation: Operation
    request: Mapping[str, Any] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    script: Script
    created_at: datetime
    songs: tuple[Song, ...] = field(repr=False)
    stage: StageWord | None = None
    whole: bool = False
    callbacks: list[Sent] = field(default_factory=list)
    fresh: int = 0
    downloads: Counter[Link] = field(default_factory=Counter)
    called: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def is_dead(self, link: Link) -> bool:
        limit = self.script.links_die_after
        return limit is not None and self.downloads[link] >= limit

    def refresh(self) -> None:
        """Gives every file a new address if one of them has died."""
        extensions = self.operation.extensions
        links = (Link(self.fresh, song.number, extension) for song in self.songs for extension in extensions)
        if any(self.is_dead(link) for link in links):
            self.fresh += 1


@dataclass(frozen=True, slots=True)
class Step:
    """After `pause` seconds the task is at `stage`, and these stages are called, in this order."""

    pause: float
    stage: StageWord
    whole: bool
    calls: tuple[StageWord, ...]


def plan(script: Script, operation: Operation) -> list[Step]:
    """What becomes of a task, and when. Nothing is called before its time; `reorder` calls the last stage first."""
    if script.fail is not None:
        return [Step(script.text_after, "failed", False, _calls(script, ("failed",)))]
    steps: list[Step] = []
    now = 0.0
    for stage in operation.stages:
        at = max(now, _after(script, stage))
        whole = stage == "complete" and script.half is None
        steps.append(Step(at - now, stage, whole, _calls(script, _due(script, operation, stage))))
        now = at
    if script.half is not None:
        again: tuple[StageWord, ...] = ("complete",) if script.half == "callback" else ()
        steps.append(Step(script.whole_after, "complete", True, _calls(script, again)))
    return steps


def _after(script: Script, stage: StageWord) -> float:
    return {"text": script.text_after, "first": script.first_after}.get(stage, script.complete_after)


def _due(script: Script, operation: Operation, stage: StageWord) -> tuple[StageWord, ...]:
    if not script.reorder:
        return (stage,)
    return operation.stages[::-1] if stage == "complete" else ()


def _calls(script: Script, stages: tuple[StageWord, ...]) -> tuple[StageWord, ...]:
    return tuple(stage for stage in stages if stage not in script.lose for _ in range(script.duplicates))
