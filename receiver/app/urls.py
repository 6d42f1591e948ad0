"""The addresses that we hand out: callback URLs for providers, links for people."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from receiver.api.parts import CallbackUrl, CallbackUrlWish, Registration
from receiver.errors import Rejection
from receiver.events import Submission
from receiver.intake import Intake
from receiver.providers.base import Operation, Provider
from receiver.store.base import Store
from receiver.tokens import Scope, Signer

# Reserved by RFC 2606 and never resolved: a provider that insists on a URL gets one that leads nowhere.
NOWHERE = "https://callback.invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Urls:
    """`public_url` is where others reach us, None in status mode; `local_url` is where this machine does."""

    signer: Signer
    public_url: str | None
    local_url: str

    def callback(self, submission: Submission) -> str:
        scope = Scope.STANDING if submission.standing else Scope.CALLBACK
        return f"{self.public_url or NOWHERE}/callbacks/{self.signer.mint(scope, submission.id)}"

    def file(self, file_id: str) -> str:
        return f"{self.public_url or self.local_url}/files/{self.signer.mint(Scope.FILE, file_id)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlMaker:
    """Makes room for submissions that don't go through the gateway: a callback URL, or a watch on their task."""

    urls: Urls
    store: Store
    intake: Intake
    providers: Mapping[str, Provider]
    clients: Collection[str]

    async def make(self, wish: CallbackUrlWish) -> CallbackUrl:
        """Stores a submission and answers its URL. Raises Rejection where a name is unknown, or no URL is public."""
        operation = self._operation(wish)
        if self.urls.public_url is None and not wish.simulated:
            raise Rejection(422, "No public_url", "Set public_url: without it a callback URL would lead nowhere.")
        expected = self.intake.expect(wish.provider, operation)
        submission = replace(
            expected,
            client=wish.client,
            labels=wish.labels,
            standing=wish.standing,
            simulated=wish.simulated,
            # Nobody knows when the URL will be used: its clock starts with the first callback.
            deadline_at=None,
            ask_at=None,
        )
        await self.store.add(submission)
        return CallbackUrl(submission.id, self.urls.callback(submission))

    async def register(self, wish: Registration) -> tuple[Submission, bool]:
        """Stores a submission that was made elsewhere, or finds it; whether it is new. Raises Rejection.

        Nobody knows how long ago it was made, and no callback will come: it is asked about at once.
        """
        operation = self._operation(wish)
        known = await self.store.by_task(wish.task_id, wish.provider)
        own = [one for one in known if one.client == wish.client]
        if own:
            return own[0], False
        if known and not wish.by_admin:
            raise Rejection(422, "Unknown task", f"{wish.provider} has no such task of yours. Check task_id.")
        expected = self.intake.expect_task(wish.provider, operation, wish.client, wish.task_id)
        submission = replace(expected, labels=wish.labels, ask_at=expected.created_at if operation.record else None)
        return await self.store.add(submission), True

    def _operation(self, wish: CallbackUrlWish | Registration) -> Operation:
        """Raises Rejection where a name is unknown."""
        provider = self.providers.get(wish.provider)
        if provider is None:
            raise _unknown("provider", wish.provider, self.providers)
        names = [row.name for row in provider.rows()]
        if wish.operation not in (*names, "other"):
            raise _unknown("operation", wish.operation, names)
        if wish.client is not None and wish.client not in self.clients:
            raise _unknown("client", wish.client, self.clients)
        return provider.operation(wish.operation)


def _unknown(what: str, name: str, known: Collection[str]) -> Rejection:
    listed = ", ".join(sorted(known)) or "none"
    return Rejection(422, f"Unknown {what}", f"There is no {what} {name!r}. Known here: {listed}.")
