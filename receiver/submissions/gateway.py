"""Serves `/{provider}/{path}`: tells a submission from a status call, an upload and all the rest."""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from receiver.calls import call
from receiver.errors import Outcome, Rejection, StoreError, Unrecognised
from receiver.events import Stage, Submission
from receiver.forwarding import is_allowed
from receiver.intake import Intake
from receiver.providers.base import Operation, Provider, Reply
from receiver.stages import Change, Moment, Report, replied
from receiver.store.base import Store
from receiver.submissions.answers import no_answer, not_passed, returned
from receiver.submissions.asked import Asked, operation_of, other, read
from receiver.submissions.repeats import Repeats
from receiver.submissions.sending import Sender
from receiver.submissions.statuses import Statuses
from receiver.submissions.uploads import Uploads
from receiver.web.access import Access
from receiver.web.answers import not_found

logger = logging.getLogger(__name__)

# Letters, digits and the like, which mean the same encoded: a task is found however its status call is spelt.
_PLAIN = re.compile(r"%(?:2[dDeE]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aAeE])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the configuration says of clients: labels of each, and where its own callbacks may go."""

    labels: Mapping[str, str]
    forward: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """Serves `/{provider}/{path}` and, for the default provider, `/api/{path}`.

    `callback_url` makes the capability URL of a submission. `body_limit` is in bytes; of an upload its own.
    """

    store: Store
    intake: Intake
    access: Access
    sender: Sender
    uploads: Uploads
    providers: Mapping[str, Provider]
    default: str | None
    callback_url: Callable[[Submission], str]
    clients: Mapping[str, Policy]
    body_limit: int

    async def serve(self, http: HttpRequest) -> Response:
        """Raises Rejection."""
        name, path = self._address(http)
        identity = await self.access.identify(http)
        provider = self.providers[name]
        if http.method == "POST" and provider.takes_uploads(path):
            return await self.uploads.forward(name, path, http)
        asked = await read(http, name, path, identity, self.body_limit)
        known = await Statuses(self.store, self.providers).answer(asked)
        if known is not None:
            return known
        operation = operation_of(provider, asked.request)
        if operation is None:
            return await self._pass(asked)
        return await self._submit(asked, operation)

    async def _submit(self, asked: Asked, operation: Operation) -> Response:
        provider = self.providers[asked.name]
        submission = await self._new(asked, operation)
        try:
            prepared = provider.prepare(asked.request, operation, self.callback_url(submission))
        except Unrecognised as error:
            raise Rejection(400, "Not sent", f"Nothing was sent to the provider: {error}.") from None
        earlier = await Repeats(self.store, self.providers).take(asked, submission)
        if earlier is not None:
            return earlier
        carried = await self.sender.send(submission, operation, prepared, keyed=asked.key is not None)
        callback = "forwarded" if submission.forward else "none" if prepared == asked.request else "set"
        headers = {"x-receiver-submission": submission.id, "x-receiver-callback": callback}
        if carried.reply is None or not carried.verdict.enveloped:
            raise no_answer(submission, carried.verdict, headers)
        return returned(carried.reply, provider, headers)

    async def _new(self, asked: Asked, operation: Operation) -> Submission:
        """A submission that is about to be sent, with all that is known of it."""
        provider, request, client = self.providers[asked.name], asked.request, asked.identity.client
        policy = self.clients.get(client or "") or Policy(labels={})
        own_callback = provider.client_callback(request, operation)
        parent = await self._own(provider.parent(request, operation), asked)
        return replace(
            self.intake.expect(asked.name, operation),
            stage=Stage.SENDING,
            client=client,
            # What it is made from says more than the client's defaults, the request most of all.
            labels={**policy.labels, **(parent.labels if parent else {}), **asked.labels},
            parent=provider.parent(request, operation),
            client_callback=own_callback,
            forward=own_callback is not None and is_allowed(own_callback, policy.forward),
            title=provider.describe(request) or (_title(parent) if parent else None),
            path=request.path.partition("?")[0],
        )

    async def _own(self, task_id: str | None, asked: Asked) -> Submission | None:
        """The client's newest submission of this task."""
        found = await self.store.by_task(task_id, asked.name) if task_id else []
        return next((one for one in found if one.client == asked.identity.client), None)

    async def _pass(self, asked: Asked) -> Response:
        """A request that is no submission, as far as we know: its answer may say that it was one."""
        provider, request = self.providers[asked.name], asked.request
        if asked.key is not None and request.method == "POST":
            detail = "Nothing was sent. Idempotency-Key holds for submissions, which this is not: leave it out."
            raise Rejection(400, "Key without effect", detail)
        try:
            reply = await call(self.sender.http, provider, request, self.sender.timeout)
        except Outcome as failure:
            raise not_passed(failure, request) from None
        headers = {"x-receiver-callback": "none"}
        if request.method == "POST":
            headers |= await self._find_task(asked, reply)
        return returned(reply, provider, headers)

    async def _find_task(self, asked: Asked, reply: Reply) -> dict[str, str]:
        """Stores the submission that a reply speaks of; the header that names it, if any."""
        verdict = self.providers[asked.name].read_reply(other(None), reply)
        if verdict.stage is not Stage.ACCEPTED or not verdict.task_id:
            return {}
        known = await self._own(verdict.task_id, asked)
        if known is not None:
            return {"x-receiver-submission": known.id}
        moment = Moment(now=self.store.now(), new_id=self.intake.new_id)
        report = Report(stage=verdict.stage, task_id=verdict.task_id)

        def accept(current: Submission, _: bool) -> Change:
            if current.stage is not Stage.SENDING:
                return Change(submission=current)
            change = replied(current, report, moment)
            # No callback will come and no status call is known: nobody waits for it.
            return replace(change, submission=replace(change.submission, deadline_at=None, ask_at=None))

        try:
            operation = other(asked.request)
            # Whoever asks twice at once, of whichever process, is answered with one task: one submission.
            named = self.intake.expect_task(asked.name, operation, asked.identity.client, verdict.task_id)
            submission = replace(await self._new(asked, operation), id=named.id)
            await self.store.change(submission, accept)
        except StoreError as error:
            # It was made, and may be billed: the client must have the answer.
            logger.warning("a submission that %s made could not be recorded: %s", asked.name, error)
            return {}
        return {"x-receiver-submission": submission.id}

    def _address(self, http: HttpRequest) -> tuple[str, str]:
        """The provider's name and the path behind it. Raises Rejection."""
        raw = http.scope.get("raw_path") or http.url.path.encode()
        whole = raw.partition(b"?")[0].decode("ascii", "replace")
        first, _, rest = whole.lstrip("/").partition("/")
        whole = _PLAIN.sub(lambda match: unquote(match[0]), whole)
        if ";" in whole or any(unquote(part) in {".", ".."} for part in whole.split("/")):
            raise Rejection(400, "Bad path", "The path must not hold ; anywhere, nor . or .. as a part.")
        if first == "api" and self.default:
            return self.default, "/api/" + _normal(rest)
        if first not in self.providers:
            raise not_found()
        return first, "/" + _normal(rest)


def _title(parent: Submission) -> str | None:
    return next((result.title for result in parent.results if result.title), parent.title)


def _normal(path: str) -> str:
    return "/".join(part for part in path.split("/") if part)
