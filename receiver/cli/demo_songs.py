"""The demo's songs: what is asked for, what goes wrong on the way, and how they look while they come. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from receiver.cli import songs
from receiver.cli.songs import Json
from receiver.cli.times import moment
from receiver.simulator import Script

SLOW = Script(text_after=1.0, first_after=3.0, complete_after=5.0)
FAST = Script(text_after=0.1, first_after=0.2, complete_after=0.3)

_TITLES = ("Night Ferry", "Paper Lanterns", "Copper Rain", "Salt Harbour", "Winter Orchard", "Last Signal")
_TWISTS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("every callback comes once", {}),
    ("no `first`; the others come 3 times", {"lose": ["first"], "duplicates": 3}),
    ("the provider fails", {"fail": 501}),
)
_BAR, _TITLE, _TYPE, _SHOWN = 18, 20, 22, 8
_STYLES = {"problem": "yellow", "failed": "red", "complete": "green"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A song to be: `twist` says what happens to it, `simulate` tells the pretend provider."""

    title: str
    twist: str
    simulate: Mapping[str, Any] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        """The request of a client: https://docs.sunoapi.org/suno-api/generate-music"""
        return {
            "customMode": True,
            "instrumental": False,
            "model": "V5",
            "title": self.title,
            "style": "indie folk, warm, acoustic",
            "prompt": f"[Verse]\n{self.title}, the tide keeps time with me",
            "simulate": dict(self.simulate),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """A song on its way; `view` is its submission in the API's words."""

    plot: Plot
    view: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All that is shown at one time; `events` are of these songs, the newest first."""

    songs: Sequence[Song]
    events: Sequence[Json] = ()


def plots(count: int) -> list[Plot]:
    """The first one goes well, the second one's callbacks do not, the third one fails; more of them go well."""
    return [
        Plot(title=_titled(number), twist=twist, simulate=simulate)
        for number in range(count)
        for twist, simulate in [_TWISTS[number] if number < len(_TWISTS) else _TWISTS[0]]
    ]


def _titled(number: int) -> str:
    again, place = divmod(number, len(_TITLES))
    return f"{_TITLES[place]} {again + 1}" if again else _TITLES[place]


def picture(now: Picture) -> RenderableType:
    """The timeline: a bar for each song, below them the last events. Made for 80 cells, and narrower ones."""
    return Group(_bars(now.songs), Text(), *_event_lines(now))


def _bars(shown: Sequence[Song]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=_TITLE, no_wrap=True, overflow="ellipsis")
    table.add_column(width=_BAR)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for song in shown:
        style = "red" if songs.is_final(song.view) and not songs.succeeded(song.view) else "cyan"
        done = reached(song.view)
        bar = ProgressBar(len(songs.STEPS), done, width=_BAR, complete_style=style, finished_style="green")
        table.add_row(Text(song.plot.title, style="bold"), bar, Text(said(song.view)))
        table.add_row(Text(), Text(), Text(song.plot.twist, style="dim"))
    return table


def reached(view: Json) -> int:
    """How many of the steps are behind it, archived included."""
    return len(songs.STEPS) if is_over(view) and songs.succeeded(view) else songs.step(view)


def said(view: Json) -> str:
    """How far it is, in a word."""
    return songs.STEPS[-1] if is_over(view) and songs.succeeded(view) else str(view["stage"])


def is_over(view: Json) -> bool:
    """Final, and everything that a handler was to get is delivered."""
    return songs.is_final(view) and bool(view["deliveries"]) and songs.waiting(view) == 0


def _event_lines(now: Picture) -> Iterator[Text]:
    titles = {song.view["id"]: song.plot.title for song in now.songs}
    for event in reversed(now.events[:_SHOWN]):
        style = _STYLES.get(event["stage"] or "") or _STYLES.get(event["level"], "")
        line = Text(moment(event["received_at"], "%H:%M:%S"), style="dim")
        line.append(f"  {event['type']:{_TYPE}}", style=style or "default")
        line.append(titles.get(event["submission_id"], ""), style="default")
        line.no_wrap, line.overflow = True, "ellipsis"
        yield line


def event_line(event: Json, titles: Mapping[str, str]) -> str:
    """The same for a pipe."""
    title = titles.get(event["submission_id"], "")
    return f"{moment(event['received_at'], '%H:%M:%S')}  {event['type']:{_TYPE}}{title}"


def summary(song: Song, deliveries: Sequence[Json], folder: Path) -> Iterator[str]:
    """What became of a song: its tracks with their paths and lasting links."""
    yield f"{song.plot.title}: {said(song.view)}"
    audio = [file for file in songs.archived_files(deliveries) if file["role"] == "audio"]
    for number, file in enumerate(audio, 1):
        yield f"  track {number}  {folder / file['key']}"
        yield f"    {file['link']}"
