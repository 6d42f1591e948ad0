"""HTTP through: the gateway between a client and a provider. A submission is stored before it is forwarded."""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import unquote

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from receiver.calls import call
from receiver.errors import NotSent, Outcome, Rejection, StoreError, Unrecognised
from receiver.events import Failure, Kind, Stage, Submission
from receiver.intake import Intake
from receiver.outbound import Http, redact
from receiver.providers.base import Operation, Provider, Reply, Request, Verdict
from receiver.stages import Change, Moment, Report, replied
from receiver.store.base import Store
from receiver.tokens import redact_tokens
from receiver.web.access import Access, Identity
from receiver.web.answers import not_found, too_slow
from receiver.web.bodies import BodyTooLarge, read_body

logger = logging.getLogger(__name__)

_FORWARDED = ("accept", "accept-language", "content-type", "user-agent")
_RETURNED = ("content-type", "content-language", "retry-after", "x-request-id", "cache-control", "etag")
_PATIENCE = 60.0
_LABEL = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MOST_LABELS, _LONGEST_LABEL = 20, 256


@dataclass(frozen=True, slots=True)
class Carried:
    """How a submission went: what it means, and the provider's answer where there is one."""

    verdict: Verdict
    reply: Reply | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """Serves `/{provider}/{path}` and, for the default provider, `/api/{path}`.

    `callback_url` makes the capability URL of a submission. `body_limit` is in bytes. `timeout` is how long the
    provider may take: longer than it ever needs, because an answer that comes too late is an outcome unknown.
    After `stop`, submissions that are under way have `grace` to be answered.
    """

    store: Store
    intake: Intake
    http: Http
    access: Access
    providers: Mapping[str, Provider]
    default: str | None
    callback_url: Callable[[Submission], str]
    client_labels: Mapping[str, Mapping[str, str]]
    body_limit: int
    timeout: timedelta = timedelta(seconds=100)
    grace: timedelta = timedelta(seconds=4)
    _under_way: set[asyncio.Task[Carried]] = field(default_factory=set)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Until `stop`; then what is under way is answered, or recorded as unknown."""
        await self._stopping.wait()
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=self.grace.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def stop(self) -> None:
        self._stopping.set()

    async def serve(self, http: HttpRequest) -> Response:
        """Raises Rejection."""
        name, path = self._address(http)
        identity = await self.access.identify(http)
        request = Request(
            method=http.method,
            path=path + (f"?{http.url.query}" if http.url.query else ""),
            headers=_listed(http.headers, _FORWARDED),
            body=await self._body(http),
        )
        provider = self.providers[name]
        operation = _operation(provider, request, path)
        if operation is None:
            return await self._pass(name, request, identity, http)
        return await self._submit(self._new(name, operation, identity, http), operation, request)

    async def _submit(self, submission: Submission, operation: Operation, request: Request) -> Response:
        provider = self.providers[submission.provider]
        try:
            prepared = provider.prepare(request, operation, self.callback_url(submission))
        except Unrecognised as error:
            raise Rejection(400, "Not sent", f"Nothing was sent to the provider: {error}.") from None
        stored = replace(
            submission,
            client_callback=provider.client_callback(request, operation),
            title=provider.describe(request),
        )
        await self.store.add(stored)
        # A task of its own: whatever becomes of this request, the provider's answer is recorded.
        task = asyncio.create_task(self._carry(stored, operation, prepared))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        carried = await asyncio.shield(task)
        if carried.reply is None or not carried.verdict.enveloped:
            raise _no_answer(stored, carried.verdict)
        headers = {"x-receiver-submission": stored.id, "x-receiver-callback": "set"}
        return _returned(carried.reply, provider, headers)

    async def _carry(self, submission: Submission, operation: Operation, request: Request) -> Carried:
        """One call, never repeated, and its outcome on record."""
        provider = self.providers[submission.provider]
        try:
            reply = await call(self.http, provider, request, self.timeout)
            carried = Carried(provider.read_reply(operation, reply), reply)
        except NotSent as failure:
            carried = _failed(Stage.REJECTED, "not_sent", failure.reason)
        except Outcome as failure:
            carried = _failed(Stage.UNKNOWN, "no_answer", failure.reason)
        except asyncio.CancelledError:
            carried = _failed(Stage.UNKNOWN, "no_answer", "This receiver was stopped before the provider answered")
        await self._record(submission, carried.verdict)
        return carried

    async def _record(self, submission: Submission, verdict: Verdict) -> None:
        moment = Moment(now=self.store.now(), new_id=self.intake.new_id)
        report = Report(stage=verdict.stage, task_id=verdict.task_id, error=verdict.error)
        try:
            await self.store.change(submission.id, lambda current, _: replied(current, report, moment))
        except StoreError as error:
            # The submission is on disk and its callback will name it: the client still gets its answer.
            logger.warning("the reply to %s could not be recorded: %s", submission.id, error)

    async def _pass(self, name: str, request: Request, identity: Identity, http: HttpRequest) -> Response:
        """A request that is no submission, as far as we know: its answer may say that it was one."""
        provider = self.providers[name]
        try:
            reply = await call(self.http, provider, request, self.timeout)
        except Outcome as failure:
            raise _not_passed(failure, request) from None
        headers = {"x-receiver-callback": "none"}
        if request.method == "POST":
            headers |= await self._find_task(self._new(name, _other(request), identity, http), reply)
        return _returned(reply, provider, headers)

    async def _find_task(self, submission: Submission, reply: Reply) -> dict[str, str]:
        """Stores the submission that a reply speaks of; the header that names it, if any."""
        verdict = self.providers[submission.provider].read_reply(_other(None), reply)
        if verdict.stage is not Stage.ACCEPTED or not verdict.task_id:
            return {}
        moment = Moment(now=self.store.now(), new_id=self.intake.new_id)
        report = Report(stage=verdict.stage, task_id=verdict.task_id)

        def accept(current: Submission, _: bool) -> Change:
            change = replied(current, report, moment)
            # No callback will come and no status call is known: nobody waits for it.
            return replace(change, submission=replace(change.submission, deadline_at=None, ask_at=None))

        try:
            await self.store.change(submission, accept)
        except StoreError as error:
            # It was made, and may be billed: the client must have the answer.
            logger.warning("a submission that %s made could not be recorded: %s", submission.provider, error)
            return {}
        return {"x-receiver-submission": submission.id}

    def _address(self, http: HttpRequest) -> tuple[str, str]:
        """The provider's name and the path behind it. Raises Rejection."""
        raw = http.scope.get("raw_path") or http.url.path.encode()
        whole = raw.partition(b"?")[0].decode("ascii", "replace")
        first, _, rest = whole.lstrip("/").partition("/")
        if any(unquote(part) in {".", ".."} for part in whole.split("/")):
            raise Rejection(400, "Bad path", "The path must not hold . or .. as a part.")
        if first == "api" and self.default:
            return self.default, "/api/" + _normal(rest)
        if first not in self.providers:
            raise not_found()
        return first, "/" + _normal(rest)

    async def _body(self, http: HttpRequest) -> bytes:
        try:
            return await read_body(http.scope, http.receive, self.body_limit, _PATIENCE)
        except BodyTooLarge as error:
            detail = f"The body has {error.size} bytes or more; limits.submission_body allows {self.body_limit}."
            raise Rejection(413, "Body too large", f"Nothing was sent to the provider. {detail}") from None
        except TimeoutError:
            raise too_slow() from None

    def _new(self, name: str, operation: Operation, identity: Identity, http: HttpRequest) -> Submission:
        labels = {**self.client_labels.get(identity.client or "", {}), **_labels(http.headers)}
        expected = self.intake.expect(name, operation)
        return replace(expected, stage=Stage.SENDING, client=identity.client, labels=labels)


def _operation(provider: Provider, request: Request, path: str) -> Operation | None:
    """What is asked for; a POST that carries a callback URL is a submission even where the path is unknown."""
    known = provider.find(request.method, path)
    if known is not None:
        return known if known.callback_field else None
    other = Operation(name="other", kind=Kind.OTHER, path=path)
    carries = request.method == "POST" and provider.client_callback(request, other) is not None
    return other if carries else None


def _other(request: Request | None) -> Operation:
    """What was asked for where nothing in the table says it, and without a callback."""
    return Operation(name="other", kind=Kind.OTHER, path=request.path if request else "", callback_field=None)


def _failed(stage: Stage, code: str, reason: str) -> Carried:
    return Carried(Verdict(stage=stage, error=Failure(code=code, message=reason)), None)


def _not_passed(failure: Outcome, request: Request) -> Rejection:
    if isinstance(failure, NotSent):
        return Rejection(502, "The provider can't be reached", f"{failure.reason}. Nothing was sent: try again later.")
    if request.method == "POST":
        detail = f"{failure.reason}. The provider may have carried it out: look there before you send it again."
        return Rejection(504, "The outcome is unknown", detail)
    return Rejection(504, "No answer from the provider", f"{failure.reason}. Try again.")


def _normal(path: str) -> str:
    return "/".join(part for part in path.split("/") if part)


def _listed(headers: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: headers[name] for name in names if name in headers}


def _labels(headers: Mapping[str, str]) -> dict[str, str]:
    """The labels of `X-Receiver-Labels: project=podcast,user=42`. Raises Rejection."""
    pairs = [pair.partition("=") for pair in headers.get("x-receiver-labels", "").split(",") if pair.strip()]
    labels = {name.strip(): value.strip() for name, _, value in pairs}
    usable = all(_LABEL.fullmatch(name) and len(value) <= _LONGEST_LABEL for name, value in labels.items())
    if not usable or not all(sign for _, sign, _ in pairs) or len(labels) > _MOST_LABELS:
        detail = (
            f"Write X-Receiver-Labels as name=value,name=value: at most {_MOST_LABELS}, names of letters and digits."
        )
        raise Rejection(400, "Bad labels", f"Nothing was sent to the provider. {detail}")
    return labels


def _no_answer(submission: Submission, verdict: Verdict) -> Rejection:
    headers = {"x-receiver-submission": submission.id, "x-receiver-callback": "set"}
    said = verdict.error.message if verdict.error else "no answer"
    if verdict.stage is Stage.REJECTED:
        detail = f"{said}. Nothing was sent, so nothing is billed: submit again later."
        return Rejection(502, "The provider can't be reached", detail, headers=headers)
    detail = (
        f"{said}. The provider may have accepted and billed the request: do not send it again. "
        f"Its callback settles it; look at /v1/submissions/{submission.id}."
    )
    return Rejection(504, "The outcome is unknown", detail, headers=headers)


def _returned(reply: Reply, provider: Provider, headers: Mapping[str, str]) -> Response:
    """The provider's answer as it came, but for our own callback URLs and its key."""
    # Latin-1 carries any bytes through text and back unchanged.
    text = redact_tokens(reply.body.decode("latin-1"))
    body = redact(text, [provider.api_key.get_secret_value()]).encode("latin-1")
    return Response(body, reply.status, {**_listed(reply.headers, _RETURNED), **headers})
