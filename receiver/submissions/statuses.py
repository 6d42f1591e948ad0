"""Status calls of clients that poll: answered from the store once the submission is final, each for its own."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from receiver.events import Stage, Submission
from receiver.providers.base import Provider, Request
from receiver.store.base import Store
from receiver.submissions.answers import returned
from receiver.submissions.asked import Asked


@dataclass(frozen=True, slots=True)
class Statuses:
    store: Store
    providers: Mapping[str, Provider]

    async def answer(self, asked: Asked) -> Response | None:
        """None where the provider is to be asked: for what is open, unknown to us, or wanted `fresh`.

        A task known as another client's answers as one that the provider does not know.
        """
        provider = self.providers[asked.name]
        task_id = provider.asked_task(asked.request)
        known = await self.store.by_task(task_id, asked.name) if task_id else []
        if not known:
            return None
        own = [one for one in known if asked.identity.sees(one.client)]
        if not own:
            return returned(provider.render_no_task(asked.request), provider, {"x-receiver-callback": "none"})
        if asked.fresh or not _is_final(own[0]) or not _is_its_call(provider, own[0], asked.request):
            return None
        headers = {"x-receiver-submission": own[0].id, "x-receiver-callback": "none"}
        return returned(provider.render_status(own[0]), provider, headers)


def _is_its_call(provider: Provider, submission: Submission, request: Request) -> bool:
    """Whether this is the status call of such a submission: only the provider knows what another one answers."""
    own = provider.status_request(submission)
    return own is not None and _place(own) == _place(request)


def _place(request: Request) -> str:
    return request.path.partition("?")[0].rstrip("/")


def _is_final(submission: Submission) -> bool:
    return submission.stage in {Stage.COMPLETE, Stage.FAILED} and not submission.partial and not submission.held
