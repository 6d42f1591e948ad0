"""Server-sent events out of the chunks of a body. Pure.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands between two empty lines; `data` is None where only the place is told, or nothing at all."""

    id: str | None
    data: bytes | None


class Frames:
    """Lines end with a line feed, perhaps behind a carriage return; a carriage return alone is text."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._id: str | None = None
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """The frames that end in this chunk."""
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            whole = b"".join((*self._pieces, line)).removesuffix(b"\r")
            self._pieces.clear()
            if whole:
                self._take(whole)
                continue
            yield Frame(self._id, b"\n".join(self._data) if self._data else None)
            self._id, self._data = None, []
        if rest:
            self._pieces.append(rest)

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")


async def frames_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[Frame]:
    frames = Frames()
    async for chunk in chunks:
        for frame in frames.feed(chunk):
            yield frame
