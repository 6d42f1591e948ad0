"""The simulated provider itself: it takes requests, keeps tasks, and calls back in the background as scripted."""

import asyncio
import hmac
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from receiver.errors import Outcome
from receiver.events import utc_now
from receiver.outbound import Http
from receiver.simulator import media
from receiver.simulator.made import SHAPES, instant
from receiver.simulator.media import CutOff
from receiver.simulator.script import Script, StageWord, adapt
from receiver.simulator.shapes import bad_gateway, callback_body, envelope, malformed_body, status_body
from receiver.simulator.songs import make_songs
from receiver.simulator.tasks import INSTANT, MADE, OPERATIONS, Sent, Task, plan

# What the provider's callback pages state: https://docs.sunoapi.org/suno-api/generate-music-callbacks
_CALLBACK_TIMEOUT = timedelta(seconds=15)
_TRIES = 3
# Longer than any client waits for an answer.
_HANG_S = 3600.0
_CREDITS = 10_000
_CREDITS_PER_TASK = 12
_SUBMITTED = {**OPERATIONS, **MADE}


class _Refusal(Exception):
    """A body code other than 200. sunoapi.org repeats most of them as the HTTP status, but not 422."""

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg


@dataclass(kw_only=True, eq=False)
class Simulator:
    """`base_url` is the address that `app` is served under; the media links begin with it. No `api_key`: any will do.

    `sleep` takes seconds. `tasks` is for tests and for looking on: each by its id, oldest first.
    """

    http: Http = field(repr=False)
    base_url: str
    entropy: random.Random = field(repr=False)
    script: Script = field(default_factory=Script)
    api_key: str | None = field(default=None, repr=False)
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, repr=False)
    now: Callable[[], datetime] = field(default=utc_now, repr=False)
    tasks: dict[str, Task] = field(default_factory=dict, init=False)
    app: Starlette = field(init=False, repr=False)
    _running: set[asyncio.Task[None]] = field(default_factory=set, init=False, repr=False)

    def __post_init__(self) -> None:
        posts = [
            *(Route(path, self._submit, methods=["POST"]) for path in _SUBMITTED),
            *(Route(path, self._answer, methods=["POST"]) for path in INSTANT),
        ]
        records = {"/api/v1/generate/record-info", *(shape.record for shape in SHAPES.values())}
        gets = [
            *(Route(path, self._status) for path in sorted(records)),
            Route("/api/v1/generate/credit", self._credit),
            Route("/media/{task}/{name}", self._media),
            Route("/media/{task}/{fresh}/{name}", self._media),
        ]
        handlers: dict[Any, Any] = {_Refusal: _refuse, HTTPException: _refuse_path}
        self.app = Starlette(routes=posts + gets, exception_handlers=handlers, lifespan=self._lifespan)

    async def close(self) -> None:
        """Ends what is on its way; stages that were not reached never come."""
        running = tuple(self._running)
        for work in running:
            work.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def drain(self) -> None:
        """Waits until every task has been through all its stages, and its callbacks are sent or given up."""
        while self._running:
            await asyncio.wait(self._running)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        yield
        await self.close()

    async def _submit(self, request: Request) -> Response:
        self._check_key(request)
        wanted = await _json_object(request)
        script = self._script_for(wanted)
        field = _SUBMITTED[request.url.path].field
        if not isinstance(wanted.get(field), str) or not wanted[field]:
            raise _Refusal(400, "Please enter callBackUrl.")
        if script.reply == "refuse":
            raise _Refusal(422, "The request was refused: check its parameters.")
        task = self._make_task(request, wanted, script)
        self._start(self._perform(task))
        if script.callback_before_reply:
            await task.called.wait()
        return await self._reply(request, task)

    async def _status(self, request: Request) -> Response:
        self._check_key(request)
        query = request.query_params
        # Only a recovery is asked for under the second name.
        task = self.tasks.get(query.get("taskId") or query.get("task_id", ""))
        if task is None:
            return JSONResponse(envelope(200, "success"))
        task.refresh()
        return JSONResponse(status_body(task, self.base_url))

    async def _answer(self, request: Request) -> Response:
        """What is made at once, of a task that may be known here."""
        self._check_key(request)
        wanted = await _json_object(request)
        if self._script_for(wanted).reply == "refuse":
            raise _Refusal(422, "The request was refused: check its parameters.")
        task = self.tasks.get(str(wanted.get("taskId", "")))
        made = instant(INSTANT[request.url.path], wanted, list(task.songs) if task else [])
        return JSONResponse(envelope(200, "success", made))

    async def _credit(self, request: Request) -> Response:
        """Falls with every task: a test can see that nothing was billed twice."""
        self._check_key(request)
        return JSONResponse(envelope(200, "success", _CREDITS - _CREDITS_PER_TASK * len(self.tasks)))

    async def _media(self, request: Request) -> Response:
        task = self.tasks.get(request.path_params["task"])
        return Response(status_code=404) if task is None else media.serve(request, task)

    def _check_key(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        expected = key if self.api_key is None else self.api_key
        known = hmac.compare_digest(key.encode(), expected.encode())
        if scheme.lower() != "bearer" or not key or not known:
            raise _Refusal(401, "You do not have access permissions.")

    def _script_for(self, wanted: dict[str, Any]) -> Script:
        if "simulate" not in wanted:
            return self.script
        try:
            return adapt(self.script, wanted["simulate"])
        except ValueError as error:
            raise _Refusal(422, str(error)) from None

    def _make_task(self, request: Request, wanted: dict[str, Any], script: Script) -> Task:
        task_id = f"{self.entropy.getrandbits(128):032x}"
        operation = _SUBMITTED[request.url.path]
        task = Task(
            id=task_id,
            operation=operation,
            request=wanted,
            headers=dict(request.headers),
            script=script,
            created_at=self.now(),
            songs=make_songs(task_id, wanted, min(script.tracks, operation.tracks), self.entropy),
        )
        self.tasks[task_id] = task
        return task

    async def _reply(self, request: Request, task: Task) -> Response:
        name = "task_id" if task.operation.shape == "recovery" else "taskId"
        reply = JSONResponse(envelope(200, "success", {name: task.id}))
        match task.script.reply:
            case "html":
                return HTMLResponse(bad_gateway(), 502)
            case "reset":
                return CutOff(reply.body, media_type="application/json")
            case "hang":
                await self._hang(request)
                return HTMLResponse(bad_gateway(), 504)
            case "slow":
                await self.sleep(task.script.reply_after)
        return reply

    async def _hang(self, request: Request) -> None:
        """Until the client has gone, or the simulator is closed."""
        waits = {self._start(self._pause(_HANG_S)), self._start(_until_gone(request))}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _pause(self, seconds: float) -> None:
        await self.sleep(seconds)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        running = asyncio.create_task(work)
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return running

    async def _perform(self, task: Task) -> None:
        calling = True
        try:
            for step in plan(task.script, task.operation):
                await self.sleep(step.pause)
                task.stage, task.whole = step.stage, step.whole
                for stage in step.calls:
                    calling = calling and await self._call(task, stage)
        finally:
            task.called.set()

    async def _call(self, task: Task, stage: StageWord) -> bool:
        """False when the provider gives up on this task's callbacks."""
        body: Any = callback_body(task, stage, self.base_url)
        if stage in task.script.malformed:
            body = malformed_body(body, task.script.malformed_as)
        for attempt in range(_TRIES if task.script.retry_callbacks else 1):
            if attempt:
                await self.sleep(task.script.retry_after)
            status = await self._post(task.request[task.operation.field], body)
            task.callbacks.append(Sent(stage, body, status))
            task.called.set()
            if status == 200:
                return True
        return not task.script.retry_callbacks

    async def _post(self, url: str, body: Any) -> int | None:
        """The answer's status, None where none came. A text is sent as it is."""
        try:
            if isinstance(body, str):
                headers = {"content-type": "application/json"}
                content = body.encode()
                answer = await self.http.request(
                    "POST", url, headers=headers, content=content, timeout=_CALLBACK_TIMEOUT
                )
            else:
                answer = await self.http.request("POST", url, json=body, timeout=_CALLBACK_TIMEOUT)
        except Outcome:
            return None
        return answer.status


async def _json_object(request: Request) -> dict[str, Any]:
    try:
        wanted = json.loads(await request.body())
    except (ValueError, RecursionError):
        wanted = None
    if not isinstance(wanted, dict):
        raise _Refusal(400, "The request must be a JSON object.")
    return wanted


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _refuse(request: Request, refusal: _Refusal) -> Response:
    return JSONResponse(envelope(refusal.code, refusal.msg), 200 if refusal.code == 422 else refusal.code)


async def _refuse_path(request: Request, error: HTTPException) -> Response:
    """The provider answers a wrong path and a wrong method alike."""
    return JSONResponse(envelope(404, "Not Found"), 404)
