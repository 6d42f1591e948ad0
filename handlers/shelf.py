"""What an archive puts away and where: a wanted file, its bytes on their way, and the shelf of an archive type."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from handlers.derived import Derived
from handlers.sniffing import HEAD, Sort, sort_of
from handlers.text import one_line, shorten
from receiver.handler import ArchivedFile, File, Media, Result, TemporaryFailure

# A preview that still grows while it is made: taken only where `roles` names it.
PREVIEW = "stream"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to keep; `role` is numbered where one result has several of the same."""

    result: Result
    role: str
    source: File | Derived

    @property
    def name(self) -> tuple[str, str]:
        return (self.result.id, self.role)

    @property
    def is_companion(self) -> bool:
        """Whether it only goes along with the thing that was made."""
        return isinstance(self.source, Derived) or self.source.role in {"image", PREVIEW}

    def __str__(self) -> str:
        return f"{shorten(one_line(self.role), 40)} of {shorten(one_line(self.result.title or self.result.id), 60)}"


class Body:
    """Bytes on their way that are what their role promises. `size` and `sha256` are right once they were read."""

    def __init__(self, sort: Sort, head: bytes, rest: AsyncIterator[bytes]) -> None:
        self.media_type = sort.media_type
        self.extension = sort.extension
        self.size = 0
        self._head = head
        self._rest = rest
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def blocks(self, size: int) -> AsyncGenerator[bytes, None]:
        """The bytes, once, in blocks of at least `size` bytes but for the last. Raises what the download raises."""
        chunks, held = [self._count(self._head)], len(self._head)
        async for chunk in self._rest:
            chunks.append(self._count(chunk))
            held += len(chunk)
            if held >= size:
                yield b"".join(chunks)
                chunks, held = [], 0
        yield b"".join(chunks)

    def _count(self, chunk: bytes) -> bytes:
        self.size += len(chunk)
        self._digest.update(chunk)
        return chunk


@asynccontextmanager
async def download(media: Media, url: str, role: str) -> AsyncIterator[Body]:
    """The file behind an address. Raises TemporaryFailure (stale) where it is no such file."""
    async with media.stream(url) as found:
        chunks = aiter(found.chunks)
        head = b""
        while len(head) < HEAD and (chunk := await anext(chunks, None)) is not None:
            head += chunk
        sort = sort_of(head, role, url)
        if isinstance(sort, str):
            raise TemporaryFailure(sort, stale=True)
        yield Body(sort, head, chunks)


def made(derived: Derived) -> Body:
    """The bytes of a file that is made here."""
    return Body(Sort("other", derived.media_type, derived.extension), derived.content, _nothing())


async def _nothing(chunks: tuple[bytes, ...] = ()) -> AsyncGenerator[bytes, None]:
    for chunk in chunks:
        yield chunk


class Shelf(Protocol):
    """The place where an archive type keeps bytes, for one delivery."""

    def room(self) -> AbstractAsyncContextManager[None]:
        """Waits until one more file may be on its way."""

    async def holds(self, file: ArchivedFile) -> bool:
        """Whether this file is still there, with its size."""

    async def put(self, wanted: Wanted, body: Body, keys: Iterator[str]) -> str:
        """Keeps the whole body under the first key that nothing else has, and returns that key.

        Bytes that are there already under a key are kept once. Raises TargetFailure, or what the body raises.
        """

    async def replace(self, wanted: Wanted, body: Body, key: str) -> None:
        """Keeps the whole body under a key that is this file's own, over what it held."""
