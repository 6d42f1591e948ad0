"""Deliveries for tests of handlers: fakes of everything that reaches out, and makers with sensible defaults."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from receiver.errors import LinkDead
from receiver.events import Event, File, Level, Result
from receiver.handler import Delivery, Receipt
from receiver.outbound import Answer, Download, Http, Media

NOW = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
MP3 = b"ID3\x04" + bytes(range(256)) * 40
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8
LINKS = "https://songs.example.com/files"

HOSTILE_TITLES = {
    "script": "</script><script>alert(1)</script>",
    "channel": "<!channel> <@U123> @here",
    "link": "<https://evil.example|click> | >",
    "traversal": "../../../../etc/passwd",
    "absolute": "/etc/passwd",
    "windows path": "C:\\Windows\\..\\x",
    "newline": "one\ntwo\r\n*three*",
    "nul": "a\0b",
    "emoji": "🎵👩‍👩‍👧 song",
    "right to left": "song\u202egnp.exe",
    "10 kB": "Ж" * 10_000,
    "10 kB of emoji": "🎵" * 10_000,
    "ampersands": "&" * 10_000,
    "half a character": "a\ud800b",
    "reserved": "CON",
    "reserved with extension": "nul.txt",
    "dots": "...",
    "trailing": "song. . ",
    "only invisible": "\u200b\u202e\u0007",
    "empty": "",
    "braces": "{title}{0.__class__}%s",
    "decomposed": "Cafe\u0301",
}


class FakeNotes:
    """Notes that remember how often they were written."""

    def __init__(self, value: Mapping[str, Any] | None = None) -> None:
        self.value = dict(value or {})
        self.writes = 0

    async def read(self) -> dict[str, Any]:
        await asyncio.sleep(0)
        return dict(self.value)

    async def write(self, value: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        self.value = value
        self.writes += 1


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that a handler made."""

    method: str
    url: str
    headers: Mapping[str, str]
    json: Any
    content: bytes | AsyncIterator[bytes] | None


class FakeHttp(Http):
    """Answers with what it was given, in turn, the last one for ever."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self._answers = answers or (make_answer(200, b"ok"),)
        self.sent: list[Sent] = []

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterator[bytes] | None = None,
        json: Any = None,
        timeout: timedelta = timedelta(seconds=30),
    ) -> Answer:
        self.sent.append(Sent(method, url, headers or {}, json, content))
        await asyncio.sleep(0)
        answer = self._answers[min(len(self.sent), len(self._answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        pass


Script = Sequence[bytes | Exception] | Exception


class FakeMedia(Media):
    """A web of files: bytes, chunks that may end in an error, or an error. An unknown address is a dead link."""

    def __init__(self, web: Mapping[str, bytes | Script]) -> None:
        self._web = web
        self.asked: list[str] = []
        self.open = 0

    @asynccontextmanager
    async def stream(self, url: str) -> AsyncIterator[Download]:
        self.asked.append(url)
        await asyncio.sleep(0)
        found = self._web.get(url, LinkDead("the link answers 404"))
        if isinstance(found, Exception):
            raise found
        chunks = [found[at : at + 1000] for at in range(0, len(found), 1000)] if isinstance(found, bytes) else found
        self.open += 1
        try:
            yield Download(url=url, media_type=None, length=None, chunks=_play(chunks))
        finally:
            self.open -= 1

    async def close(self) -> None:
        pass


async def _play(chunks: Sequence[bytes | Exception]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await asyncio.sleep(0)
        if isinstance(chunk, Exception):
            raise chunk
        yield chunk


def make_answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=body)


def make_file(role: str = "audio", url: str | None = None, *alternates: str) -> File:
    return File(role, url or f"https://cdn.example.com/{role}", alternates)


def make_track(ident: str = "tr-1", title: str | None = "Night Ferry", *files: File, **fields: Any) -> Result:
    given = files or (
        make_file("audio", f"https://cdn.example.com/{ident}.mp3"),
        make_file("image", f"https://cdn.example.com/{ident}.jpeg"),
    )
    return Result(**{"id": ident, "title": title, "duration": 198.44, "tags": "indie folk", "files": given} | fields)


def make_web(*tracks: Result) -> dict[str, bytes | Script]:
    """A web where the audio and the image of every track are what they should be, each different."""
    bodies = {"image": JPEG}
    return {file.url: bodies.get(file.role, MP3) + file.url.encode() for track in tracks for file in track.files}


def make_event(kind_and_stage: str = "music.complete", **fields: Any) -> Event:
    stage = kind_and_stage.partition(".")[2]
    known = {"text", "first", "complete", "failed", "updated"}
    defaults: dict[str, Any] = {
        "id": "evt_" + "1" * 32,
        "type": kind_and_stage,
        "level": Level.INFO,
        "operation": "generate",
        "stage": stage if stage in known else None,
        "provider": "suno",
        "task_id": "task-1",
        "submission_id": "sub_" + "2" * 32,
        "client": "app",
        "labels": {"project": "podcast"},
        "occurred_at": NOW,
        "received_at": NOW,
    }
    return Event(**defaults | fields)


def make_link(result_id: str, role: str) -> str:
    return f"{LINKS}/{result_id}-{role}"


@dataclass(kw_only=True)
class World:
    """What deliveries of one submission to one handler share."""

    http: FakeHttp = field(default_factory=FakeHttp)
    media: Media = field(default_factory=lambda: FakeMedia({}))
    progress: FakeNotes = field(default_factory=FakeNotes)
    memory: FakeNotes = field(default_factory=FakeNotes)
    link: Callable[[str, str], str] = make_link
    free_disk: int = 0


def make_delivery(
    world: World | None = None,
    *,
    event: Event | None = None,
    results: Sequence[Result] | None = None,
    attempt: int = 1,
    receipts: Mapping[str, Receipt] | None = None,
) -> Delivery:
    """A first attempt with one track of two files, unless told otherwise."""
    world = world or World()
    tracks = (make_track(),) if results is None else tuple(results)
    return Delivery(
        id="dlv_" + "3" * 32,
        event=event or make_event(results=tracks),
        results=tracks,
        attempt=attempt,
        receipts=receipts or {},
        http=world.http,
        media=world.media,
        progress=world.progress,
        memory=world.memory,
        link=world.link,
        now=NOW,
        free_disk=world.free_disk,
    )
