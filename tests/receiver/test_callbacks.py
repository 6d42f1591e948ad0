import asyncio
from collections.abc import Mapping, Sequence

import pytest
from starlette.types import ASGIApp, Message

from receiver.callbacks import Callbacks, kept_headers
from receiver.errors import StoreUnavailable
from receiver.tokens import Scope, Signer
from tests.support.web import DISCONNECT, Answered, Ask, application, ask, part

SIGNER = Signer(["a secret"])
HEX = "00" * 15 + "2a"
TOKEN = SIGNER.mint(Scope.CALLBACK, f"sub_{HEX}")
LIMIT = 100


class FakeIntake:
    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.received: list[tuple[str, dict[str, str], bytes]] = []
        self.refused: list[tuple[str, int]] = []

    async def receive(self, submission_id: str, headers: Mapping[str, str], body: bytes) -> None:
        if self.failure:
            raise self.failure
        self.received.append((submission_id, dict(headers), body))

    async def receive_standing(self, submission_id: str, headers: Mapping[str, str], body: bytes) -> None:
        await self.receive(f"standing {submission_id}", headers, body)

    async def too_large(self, submission_id: str, size: int) -> None:
        if self.failure:
            raise self.failure
        self.refused.append((submission_id, size))


def app(intake: FakeIntake, patience: float = 30.0) -> ASGIApp:
    return application([Callbacks(SIGNER, intake, LIMIT, patience=patience).route()])


def bare(intake: FakeIntake) -> ASGIApp:
    """The endpoint with nothing around it."""
    return Callbacks(SIGNER, intake, LIMIT).route()


def post(path: str = f"/callbacks/{TOKEN}", body: bytes = b"{}", messages: Sequence[Message] | None = None) -> Ask:
    return Ask(path, "POST", headers=[("content-type", "application/json")], body=body, messages=messages)


async def test_callback_reaches_intake_and_is_answered_200() -> None:
    intake = FakeIntake()

    answered = await ask(app(intake), post(body=b'{"code":200}'))

    assert (answered.status, answered.json()) == (200, {"status": "received"})
    assert answered.header("content-type") == "application/json"
    assert intake.received == [(f"sub_{HEX}", {"content-type": "application/json"}, b'{"code":200}')]


async def test_a_standing_token_is_told_apart() -> None:
    intake = FakeIntake()
    standing = SIGNER.mint(Scope.STANDING, HEX)
    assert (await ask(app(intake), post(f"/callbacks/{standing}"))).status == 200
    assert [ident for ident, _, _ in intake.received] == [f"standing sub_{HEX}"]


async def test_answers_made_beforehand_stay_the_same() -> None:
    endpoint = app(FakeIntake())

    first = await ask(endpoint, post())

    assert (await ask(endpoint, post())).headers == first.headers


@pytest.mark.parametrize("body", [b"", b"not json", b"\xff\x00", b"[" * LIMIT], ids=["empty", "text", "bytes", "deep"])
async def test_any_body_on_a_valid_token_is_taken(body: bytes) -> None:
    intake = FakeIntake()

    assert (await ask(app(intake), post(body=body))).status == 200

    assert intake.received[0][2] == body


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (f"/callbacks/{TOKEN}/", ""),
        (f"/callbacks/{TOKEN}//", ""),
        (f"/callbacks/{TOKEN}", "sign=1&x=%00"),
    ],
    ids=["slash", "slashes", "query"],
)
async def test_spellings_of_a_provider_are_tolerated(path: str, query: str) -> None:
    intake = FakeIntake()

    answered = await ask(app(intake), Ask(path, "POST", query=query, body=b"{}"))

    assert answered.status == 200
    assert len(intake.received) == 1


WRONG = {
    "none": "",
    "guess": "A" * 43,
    "file token": SIGNER.mint(Scope.FILE, HEX),
    "other secret": Signer(["another"]).mint(Scope.CALLBACK, HEX),
    "cut": TOKEN[:-1],
    "longer": TOKEN + "A",
    "10 kB": "A" * 10_000,
    "not ascii": "é" * 43,
    "half an emoji": "\ud83d" * 43,
    "spaced": f" {TOKEN}",
    "null": f"{TOKEN}\0",
    "dots": f"../callbacks/{TOKEN}",
    "below": f"{TOKEN}/x",
    "behind another": f"x/callbacks/{TOKEN}",
    "encoded twice": "%2e%2e",
}


@pytest.mark.parametrize("method", ["POST", "GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize("token", WRONG.values(), ids=WRONG.keys())
async def test_wrong_token_gets_the_same_404_before_its_body_is_read(token: str, method: str) -> None:
    intake = FakeIntake()
    plain = await ask(app(intake), Ask("/callbacks/x", "POST"))

    answered = await ask(app(intake), Ask(f"/callbacks/{token}", method, body=b"x" * (LIMIT + 1)))

    assert answered.status == 404
    assert (answered.body, answered.headers) == (plain.body, plain.headers)
    assert answered.json()["detail"]
    assert answered.received == 0
    assert (intake.received, intake.refused) == ([], [])


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_on_a_valid_token_store_nothing(method: str) -> None:
    intake = FakeIntake()

    answered = await ask(app(intake), Ask(f"/callbacks/{TOKEN}", method, body=b"{}"))

    assert (answered.status, answered.header("allow")) == (405, "POST")
    assert intake.received == []


async def test_old_secret_still_opens_after_rotation() -> None:
    intake = FakeIntake()
    rotated = application([Callbacks(Signer(["new", "a secret"]), intake, LIMIT).route()])

    assert (await ask(rotated, post())).status == 200


async def test_body_of_exactly_the_limit_is_taken() -> None:
    intake = FakeIntake()
    halves = [part(b"a" * 60, more=True), part(b"b" * 40)]

    assert (await ask(app(intake), post(messages=halves))).status == 200

    assert intake.received[0][2] == b"a" * 60 + b"b" * 40


async def test_announced_size_over_the_limit_is_refused_unread_and_recorded() -> None:
    intake = FakeIntake()
    wanted = Ask(f"/callbacks/{TOKEN}", "POST", headers=[("content-length", "101")], body=b"x" * 101)

    answered = await ask(app(intake), wanted)

    assert (answered.status, answered.received) == (413, 0)
    assert "limits.callback_body" in answered.json()["detail"]
    assert (intake.refused, intake.received) == ([(f"sub_{HEX}", 101)], [])


@pytest.mark.parametrize(
    "announced", [[], [("content-length", "5")], [("content-length", "-1")], [("content-length", "five")]], ids=str
)
async def test_reading_stops_at_the_limit(announced: list[tuple[str, str]]) -> None:
    intake = FakeIntake()
    messages = [part(b"x" * 60, more=True), part(b"x" * 60, more=True), part(b"x" * 60, more=True), part(b"")]

    answered = await ask(app(intake), Ask(f"/callbacks/{TOKEN}", "POST", headers=announced, messages=messages))

    assert (answered.status, answered.received) == (413, 2)
    assert intake.refused == [(f"sub_{HEX}", 120)]


@pytest.mark.parametrize("before", [[], [part(b"half", more=True)]], ids=["at once", "half way"])
async def test_caller_who_goes_away_leaves_nothing_behind(
    before: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    intake = FakeIntake()

    for whole in (app(intake), bare(intake)):
        answered = await ask(whole, post(messages=[*before, DISCONNECT]))

        assert (answered.status, intake.received, caplog.records) == (0, [], [])


async def test_body_that_does_not_arrive_is_given_up() -> None:
    intake = FakeIntake()
    answered = Answered()

    async def never() -> Message:
        arrival: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        return await arrival

    async def send(message: Message) -> None:
        answered.status = answered.status or message["status"]

    scope = {"type": "http", "method": "POST", "path_params": {"token": TOKEN}, "headers": []}
    await Callbacks(SIGNER, intake, LIMIT, patience=0.0)(scope, never, send)

    assert (answered.status, intake.received) == (408, [])


@pytest.mark.parametrize("size", [2, LIMIT + 1], ids=["kept", "too large"])
async def test_what_cannot_be_stored_is_answered_503(size: int, caplog: pytest.LogCaptureFixture) -> None:
    intake = FakeIntake(StoreUnavailable("the disk is full"))

    answered = await ask(app(intake), post(body=b"x" * size))

    assert (answered.status, answered.header("retry-after")) == (503, "5")
    assert f"sub_{HEX}" in caplog.text
    assert TOKEN not in caplog.text


async def test_defect_of_intake_is_no_200() -> None:
    assert (await ask(app(FakeIntake(KeyError("defect"))), post())).status == 500


def test_only_telling_headers_are_kept() -> None:
    headers = [
        (b"Content-Type", b"application/json"),
        (b"user-agent", b"okhttp"),
        (b"x-webhook-signature", b"one"),
        (b"X-Webhook-Signature", b"two"),
        (b"x-webhook-timestamp", b"\xe9"),
        (b"authorization", b"Bearer x"),
        (b"cookie", b"session=x"),
        (b"x-forwarded-for", b"10.0.0.1"),
    ]

    assert kept_headers(headers) == {
        "content-type": "application/json",
        "user-agent": "okhttp",
        "x-webhook-signature": "one, two",
        "x-webhook-timestamp": "é",
    }
