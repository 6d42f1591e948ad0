"""HTTP through: the gateway between a client and a provider. A submission is stored before it is forwarded."""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import unquote

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """Serves `/{provider}/{path}` and, for the default provider, `/api/{path}`.

    `callback_url` makes the capability URL of a submission. `body_limit` is in bytes. `timeout` is how long the
    provider may take: longer than it ever needs, because an answer that comes too late is an outcome unknown.
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
        stored = replace(submission, client_callback=provider.client_callback(request, operation))
        await self.store.change(stored, lambda current, _: Change(submission=current))
        verdict, answer = await self._forward(provider, operation, prepared)
        await self._record(stored, verdict)
        if answer is None or not verdict.enveloped:
            raise _no_answer(stored, verdict)
        headers = {"x-receiver-submission": stored.id, "x-receiver-callback": "set"}
        return _returned(answer, provider, headers)

    async def _forward(
        self, provider: Provider, operation: Operation, request: Request
    ) -> tuple[Verdict, Reply | None]:
        """One call, never repeated: what it means, and the answer where there is one."""
        try:
            reply = await self._call(provider, request)
        except NotSent as failure:
            return Verdict(stage=Stage.REJECTED, error=Failure(code="not_sent", message=failure.reason)), None
        except Outcome as failure:
            return Verdict(stage=Stage.UNKNOWN, error=Failure(code="no_answer", message=failure.reason)), None
        return provider.read_reply(operation, reply), reply

    async def _call(self, provider: Provider, request: Request) -> Reply:
        headers = {**request.headers, "authorization": f"Bearer {provider.api_key.get_secret_value()}"}
        url = provider.base_url.rstrip("/") + request.path
        answer = await self.http.request(
            request.method, url, headers=headers, content=request.body or None, timeout=self.timeout
        )
        return Reply(status=answer.status, headers=answer.headers, body=answer.body)

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
            answer = await self._call(provider, request)
        except Outcome as failure:
            status = 502 if isinstance(failure, NotSent) else 504
            raise Rejection(status, "No answer from the provider", f"{failure.reason}. Try again.") from None
        headers = {"x-receiver-callback": "none"}
        if request.method == "POST":
            other = Operation(name="other", kind=Kind.OTHER, path=request.path, callback_field=None)
            verdict = provider.read_reply(other, answer)
            if verdict.stage is Stage.ACCEPTED and verdict.task_id:
                submission = self._new(name, other, identity, http)
                # No callback will come and no status call is known: nobody waits for it.
                found = replace(submission, deadline_at=None, ask_at=None)
                await self.store.change(found, lambda current, _: Change(submission=current))
                await self._record(found, verdict)
                headers["x-receiver-submission"] = found.id
        return _returned(answer, provider, headers)

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
