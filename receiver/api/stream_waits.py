"""Waiting for a submission to be final, for as long as whoever asked is still there."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from starlette.types import Receive

from receiver.api.stream_filters import ends
from receiver.api.stream_hub import Hub, Listener
from receiver.errors import Rejection
from receiver.events import Submission

LONGEST_S = 60

Look = Callable[[], Awaitable[Submission | None]]


def read_wait(text: str | None) -> timedelta:
    """How long to wait, a minute at most. Raises Rejection: 400."""
    if text is None:
        return timedelta()
    if not (text.isascii() and text.isdigit()):
        raise Rejection(400, "Bad Request", f"Give wait as whole seconds, up to {LONGEST_S}.")
    # A number of a thousand digits is one too.
    return timedelta(seconds=min(int(text[:4]), LONGEST_S) if len(text) < 5 else LONGEST_S)


async def left(receive: Receive) -> None:
    """Returns when the client went away."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def until_final(hub: Hub, submission_id: str, look: Look, at_most: timedelta, receive: Receive) -> None:
    """Returns when the submission is final, the time is over, the client is gone, or this process stops.

    Raises Rejection: 503 where too many wait.
    """
    async with hub.listen(lambda event: event.submission_id == submission_id) as listener:
        waiting = asyncio.create_task(_wait(listener, look, at_most))
        gone = asyncio.create_task(left(receive))
        try:
            await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            gone.cancel()
            await asyncio.gather(waiting, gone, return_exceptions=True)
        if not waiting.cancelled():
            waiting.result()


async def _wait(listener: Listener, look: Look, at_most: timedelta) -> None:
    """Looks only after it listens: what happened before is seen, what happens later is heard."""
    found = await look()
    if found is None or found.stage.is_final:
        return
    clock = asyncio.get_running_loop().time
    over = clock() + at_most.total_seconds()
    while news := await listener.next(timedelta(seconds=over - clock())):
        if ends(news.event):
            return
