"""What the demo does, as a client would over HTTP: submits its songs, shows them coming, and says where they are."""

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from rich.live import Live
from rich.text import Text

from receiver.cli import demo_songs, songs
from receiver.cli.context import out
from receiver.cli.demo_folder import DemoFolder
from receiver.cli.demo_songs import Picture, Plot, Song
from receiver.cli.desk import Desk
from receiver.cli.lists import deliveries_of
from receiver.cli.program import program
from receiver.cli.songs import Json
from receiver.cli.submitting import send
from receiver.cli.tables import show_pairs
from receiver.errors import ReceiverError
from receiver.shapes import json_bytes, timestamp

_LOOK_S = 0.2
_PATIENCE_S = 60.0
_PATH = "/suno/api/v1/generate"


@dataclass(frozen=True, slots=True)
class Story:
    desk: Desk
    folder: DemoFolder
    began_at: datetime

    async def tell(self, plots: Sequence[Plot]) -> None:
        """Raises ReceiverError where the songs don't come to their ends in time."""
        idents = [await send(self.desk, _PATH, json_bytes(plot.body), {"demo": "yes"}) for plot in plots]
        try:
            with _screen() as show:
                async with asyncio.timeout(_PATIENCE_S):
                    last = await self._watch(plots, idents, show)
        except TimeoutError:
            raise ReceiverError(f"The songs did not come in time; {self.folder.log} says more.") from None
        await self._conclude(last)

    async def _watch(self, plots: Sequence[Plot], idents: Sequence[str], show: Callable[[Picture], None]) -> Picture:
        while True:
            now = await self._look(plots, idents)
            show(now)
            if all(demo_songs.is_over(song.view) for song in now.songs):
                return now
            await asyncio.sleep(_LOOK_S)

    async def _look(self, plots: Sequence[Plot], idents: Sequence[str]) -> Picture:
        views: Sequence[Json] = await asyncio.gather(*(self._view(ident) for ident in idents))
        params = {"since": timestamp(self.began_at), "limit": "200"}
        events = (await self.desk.source.get("/v1/events", params))["data"]
        ours = [event for event in events if event["submission_id"] in idents]
        shown = [Song(plot=plot, view=view) for plot, view in zip(plots, views, strict=True)]
        return Picture(songs=shown, events=ours)

    def _view(self, ident: str) -> Awaitable[Json]:
        return self.desk.source.get(f"/v1/submissions/{ident}")

    async def _conclude(self, last: Picture) -> None:
        out.print()
        for song in last.songs:
            rows = await deliveries_of(self.desk.source, song.view["id"]) or []
            head, *rest = demo_songs.summary(song, rows, self.folder.songs)
            out.print(Text(head, style="bold"), soft_wrap=True)
            for line in rest:
                out.print(Text(line), soft_wrap=True)
            show_pairs(out, songs.failure(song.view), indent=2)
        for line in self._next():
            out.print(Text(line), soft_wrap=True)

    def _next(self) -> Iterator[str]:
        yield ""
        yield f"database  {self.folder.database}"
        yield f"log       {self.folder.log}"
        yield f"next      {program()} submissions --config {shlex.quote(str(self.folder.config))}"


@contextmanager
def _screen() -> Iterator[Callable[[Picture], None]]:
    """A timeline that moves on a terminal; a line for each event in a pipe."""
    if not out.is_terminal:
        yield _Lines().show
        return
    with Live(console=out, auto_refresh=False, vertical_overflow="crop") as live:
        yield lambda now: live.update(demo_songs.picture(now), refresh=True)


@dataclass
class _Lines:
    """The events that were not told yet."""

    told: set[str] = field(default_factory=set)

    def show(self, now: Picture) -> None:
        titles = {song.view["id"]: song.plot.title for song in now.songs}
        for event in reversed(now.events):
            if event["id"] not in self.told:
                self.told.add(event["id"])
                out.print(Text(demo_songs.event_line(event, titles)), soft_wrap=True)
        out.file.flush()
