"""The client for programs without an event loop: the same calls, run in a thread of their own."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Generator, Mapping
from datetime import timedelta
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar

from receiver.client.calls import AsyncReceiver
from receiver.client.words import Since
from receiver.events import Event, Submission

T = TypeVar("T")


class Receiver:
    """A running receiver at `url`; see AsyncReceiver, whose methods these are.

    To be closed, or used in a `with`. It may be used wherever a call may block, in a notebook too.
    """

    def __init__(self, url: str, token: str, *, pause: timedelta = timedelta(seconds=1)) -> None:
        self._calls = AsyncReceiver(url, token, pause=pause)
        self._loop = asyncio.new_event_loop()
        # A daemon: a program that forgets to close it ends nevertheless.
        self._thread = Thread(target=self._loop.run_forever, name="receiver-client", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._loop.is_closed():
            return
        self._run(self._calls.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def submit(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        provider: str | None = None,
        labels: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Submission:
        """Sends the body to the provider's own path, once, and returns what became of it, accepted or not."""
        return self._run(
            self._calls.submit(path, body, provider=provider, labels=labels, idempotency_key=idempotency_key)
        )

    def get(self, ident: str, provider: str | None = None) -> Submission:
        """A submission as it is now; by its id or its provider's task id."""
        return self._run(self._calls.get(ident, provider))

    def wait(self, ident: str, timeout: timedelta = timedelta(minutes=15), provider: str | None = None) -> Submission:
        """The submission when it is final. Raises NotFinal when the time is over."""
        return self._run(self._calls.wait(ident, timeout, provider))

    def list(
        self, *, since: Since = None, labels: Mapping[str, str] | None = None, **filters: str
    ) -> Generator[Submission]:
        """All submissions, newest first."""
        return self._each(self._calls.list(since=since, labels=labels, **filters))

    def events(
        self,
        since: Since = None,
        *,
        submission: str | None = None,
        labels: Mapping[str, str] | None = None,
        **filters: str,
    ) -> Generator[Event]:
        """Events as they happen, each once, also across cuts."""
        return self._each(self._calls.events(since, submission=submission, labels=labels, **filters))

    def _each(self, source: AsyncGenerator[T]) -> Generator[T]:
        async def following() -> T | None:
            return await anext(source, None)

        try:
            while (item := self._run(following())) is not None:
                yield item
        finally:
            if not self._loop.is_closed():
                self._run(source.aclose())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            # Whatever breaks off the waiting here, such as Ctrl-C, breaks off the call too.
            future.cancel()
