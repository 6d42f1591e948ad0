"""Files of an event, fetched into memory to go along with a message: as many as fit, each what it claims to be."""

import logging
from collections.abc import Collection
from dataclasses import dataclass

from handlers.sniffing import HEAD, sort_of
from handlers.text import safe_name
from receiver.events import File, Result
from receiver.handler import Delivery, PermanentFailure, TemporaryFailure

logger = logging.getLogger(__name__)

# After so many tries a message goes out without what can't be fetched: it is linked anyway.
_TRIES = 3
_NAME_MOST = 80


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    extension: str
    content: bytes


class _Left(Exception):
    """A file that won't be attached, and why."""


async def fetch_attachments(delivery: Delivery, roles: Collection[str], most: int) -> tuple[Attachment, ...]:
    """Files of these roles, together at most `most` bytes. Raises TemporaryFailure while one may still come."""
    found: list[Attachment] = []
    for result in delivery.results:
        for file in result.files:
            if file.role in roles:
                room = most - sum(len(attachment.content) for attachment in found)
                found += await _fetched(delivery, result, file, room)
    return tuple(found)


async def _fetched(delivery: Delivery, result: Result, file: File, room: int) -> list[Attachment]:
    try:
        return [await _fetch(delivery, result, file, room)]
    except TemporaryFailure as failure:
        if delivery.attempt < _TRIES:
            raise
        reason = failure.reason
    except PermanentFailure as failure:
        reason = failure.reason
    except _Left as left:
        reason = str(left)
    logger.warning("the %s of %s is linked, not attached, on %s: %s", file.role, result.id, delivery.id, reason)
    return []


async def _fetch(delivery: Delivery, result: Result, file: File, room: int) -> Attachment:
    content = bytearray()
    async with delivery.media.stream(file.url) as download:
        if (download.length or 0) > room:
            raise _Left("it is too large")
        async for chunk in download.chunks:
            content += chunk
            if len(content) > room:
                raise _Left("it is too large")
    sort = sort_of(bytes(content[:HEAD]), file.role, file.url)
    if isinstance(sort, str):
        raise _Left(sort)
    stem = safe_name(result.title or "", _NAME_MOST) or safe_name(file.role, _NAME_MOST) or "file"
    return Attachment(f"{stem}.{sort.extension}", sort.extension, bytes(content))
