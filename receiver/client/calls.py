"""The protocol: what is asked of `/v1` and the gateway, what is tried again, and what the answers become."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from receiver.client.frames import frames_of
from receiver.client.problems import ClientError, NoAnswer, NotFinal, Refused, no_answer, refusal
from receiver.client.words import Since, event_id, filters_of, page_of, read_event, read_submission, start_of, target_of
from receiver.errors import Outcome
from receiver.events import Event, Submission
from receiver.outbound import Answer, Flow, Http
from receiver.shapes import json_bytes

# How long one look waits at the receiver, which allows a minute.
_LOOK_S = 25.0
# Longer than the gateway waits for a provider.
_PATIENCE = timedelta(seconds=120)
# A stream says something every 15 seconds.
_SILENCE = timedelta(seconds=45)
_LONGEST_PAUSE_S = 30.0
_QUICK_S = 30
_LONGEST_BODY = 64 * 1024
# It may be otherwise soon: it starts, stops, or has too much to do.
_SOON = frozenset({429, 500, 502, 503, 504})


class AsyncReceiver:
    """A running receiver at `url`. The `token` is a client's, for what is its own, or the admin password, for all.

    Every method raises a ClientError. `pause` is how long it rests before what failed is tried again; it doubles.
    `notice` is told, in a sentence, when a stream is cut off.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        pause: timedelta = timedelta(seconds=1),
        notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ClientError(f"{url!r} is no address.", "Write http:// or https:// and the host.")
        self._url = url.rstrip("/")
        self._headers = {"authorization": f"Bearer {token}"}
        self._pause_s = pause.total_seconds()
        self._notice = notice
        self._http = Http()
        # Whoever has answered before comes back: only then is it worth trying again.
        self._met = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.close()

    async def submit(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        provider: str | None = None,
        labels: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Submission:
        """Sends the body to the provider's own path, once, and returns what became of it, accepted or not.

        `provider` is one of the configuration, else its default. With `idempotency_key` the same call may be repeated
        after a NoAnswer without a second song.
        """
        headers = {"content-type": "application/json"}
        if labels:
            headers["x-receiver-labels"] = ",".join(f"{name}={value}" for name, value in labels.items())
        if idempotency_key:
            headers["idempotency-key"] = idempotency_key
        target = f"/{quote(provider)}{path}" if provider else path
        try:
            answer = await self._http.request(
                "POST",
                self._url + target,
                headers={**self._headers, **headers},
                content=json_bytes(dict(body)),
                timeout=_PATIENCE,
            )
        except Outcome as failure:
            raise no_answer(failure, submitting=True) from None
        self._met = True
        ident = answer.headers.get("x-receiver-submission")
        if ident is None:
            raise refusal(answer.status, answer.body)
        return await self.get(ident)

    async def get(self, ident: str, provider: str | None = None) -> Submission:
        """A submission as it is now; by its id or its provider's task id."""
        return await self._look(ident, provider, 0, asyncio.get_running_loop().time() + _PATIENCE.total_seconds())

    async def wait(
        self, ident: str, timeout: timedelta = timedelta(minutes=15), provider: str | None = None
    ) -> Submission:
        """The submission when it is final: complete, failed, rejected or lost. Raises NotFinal when the time is over.

        It asks once in a while and is told at once. What cuts it off meanwhile is nothing to worry about.
        """
        clock = asyncio.get_running_loop().time
        over = clock() + timeout.total_seconds()
        while True:
            began, wanted = clock(), max(0.0, min(_LOOK_S, over - clock()))
            submission = await self._look(ident, provider, round(wanted), over)
            if submission.stage.is_final:
                return submission
            if clock() >= over:
                raise NotFinal(submission)
            if clock() - began < wanted - 1 or wanted < 1:
                # It stops, or it can't wait: not as fast as it answers.
                await asyncio.sleep(min(self._pause_s, max(0.0, over - clock())))

    async def list(
        self, *, since: Since = None, labels: Mapping[str, str] | None = None, **filters: str
    ) -> AsyncGenerator[Submission]:
        """All submissions, newest first. Filters: `q`, `stage`, `provider`, and for the admin `client`."""
        params = {**filters_of(filters, labels), **start_of(since), "limit": "200"}
        while True:
            page = page_of(await self._read(target_of("/v1/submissions", params)))
            for submission in page.data:
                yield submission
            if page.next is None:
                return
            params["cursor"] = page.next

    async def events(
        self,
        since: Since = None,
        *,
        submission: str | None = None,
        labels: Mapping[str, str] | None = None,
        **filters: str,
    ) -> AsyncGenerator[Event]:
        """Events as they happen, in the order in which they were stored, each once, also across cuts.

        `since` is an event or its id, to go on behind it; or a time, or how long ago; None: from now on. Those of one
        `submission` begin with its first and end when it is final. Filters: `type` (with `*`), `level`, `stage`,
        `provider`, and for the admin `client`.
        """
        last = event_id(since)
        params = {**filters_of(filters, labels), **({} if last else start_of(since))}
        path = f"/v1/submissions/{quote(submission, safe='')}/events" if submission else "/v1/stream"
        failures, told = 0, False
        while True:
            headers = {"last-event-id": last} if last else {}
            try:
                url = self._url + target_of(path, params)
                async with self._http.stream(url, headers=self._headers | headers, silence=_SILENCE) as flow:
                    if flow.status == 204:
                        return
                    await self._check(flow)
                    async for frame in frames_of(flow.chunks):
                        failures, told = 0, False
                        if frame.id:
                            last = frame.id
                            # How long ago that was is longer by now.
                            params.pop("since", None)
                        if frame.data is not None:
                            yield read_event(frame.data)
            except Outcome as failure:
                if not self._met:
                    raise no_answer(failure) from None
                told = self._tell(failure.reason, told)
            except Refused as refused:
                if refused.status not in _SOON:
                    raise
                told = self._tell(str(refused), told)
            await asyncio.sleep(self._rest_s(failures))
            failures += 1

    def _tell(self, reason: str, told: bool) -> bool:
        """Once for each cut."""
        if not told:
            self._notice(f"Cut off ({reason.rstrip('.')}): it goes on when the receiver is back.")
        return True

    async def _check(self, flow: Flow) -> None:
        """Raises Refused where this is no stream."""
        if flow.status == 200:
            self._met = True
            return
        body = b""
        async for chunk in flow.chunks:
            body += chunk
            if len(body) > _LONGEST_BODY:
                break
        raise refusal(flow.status, body)

    async def _look(self, ident: str, provider: str | None, wait: int, over: float) -> Submission:
        """One look, tried again until `over` where the receiver is away for a moment."""
        params = {name: text for name, text in (("wait", str(wait or "")), ("provider", provider)) if text}
        target = target_of(f"/v1/submissions/{quote(ident, safe='')}", params)
        failures, clock = 0, asyncio.get_running_loop().time
        while True:
            try:
                answer = await self._read(target, wait)
                break
            except NoAnswer:
                if clock() >= over or not self._met:
                    raise
            except Refused as refused:
                if clock() >= over or refused.status not in _SOON:
                    raise
            await asyncio.sleep(min(self._rest_s(failures), max(0.0, over - clock())))
            failures += 1
        return read_submission(answer.body)

    async def _read(self, target: str, wait: int = 0) -> Answer:
        """`wait` is how many seconds the answer may be held back. Raises NoAnswer or Refused."""
        try:
            answer = await self._http.request(
                "GET", self._url + target, headers=self._headers, timeout=timedelta(seconds=wait + _QUICK_S)
            )
        except Outcome as failure:
            raise no_answer(failure) from None
        if answer.status != 200:
            raise refusal(answer.status, answer.body)
        self._met = True
        return answer

    def _rest_s(self, failures: int) -> float:
        return min(self._pause_s * 2.0 ** min(failures, 10), _LONGEST_PAUSE_S)
