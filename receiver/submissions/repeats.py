"""Requests under an `Idempotency-Key`: a repeat gets the first answer, and nothing is sent twice."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from starlette.responses import Response

from receiver.errors import Rejection
from receiver.events import Stage, Submission
from receiver.providers.base import Provider, Reply
from receiver.store.base import Store
from receiver.store.records import KeptKey, Key
from receiver.submissions.answers import returned, unknown
from receiver.submissions.asked import Asked

# No provider takes longer to answer: what is still being sent then was cut off by a crash.
_IN_FLIGHT = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Repeats:
    store: Store
    providers: Mapping[str, Provider]

    async def take(self, asked: Asked, submission: Submission) -> Response | None:
        """Stores the submission; where the key was used before, the answer of then, and nothing is stored.

        Raises Rejection: 409 while it is in flight, 422 for another request under the same key, 504 while its outcome
        is unknown.
        """
        if asked.key is None:
            await self.store.add(submission)
            return None
        key = Key(client=asked.identity.client or "", provider=asked.name, key=asked.key, digest=asked.digest)
        kept = await self.store.take_key(key, submission)
        return None if kept is None else await self._again(kept, asked)

    async def _again(self, kept: KeptKey, asked: Asked) -> Response:
        if kept.digest != asked.digest:
            detail = "This Idempotency-Key was used for another request. Use a new key, or send the same body again."
            raise Rejection(422, "Key used before", f"Nothing was sent to the provider. {detail}")
        headers = {"x-receiver-submission": kept.submission_id, "x-receiver-callback": "none"}
        provider = self.providers[asked.name]
        if kept.reply is not None:
            first = Reply(status=kept.reply.status, headers=kept.reply.headers, body=kept.reply.body)
            return returned(first, provider, headers)
        submission = await self.store.submission(kept.submission_id)
        if submission is None or submission.stage is Stage.REJECTED:
            raise _in_flight(headers)
        if submission.stage is Stage.SENDING and self.store.now() - submission.created_at < _IN_FLIGHT:
            raise _in_flight(headers)
        if submission.stage in {Stage.SENDING, Stage.UNKNOWN, Stage.LOST}:
            raise unknown(submission, "The first request under this key had no clear answer", headers)
        return returned(provider.render_reply(submission), provider, headers)


def _in_flight(headers: Mapping[str, str]) -> Rejection:
    detail = "The first request under this key is still on its way. Send the same request again in a few seconds."
    return Rejection(409, "In flight", detail, headers={**headers, "retry-after": "3"})
