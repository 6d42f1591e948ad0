"""What a mail carries besides its words: covers to show and files to keep, fetched within bounds, or left out."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from handlers.message import Message, Track
from handlers.sniffing import HEAD, Sort, sort_of
from handlers.text import is_web, one_line, safe_name
from receiver.handler import Delivery, Media, Outcome

logger = logging.getLogger(__name__)

COVER_MOST, COVERS_MOST = 2 * 2**20, 6 * 2**20
# In a mail they grow by a third, and the largest servers take 25 MB.
ATTACHED_MOST = 16 * 2**20
_UNATTACHED = frozenset({"image", "stream"})
_NAME_MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file within the mail. `cid` is how the page names it, without its domain; only covers have one."""

    name: str
    media_type: str
    content: bytes = field(repr=False)
    cid: str = ""


@dataclass(frozen=True, slots=True)
class Parts:
    """Covers by the result that they show, and the attached files."""

    covers: dict[str, Part] = field(default_factory=dict)
    attached: list[Part] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(len(part.content) for part in (*self.covers.values(), *self.attached))


async def collect(delivery: Delivery, message: Message, *, covers: bool, attach: int, within: timedelta) -> Parts:
    """What could be fetched in that time. `attach` is the most bytes of an attached file; 0 attaches none."""
    parts = Parts()
    with suppress(TimeoutError):
        async with asyncio.timeout(within.total_seconds()):
            if covers:
                await _collect_covers(delivery.media, message.tracks, parts)
            if attach:
                await _collect_files(delivery, message.tracks, attach, parts)
    return parts


async def _collect_covers(media: Media, tracks: Sequence[Track], parts: Parts) -> None:
    room = COVERS_MOST
    for number, track in enumerate(tracks, 1):
        found = await _first(media, track.covers, "image", min(room, COVER_MOST))
        if found is not None:
            content, sort = found
            room -= len(content)
            name = f"cover-{number}"
            parts.covers[track.result_id] = Part(
                name=f"{name}.{sort.extension}", media_type=sort.media_type, content=content, cid=name
            )


async def _collect_files(delivery: Delivery, tracks: Sequence[Track], most: int, parts: Parts) -> None:
    room = ATTACHED_MOST
    for track in tracks:
        for role, urls in _files(delivery, track):
            found = await _first(delivery.media, urls, role, min(room, most))
            if found is not None:
                content, sort = found
                room -= len(content)
                name = _name(track, role, sort.extension, {part.name for part in parts.attached})
                parts.attached.append(Part(name=name, media_type=sort.media_type, content=content))


def _files(delivery: Delivery, track: Track) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The files that a track links to, each with all of its addresses, the archived one first."""
    result = next((result for result in delivery.results if result.id == track.result_id), None)
    for link in track.links:
        file = result.file(link.role) if result else None
        others = (file.url, *file.alternates) if file else ()
        if link.role not in _UNATTACHED:
            yield link.role, tuple(dict.fromkeys((link.url, *others)))


async def _first(media: Media, urls: Sequence[str], role: str, most: int) -> tuple[bytes, Sort] | None:
    """The first of these that can be had, that is what its role promises and is below `most` bytes."""
    for url in filter(is_web, urls):
        try:
            content = await _fetch(media, url, most)
        except Outcome as outcome:
            logger.info("a mail goes out without its %s: %s", one_line(role), outcome.reason)
            continue
        sort = sort_of(content[:HEAD], role, url) if content is not None else "it is too large"
        if content is not None and isinstance(sort, Sort):
            return content, sort
        logger.info("a mail goes out without its %s: %s", one_line(role), sort)
    return None


async def _fetch(media: Media, url: str, most: int) -> bytes | None:
    body = bytearray()
    async with media.stream(url) as download:
        if download.length is not None and download.length > most:
            return None
        async for chunk in download.chunks:
            body += chunk
            if len(body) > most:
                return None
    return bytes(body)


def _name(track: Track, role: str, extension: str, taken: set[str]) -> str:
    title = " ".join(filter(None, (track.title, track.place)))
    stem = safe_name(title if role == "audio" else f"{title} - {role}", _NAME_MOST) or "file"
    names = (f"{stem}{number}.{extension}" for number in ("", *(f"-{n}" for n in range(2, len(taken) + 3))))
    return next(name for name in names if name.casefold() not in {other.casefold() for other in taken})
