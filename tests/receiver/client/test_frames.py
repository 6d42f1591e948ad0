import random

import pytest

from receiver.client.frames import Frame, Frames

STREAM = (
    b"retry: 1000\nid: evt_0\n\n: nothing new\n\nid: evt_1\nevent: music.complete\ndata: {}\n\n"
    b"id:evt_2\r\ndata:a\r\ndata: b\r\n\r\ncolour: red\ndata\nid: x\0y\n\nid: half"
)
FRAMES = [
    Frame("evt_0", None),
    Frame(None, None),
    Frame("evt_1", b"{}"),
    Frame("evt_2", b"a\nb"),
    Frame(None, b""),
]


def test_frames_have_their_ids_and_data() -> None:
    assert list(Frames().feed(STREAM)) == FRAMES


@pytest.mark.parametrize("seed", range(20))
def test_however_it_is_cut_the_frames_are_the_same(seed: int) -> None:
    dice, frames, found, rest = random.Random(seed), Frames(), list[Frame](), STREAM
    while rest:
        size = dice.randint(1, 9)
        found += frames.feed(rest[:size])
        rest = rest[size:]
    assert found == FRAMES
