"""Requests of ours to a provider: its key, its address, one try, and how many of them it is asked to bear."""

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta

from receiver.outbound import Http
from receiver.providers.base import Provider, Reply, Request


async def call(http: Http, provider: Provider, request: Request, timeout: timedelta) -> Reply:
    """Never repeated. Raises NotSent, Unreachable or TooLarge."""
    answer = await http.request(
        request.method,
        provider.base_url.rstrip("/") + request.path,
        headers={**request.headers, **provider.credentials()},
        content=request.body or None,
        timeout=timeout,
    )
    return Reply(status=answer.status, headers=answer.headers, body=answer.body)


@dataclass(slots=True)
class Budget:
    """At most `count` calls in any `period`."""

    count: int
    period: timedelta
    _starts: deque[float] = field(default_factory=deque)

    def delay(self, now: float) -> float:
        """How many seconds the next call has to wait; its place is taken. `now` is in seconds of any steady clock."""
        at = now
        if len(self._starts) == self.count:
            at = max(now, self._starts.popleft() + self.period.total_seconds())
        self._starts.append(at)
        return at - now
