"""A small baseline JPEG encoder: a sun over a coloured sky in flat blocks of 8 by 8 pixels, all from a seed."""

import colorsys
import math
import struct
from collections.abc import Iterator

_BLOCKS = 40
SIDE = _BLOCKS * 8

_Colour = tuple[int, int, int]


def encode(seed: bytes) -> bytes:
    """The whole file: a square of `SIDE` pixels, below 20 kB."""
    return b"\xff\xd8" + b"".join((*_headers(), _scan(seed))) + b"\xff\xd9"


def _headers() -> Iterator[bytes]:
    yield _segment(0xE0, b"JFIF\x00\x01\x01\x00" + struct.pack(">HH", 1, 1) + b"\x00\x00")
    # A block's first coefficient is eight times its mean: dividing by eight keeps the levels as they are.
    yield _segment(0xDB, b"\x00" + bytes([8]) * 64)
    yield _segment(0xC0, struct.pack(">BHHB", 8, SIDE, SIDE, 3) + bytes([1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]))
    # Every size of a difference has a code of four bits; of the other coefficients only "none follow" is needed.
    yield _segment(0xC4, b"\x00" + bytes([0, 0, 0, 12] + [0] * 12) + bytes(range(12)))
    yield _segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\x00")
    yield _segment(0xDA, bytes([3, 1, 0, 2, 0, 3, 0, 0, 63, 0]))


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def _scan(seed: bytes) -> bytes:
    bits: list[str] = []
    before = (0, 0, 0)
    for colour in _picture(seed):
        bits.extend(_difference(level - old) for level, old in zip(colour, before, strict=True))
        before = colour
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    packed = int(text, 2).to_bytes(len(text) // 8, "big")
    return packed.replace(b"\xff", b"\xff\x00")


def _difference(value: int) -> str:
    """One block of one component: the step from the block before, then the end of the block."""
    size = abs(value).bit_length()
    positive = value if value > 0 else value + (1 << size) - 1
    return f"{size:04b}" + (f"{positive:0{size}b}" if size else "") + "0"


def _picture(seed: bytes) -> Iterator[_Colour]:
    hue, turn = seed[0] / 256, 0.15 + seed[1] / 1024
    centre_x, centre_y, radius = 8 + seed[2] % 24, 8 + seed[3] % 16, 4 + seed[4] % 7
    for y in range(_BLOCKS):
        for x in range(_BLOCKS):
            near = math.hypot(x - centre_x, y - centre_y) < radius
            height = y / _BLOCKS
            if near:
                yield _levels(colorsys.hsv_to_rgb((hue + 0.5) % 1, 0.35 + 0.4 * height, 1.0))
            else:
                yield _levels(colorsys.hsv_to_rgb((hue + turn * height) % 1, 0.75, 0.35 + 0.5 * height))


def _levels(rgb: tuple[float, float, float]) -> _Colour:
    """Luma and chroma around zero, as the JFIF standard converts them."""
    red, green, blue = (channel * 255 for channel in rgb)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return round(luma - 128), round(0.564 * (blue - luma)), round(0.713 * (red - luma))
