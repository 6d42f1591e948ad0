"""The gateway in this process, before a pretend provider that answers as told."""

from dataclasses import dataclass, replace
from typing import Any

from starlette.routing import Route

from receiver.events import Submission
from receiver.outbound import Answer
from receiver.submissions import Gateway, Policy, Sender, Uploads
from receiver.tokens import Scope, Signer
from receiver.web.access import Access, AdminDoor
from tests.support.deliveries import FakeHttp, make_answer
from tests.support.kit import Kit
from tests.support.web import Answered, Ask, application, ask

CLIENT = [("authorization", "Bearer client-token-123456"), ("content-type", "application/json")]
ACCEPTED = b'{"code":200,"msg":"success","data":{"taskId":"task-1"}}'
BODY = b'{"prompt":"\\u00e9t\\u00e9 \xc3\xa9","styleWeight":0.650,"big":12345678901234567890,"x":1e5}'


@dataclass
class House:
    kit: Kit
    http: FakeHttp
    signer: Signer
    gateway: Gateway

    async def post(self, path: str = "/suno/api/v1/generate", body: bytes = BODY, **changes: Any) -> Answered:
        fields: dict[str, Any] = {"path": path, "method": "POST", "headers": CLIENT, "body": body}
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        app = application([Route("/{provider}/{path:path}", self.gateway.serve, methods=methods)])
        return await ask(app, Ask(**fields | changes))

    def sends(self, **changes: Any) -> None:
        """From now on the calls go out with these changes."""
        sender = replace(self.gateway.sender, **changes)
        self.gateway = replace(self.gateway, sender=sender, providers=sender.providers)

    async def stored(self, answered: Answered) -> Submission:
        submission = await self.kit.store.submission(answered.header("x-receiver-submission") or "")
        assert submission is not None
        return submission


def house(base: Kit, *answers: Answer | Exception) -> House:
    http, signer = FakeHttp(*(answers or (make_answer(200, ACCEPTED),))), Signer(["secret"])
    gateway = Gateway(
        store=base.store,
        intake=base.intake,
        access=Access(AdminDoor(passwords=["admin-password"]), {"app": ["client-token-123456"]}, b"k"),
        providers=base.intake.providers,
        default="suno",
        callback_url=lambda submission: f"https://me.example/callbacks/{signer.mint(Scope.CALLBACK, submission.id)}",
        sender=Sender(store=base.store, intake=base.intake, http=http, providers=base.intake.providers),
        uploads=Uploads(http, base.intake.providers, 10_000),
        clients={"app": Policy(labels={"project": "podcast"}, forward=("https://app.example.com/hooks/*",))},
        body_limit=10_000,
    )
    return House(base, http, signer, gateway)
