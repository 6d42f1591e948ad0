"""What `submit` shows after the request: how far the song is, what came of it, and who gets it only later."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, aclosing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field

from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from handlers.text import shorten
from receiver.cli import details, songs, waiting
from receiver.cli.context import err, out
from receiver.cli.desk import until_calm, until_final
from receiver.cli.lists import deliveries_of
from receiver.cli.songs import Json
from receiver.cli.source import Source
from receiver.cli.tables import show_pairs
from receiver.cli.times import moment
from receiver.errors import ReceiverError
from receiver.events import utc_now
from receiver.shapes import timestamp

_LOOK_S = 1.0
_SHOWN = 24


@dataclass
class Following:
    """One submission, watched for `seconds` at most. `changes` begins to tell when something happens to it.

    `quiet` prints no results: the caller does.
    """

    source: Source
    ident: str
    seconds: float
    changes: Callable[[], AsyncGenerator[object]]
    quiet: bool = False
    _over: float = field(init=False)

    def __post_init__(self) -> None:
        self._over = asyncio.get_running_loop().time() + self.seconds

    async def to_its_end(self) -> tuple[Json, bool]:
        """The submission as it is then, and whether all went well. Raises ReceiverError where the time is over."""
        view = await self._final()
        rows = await deliveries_of(self.source, self.ident)
        if not self.quiet:
            _print_song(view, rows or ())
        # A client's token shows no deliveries, and nobody is told more of what was refused.
        if rows is None or view["stage"] == "rejected":
            return view, songs.succeeded(view)
        before = songs.linked(view, rows)
        rows = list(await self._delivered())
        view = await self.source.get(f"/v1/submissions/{self.ident}")
        if not self.quiet and songs.linked(view, rows) != before:
            details.print_links(view, rows, "archived")
        for line in waiting.left(rows, await self._pauses(rows)):
            err.print(line, markup=False, soft_wrap=True)
        return view, songs.succeeded(view) and not any(row["state"] == "dead" for row in rows)

    async def _final(self) -> Json:
        later = f"Look later with `receiver submissions {self.ident}`."
        try:
            with _teller() as tell:
                async with asyncio.timeout_at(self._over), aclosing(self.changes()) as changes:
                    return await until_final(self.source, self.ident, tell, changes, _LOOK_S)
        except TimeoutError:
            raise ReceiverError(f"The time is over, the song goes on. {later}") from None
        except asyncio.CancelledError:
            err.print(f"No longer watched; the song goes on. {later}", markup=False, soft_wrap=True)
            raise

    async def _delivered(self) -> Sequence[Json]:
        """The deliveries, when none of them is worth a wait any more or the time is over."""
        seen: Sequence[Json] = ()

        async def look() -> Sequence[Json]:
            nonlocal seen
            seen = await deliveries_of(self.source, self.ident) or ()
            return seen

        with suppress(TimeoutError), _spinner():
            async with asyncio.timeout_at(self._over):
                await until_calm(look, waiting.worth_waiting, _LOOK_S)
        return seen

    async def _pauses(self, rows: Sequence[Json]) -> dict[str, str]:
        """Why handlers are paused, where their own deliveries don't say it."""
        if all(row["error"] for row in rows if waiting.is_paused(row)):
            return {}
        page = await self.source.get("/v1/events", {"type": "handler.paused", "limit": "50"})
        told = reversed([event for event in page["data"] if event["raw"] and event["error"]])
        return {event["raw"]["handler"]: event["error"]["message"] for event in told}


def _print_song(view: Json, rows: Sequence[Json]) -> None:
    out.print(Text(f"{view['id']}  {view['stage']}"), soft_wrap=True)
    show_pairs(out, songs.failure(view))
    details.print_links(view, rows)
    out.file.flush()


def _spinner() -> AbstractContextManager[object]:
    return err.status("The handlers get it …") if err.is_terminal else nullcontext()


@contextmanager
def _teller() -> Iterator[Callable[[Json], None]]:
    """Something that shows how far a submission is, whenever it is told: a bar on a terminal, lines in a pipe."""
    if not err.is_terminal:
        yield _Lines().tell
        return
    columns = (TextColumn("{task.description:10}"), BarColumn(30), TextColumn("{task.fields[title]}"))
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as progress:
        task = progress.add_task(songs.STEPS[0], total=len(songs.STEPS), title="")

        def tell(view: Json) -> None:
            title = escape(shorten(songs.title(view), _SHOWN))
            progress.update(task, description=view["stage"], completed=songs.step(view), title=title)

        yield tell


@dataclass
class _Lines:
    """A line whenever the stage is another one."""

    before: str = ""

    def tell(self, view: Json) -> None:
        if view["stage"] != self.before:
            self.before = view["stage"]
            now = moment(timestamp(utc_now()), "%H:%M:%S")
            err.print(f"{now}  {view['stage']:9}  {songs.title(view)}", markup=False, soft_wrap=True)
