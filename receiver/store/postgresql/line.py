"""The connection that stays: it hears what other processes ring, rings for them, and holds what only one may hold."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from receiver.store.postgresql.connections import Connection
from receiver.store.postgresql.faults import OF_THE_DATABASE

_CHANNEL = "receiver"
# Seconds. A quiet line is looked at so often, a broken one is made anew after so many; a question may take this long.
_LOOK, _REST, _ANSWER = 10.0, 1.0, 5.0
# What was true so many seconds ago is believed without asking.
_BELIEVED = 2.0

_TELL = "SELECT pg_notify($1, $2)"
# A lock that is held stands for as long as its connection does.
_STANDS = "SELECT $1::text IS NOT NULL"
_HOLD = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"

_log = logging.getLogger(__name__)


class Line:
    """`heard` gets the words that other processes told, or None where some may have been missed.

    `greet` is run on its connection, at first and then every few seconds.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        greet: Callable[[Connection], Awaitable[None]],
        heard: Callable[[Iterable[str] | None], None],
    ) -> None:
        self._connect = connect
        self._greet = greet
        self._heard = heard
        self._connection: Connection | None = None
        self._untold: set[str] = set()
        self._something = asyncio.Event()
        self._asking = asyncio.Lock()
        self._mine: dict[str, float] = {}
        self._greeted = float("-inf")
        self._broken = False
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Raises what asyncpg does."""
        await self._begin()
        self._task = asyncio.create_task(self._serve(), name="line")

    async def close(self) -> None:
        """Lets go of everything that is held."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def tell(self, word: str) -> None:
        """To all other processes, soon. What a broken line loses, their own slow look finds."""
        self._untold.add(word)
        self._something.set()

    async def holds(self, name: str) -> bool:
        """Whether this process holds this name, of which only one process can; takes it where nobody does."""
        now = asyncio.get_running_loop().time
        if now() - self._mine.get(name, float("-inf")) < _BELIEVED:
            return True
        async with self._asking:
            connection = self._connection
            if connection is None or connection.is_closed():
                return False
            try:
                held = await connection.fetchval(_STANDS if name in self._mine else _HOLD, name, timeout=_ANSWER)
            except OF_THE_DATABASE:
                # Whether the lock is still held nobody knows: this connection is given up, and it with it.
                connection.terminate()
                self._mine.clear()
                return False
            if held and connection is self._connection:
                self._mine[name] = now()
            return bool(held)

    async def _serve(self) -> None:
        while True:
            try:
                if self._connection is None:
                    await self._begin()
                    _log.warning("the line to the database stands again")
                    self._broken = False
                    # Whoever rang while nobody listened.
                    self._heard(None)
                await self._talk()
            except OF_THE_DATABASE as error:
                self._say(error)
            finally:
                self._mine.clear()
                connection, self._connection = self._connection, None
                if connection is not None:
                    connection.terminate()
            await asyncio.sleep(_REST)

    async def _begin(self) -> None:
        connection = await self._connect()
        self._connection = connection
        connection.add_termination_listener(self._broke)
        await connection.add_listener(_CHANNEL, self._hear)

    async def _talk(self) -> None:
        connection = self._connection
        while connection and not connection.is_closed():
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._something.wait()
            self._something.clear()
            await self._speak(connection)

    async def _speak(self, connection: Connection) -> None:
        now = asyncio.get_running_loop().time
        async with self._asking:
            if words := self._untold:
                self._untold = set()
                await connection.execute(_TELL, _CHANNEL, " ".join(sorted(words)), timeout=_ANSWER)
            if now() - self._greeted >= _LOOK:
                await self._greet(connection)
                self._greeted = now()

    def _say(self, error: BaseException) -> None:
        """Once, however long it takes."""
        if not self._broken:
            _log.warning("the line to the database broke, and is made anew: %s", type(error).__name__)
        self._broken = True

    def _broke(self, connection: object) -> None:
        self._something.set()

    def _hear(self, connection: object, pid: int, channel: str, payload: object) -> None:
        mine = self._connection
        if isinstance(payload, str) and not (mine and not mine.is_closed() and pid == mine.get_server_pid()):
            self._heard(payload.split())
