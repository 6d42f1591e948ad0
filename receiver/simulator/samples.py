"""Files beside songs and covers: a tone as WAV, and the least that passes for a video. Both from a seed."""

import io
import math
import struct
import wave
from collections.abc import Iterator

_RATE = 8000
_SECONDS = 2


def tone(seed: bytes) -> bytes:
    """A whole WAV file, 32 kB: two seconds of one note that fades."""
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(b"".join(_frames(220.0 + seed[0])))
    return written.getvalue()


def film(seed: bytes) -> bytes:
    """The head of an MP4 and a box of data: enough to be known by, nothing to see."""
    return _box(b"ftyp", b"isom\x00\x00\x02\x00isommp42") + _box(b"mdat", seed * 32)


def _frames(pitch: float) -> Iterator[bytes]:
    count = _RATE * _SECONDS
    for index in range(count):
        level = 12000 * (1 - index / count) * math.sin(2 * math.pi * pitch * index / _RATE)
        yield struct.pack("<h", round(level))


def _box(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload) + 8) + name + payload
