from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from receiver.cli.demo_songs import Picture, Plot, Song, event_line, is_over, picture, plots, reached, said, summary

DELIVERED, RUNNING = {"state": "delivered"}, {"state": "running"}


def view(stage: str = "complete", deliveries: list[Any] | None = None, ident: str = "sub_1") -> dict[str, Any]:
    return {
        "id": ident,
        "operation": "generate",
        "stage": stage,
        "results": [],
        "error": None,
        "deliveries": [DELIVERED] if deliveries is None else deliveries,
    }


def event(number: int = 1, submission_id: str = "sub_1") -> dict[str, Any]:
    return {
        "type": "music.first",
        "stage": "first",
        "level": "info",
        "submission_id": submission_id,
        "received_at": f"2026-11-21T12:00:{number:02}.000Z",
    }


def song(stage: str = "complete", title: str = "Night Ferry") -> Song:
    return Song(plot=Plot(title=title, twist="all goes well"), view=view(stage))


def drawn(now: Picture, width: int = 80) -> list[str]:
    text = StringIO()
    Console(file=text, width=width, force_terminal=True, color_system=None).print(picture(now))
    return text.getvalue().splitlines()


def test_three_songs_go_well_go_wrong_and_fail() -> None:
    assert [dict(plot.simulate) for plot in plots(3)] == [{}, {"lose": ["first"], "duplicates": 3}, {"fail": 501}]


def test_more_songs_go_well_and_each_has_a_title_of_its_own() -> None:
    made = plots(12)
    assert all(not plot.simulate for plot in made[3:])
    assert len({plot.title for plot in made}) == 12
    assert made[0].body["title"] == made[0].title


@pytest.mark.parametrize(
    ("stage", "deliveries", "over", "word", "steps"),
    [
        ("text", [DELIVERED], False, "text", 3),
        ("complete", [], False, "complete", 5),
        ("complete", [DELIVERED, RUNNING], False, "complete", 5),
        ("complete", [DELIVERED], True, "archived", 6),
        ("failed", [DELIVERED], True, "failed", 1),
    ],
    ids=["on its way", "not routed", "being archived", "archived", "failed"],
)
def test_a_song_is_over_once_everybody_was_told(
    stage: str, deliveries: list[Any], over: bool, word: str, steps: int
) -> None:
    shown = view(stage, deliveries)
    assert (is_over(shown), said(shown), reached(shown)) == (over, word, steps)


@pytest.mark.parametrize("width", [80, 60])
def test_the_timeline_fits_80_by_24_and_narrower(width: int) -> None:
    songs = [song(title="A title that is longer than its column"), song("failed"), song("text")]
    lines = drawn(Picture(songs=songs, events=[event(number) for number in range(40)]), width)
    assert len(lines) <= 20
    assert all(cell_len(line) <= width for line in lines)
    assert "archived" in lines[0]


def test_the_last_events_stand_below_the_songs_oldest_first() -> None:
    lines = drawn(Picture(songs=[song()], events=[event(2), event(1)]))
    assert [line.split()[1:] for line in lines[-2:]] == [["music.first", "Night", "Ferry"]] * 2
    assert lines[-2] < lines[-1]


def test_a_pipe_gets_a_line_for_each_event() -> None:
    line = event_line(event(), {"sub_1": "Night Ferry"})
    assert line.split() == [line[:8], "music.first", "Night", "Ferry"]


def test_the_end_names_each_track_with_its_path_and_link() -> None:
    files = [
        {"result_id": ident, "role": role, "key": f"{ident}.{role}", "link": f"http://127.0.0.1:1/files/{ident}{role}"}
        for ident in ("r1", "r2")
        for role in ("audio", "image")
    ]
    assert list(summary(song(), [{"receipt": {"files": files}}], Path("data/songs"))) == [
        "Night Ferry: archived",
        "  track 1  data/songs/r1.audio",
        "    http://127.0.0.1:1/files/r1audio",
        "  track 2  data/songs/r2.audio",
        "    http://127.0.0.1:1/files/r2audio",
    ]
