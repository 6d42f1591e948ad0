"""The simulator's files over HTTP: ranges, dead links, and bodies that are empty, cut off or a web page."""

import re
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from receiver.simulator import samples
from receiver.simulator.shapes import bad_gateway
from receiver.simulator.songs import Song
from receiver.simulator.tasks import Link, Task

_NAME = re.compile(r"(\d{1,3})(?:\.source|\.vocal|\.instrumental)?(?:\.stream)?\.(mp3|jpeg|wav|mp4)")
_FRESH = re.compile(r"r([1-9]\d{0,8})")
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_TYPES = {"mp3": "audio/mpeg", "jpeg": "image/jpeg", "wav": "audio/wav", "mp4": "video/mp4"}


class CutOff(Response):
    """Announces its whole body and ends after half of it: the server then drops the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int


def serve(request: Request, task: Task) -> Response:
    """The answer for one link of a task, whose download it counts."""
    link = _link(request.path_params)
    if link is None or link.fresh > task.fresh or link.number >= len(task.songs):
        return Response(status_code=404)
    if link.extension not in task.operation.extensions:
        return Response(status_code=404)
    if task.is_dead(link):
        return Response(status_code=task.script.dead_status)
    if request.method == "GET":
        task.downloads[link] += 1
    return _answer(request, task.songs[link.number], link.extension, task.script.media)


def _link(params: dict[str, str]) -> Link | None:
    name = _NAME.fullmatch(params["name"])
    fresh = _FRESH.fullmatch(params.get("fresh", "r1"))
    if name is None or fresh is None:
        return None
    return Link(int(fresh[1]) if "fresh" in params else 0, int(name[1]), name[2])


def _answer(request: Request, song: Song, extension: str, behaviour: str) -> Response:
    """Only the audio misbehaves: the provider's images were never seen broken."""
    if extension == "jpeg":
        return _whole_or_part(request, song.image(), extension)
    match behaviour:
        case "html":
            return HTMLResponse(bad_gateway())
        case "empty":
            return _whole_or_part(request, b"", extension)
        case "truncated" if request.method == "GET":
            return CutOff(_content(song, extension), media_type=_TYPES[extension])
        case _:
            return _whole_or_part(request, _content(song, extension), extension)


def _content(song: Song, extension: str) -> bytes:
    match extension:
        case "wav":
            return samples.tone(song.seed)
        case "mp4":
            return samples.film(song.seed)
        case _:
            return song.audio()


def _whole_or_part(request: Request, body: bytes, extension: str) -> Response:
    media_type = _TYPES[extension]
    wanted = request.headers.get("range")
    if wanted is None:
        return Response(body, media_type=media_type, headers={"accept-ranges": "bytes"})
    span = _span(wanted, len(body))
    if span is None:
        return Response(status_code=416, headers={"content-range": f"bytes */{len(body)}"})
    headers = {"accept-ranges": "bytes", "content-range": f"bytes {span.start}-{span.end - 1}/{len(body)}"}
    return Response(body[span.start : span.end], 206, media_type=media_type, headers=headers)


def _span(wanted: str, size: int) -> _Span | None:
    """The bytes of one range; None where it can't be met."""
    match = _RANGE.fullmatch(wanted.replace(" ", ""))
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    return _Span(start, end) if start < end else None
