"""Status calls of clients that poll: answered from the store once the submission is final, each for its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.responses import Response

from receiver.events import Stage, Submission
from receiver.providers.base import Provider, Request
from receiver.store.base import Store
from receiver.submissions.answers import returned
from receiver.submissions.asked import Asked

_MOST_VALUES = 20


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
        own: dict[str, list[Submission]] = {}
        for named in dict.fromkeys([*([task_id] if task_id else ()), *_values(asked.request)]):
            known = await self.store.by_task(named, asked.name)
            own[named] = [one for one in known if asked.identity.sees(one.client)]
            if known and not own[named]:
                return returned(provider.render_no_task(asked.request), provider, {"x-receiver-callback": "none"})
        found = own.get(task_id or "")
        if not found:
            return None
        submission = found[0]
        if asked.fresh or not _is_final(submission) or not _is_its_call(provider, submission, asked.request):
            return None
        headers = {"x-receiver-submission": submission.id, "x-receiver-callback": "none"}
        return returned(provider.render_status(submission), provider, headers)


def _values(request: Request) -> list[str]:
    """Whatever a GET names in its query: nobody knows which of several the provider reads."""
    if request.method != "GET":
        return []
    query = request.path.partition("?")[2].replace(";", "&")
    return list(dict.fromkeys(value for _, value in parse_qsl(query)))[:_MOST_VALUES]


def _is_its_call(provider: Provider, submission: Submission, request: Request) -> bool:
    """Whether this is the status call of such a submission: only the provider knows what another one answers."""
    own = provider.status_request(submission)
    return own is not None and _place(own) == _place(request)


def _place(request: Request) -> str:
    return request.path.partition("?")[0].rstrip("/")


def _is_final(submission: Submission) -> bool:
    return submission.stage in {Stage.COMPLETE, Stage.FAILED} and not submission.partial and not submission.held
