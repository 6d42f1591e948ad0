"""What the client gets: the provider's answer as it came, or an error of ours that says whether anything was sent."""

from collections.abc import Mapping

from starlette.responses import Response

from receiver.errors import NotSent, Outcome, Rejection
from receiver.events import Stage, Submission
from receiver.outbound import redact
from receiver.providers.base import Provider, Reply, Request, Verdict
from receiver.submissions.asked import listed
from receiver.tokens import redact_tokens

_RETURNED = ("content-type", "content-language", "retry-after", "x-request-id", "cache-control", "etag")


def returned(reply: Reply, provider: Provider, headers: Mapping[str, str]) -> Response:
    """The provider's answer as it came, but for our own callback URLs and its key."""
    safe = harmless(reply, provider)
    return Response(safe.body, safe.status, {**safe.headers, **headers})


def harmless(reply: Reply, provider: Provider) -> Reply:
    """What of an answer may leave this house."""
    # Latin-1 carries any bytes through text and back unchanged.
    text = redact_tokens(reply.body.decode("latin-1"))
    body = redact(text, provider.secrets(reply.body)).encode("latin-1")
    return Reply(status=reply.status, headers=listed(reply.headers, _RETURNED), body=body)


def no_answer(submission: Submission, verdict: Verdict, headers: Mapping[str, str]) -> Rejection:
    said = verdict.error.message if verdict.error else "no answer"
    if verdict.stage is Stage.REJECTED:
        detail = f"{said}. Nothing was sent, so nothing is billed: submit again later."
        return Rejection(502, "The provider can't be reached", detail, headers=dict(headers))
    return unknown(submission, said, headers)


def unknown(submission: Submission, said: str, headers: Mapping[str, str]) -> Rejection:
    detail = (
        f"{said}. The provider may have accepted and billed the request: do not send it again. "
        f"Its callback settles it; look at /v1/submissions/{submission.id}."
    )
    return Rejection(504, "The outcome is unknown", detail, headers=dict(headers))


def not_passed(failure: Outcome, request: Request) -> Rejection:
    if isinstance(failure, NotSent):
        return Rejection(502, "The provider can't be reached", f"{failure.reason}. Nothing was sent: try again later.")
    if request.method == "POST":
        detail = f"{failure.reason}. The provider may have carried it out: look there before you send it again."
        return Rejection(504, "The outcome is unknown", detail)
    return Rejection(504, "No answer from the provider", f"{failure.reason}. Try again.")
