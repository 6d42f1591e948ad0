import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.datastructures import Headers, QueryParams
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from receiver.errors import Rejection, StoreUnavailable
from receiver.web.access import Access, AdminDoor, Identity, bearer
from receiver.web.bodies import read_object
from receiver.web.params import read_choice, read_labels, read_limit, read_params, read_since
from tests.support.web import DISCONNECT, Ask, application, ask, part

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = b"k" * 32


def failing(error: Exception) -> ASGIApp:
    async def fail(_request: Request) -> Response:
        raise error

    return application([Route("/secret-place/{token}", fail)], lambda text: text.replace("hunter2", "[redacted]"))


@pytest.mark.parametrize(
    ("error", "status", "title", "headers"),
    [
        (Rejection(422, "Odd", "Do it right.", headers={"x-more": "1"}), 422, "Odd", {"x-more": "1"}),
        (StoreUnavailable("disk full: hunter2"), 503, "Service Unavailable", {"retry-after": "5"}),
        (RuntimeError("hunter2"), 500, "Internal Server Error", {}),
    ],
    ids=["rejection", "store", "defect"],
)
async def test_errors_become_problems(error: Exception, status: int, title: str, headers: dict[str, str]) -> None:
    answered = await ask(failing(error), Ask("/secret-place/x"))

    problem = answered.json()
    assert (answered.status, answered.header("content-type")) == (status, "application/problem+json")
    assert (problem["type"], problem["title"], problem["status"]) == ("about:blank", title, status)
    assert problem["detail"].endswith(".")
    assert "hunter2" not in problem["detail"]
    assert {name: answered.header(name) for name in headers} == headers
    assert answered.header("cache-control") == "no-store"


async def test_defect_is_logged_with_its_traceback_but_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    await ask(failing(RuntimeError("the password is hunter2")), Ask("/secret-place/capability"))

    assert "GET '/secret-place' failed" in caplog.text
    assert "RuntimeError: the password is [redacted]" in caplog.text
    assert "hunter2" not in caplog.text
    assert "capability" not in caplog.text
    assert all(record.exc_info is None for record in caplog.records)


async def test_defect_after_the_answer_began_cuts_it_off(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> Any:
        yield b"half"
        raise KeyError("hunter2")

    async def endpoint(_request: Request) -> Response:
        return StreamingResponse(broken())

    with pytest.raises(RuntimeError, match="broke off") as raised:
        await ask(application([Route("/x", endpoint)], lambda text: text.replace("hunter2", "…")), Ask("/x"))

    assert raised.value.__suppress_context__
    assert "KeyError" in caplog.text


async def test_caller_who_went_away_is_no_defect(caplog: pytest.LogCaptureFixture) -> None:
    answered = await ask(failing(ClientDisconnect()), Ask("/secret-place/x"))

    assert (answered.status, caplog.records) == (0, [])


@pytest.mark.parametrize(
    ("path", "method", "status", "allow"),
    [("/nowhere", "GET", 404, None), ("/../etc/passwd", "GET", 404, None), ("/x", "POST", 405, "GET, HEAD")],
    ids=["path", "dots", "method"],
)
async def test_unknown_addresses_are_uniform_problems(path: str, method: str, status: int, allow: str | None) -> None:
    async def endpoint(_request: Request) -> Response:
        return JSONResponse({})

    answered = await ask(application([Route("/x", endpoint)]), Ask(path, method))

    assert (answered.status, answered.json()["status"]) == (status, status)
    assert answered.header("content-type") == "application/problem+json"
    assert sorted((answered.header("allow") or "").split(", ")) == sorted((allow or "").split(", "))


async def test_every_answer_carries_security_headers() -> None:
    answered = await ask(application([]), Ask("/nowhere"))

    assert answered.header("x-content-type-options") == "nosniff"
    assert answered.header("referrer-policy") == "no-referrer"
    assert (answered.header("content-security-policy") or "").startswith("default-src 'none'")


async def test_own_policy_of_an_endpoint_stays() -> None:
    async def endpoint(_request: Request) -> Response:
        return Response(headers={"Content-Security-Policy": "default-src 'self'"})

    answered = await ask(application([Route("/x", endpoint)]), Ask("/x"))

    assert answered.header("content-security-policy") == "default-src 'self'"


def connection(*authorization: str, cookie: str = "") -> HTTPConnection:
    headers = [(b"authorization", value.encode("latin-1")) for value in authorization]
    return HTTPConnection({"type": "http", "headers": [*headers, (b"cookie", cookie.encode())]})


def access(admin: AdminDoor | None = None) -> Access:
    return Access(admin or AdminDoor(passwords=["p1", "p2"]), {"app": ["new", "old"], "web": ["w"]}, KEY)


@pytest.mark.parametrize(
    ("authorization", "identity"),
    [
        ("Bearer p1", Identity(admin=True)),
        ("bearer p2", Identity(admin=True)),
        ("Bearer new", Identity(client="app")),
        ("BEARER   old ", Identity(client="app")),
        ("Bearer w", Identity(client="web")),
    ],
)
async def test_every_token_tells_its_owner(authorization: str, identity: Identity) -> None:
    assert await access().identify(connection(authorization)) == identity


@pytest.mark.parametrize(
    "authorization",
    [
        [],
        [""],
        ["Bearer"],
        ["Bearer "],
        ["Bearer p"],
        ["Bearer p11"],
        ["Basic p1"],
        ["p1"],
        ["Bearer p1", "Bearer p1"],
        ["Bearer " + "x" * 10_000],
        ["Bearer é"],
        ["Bearer p1\0"],
    ],
    ids=ascii,
)
async def test_anything_else_is_401(authorization: list[str]) -> None:
    with pytest.raises(Rejection) as raised:
        await access().identify(connection(*authorization))

    assert (raised.value.status, raised.value.headers) == (401, {"www-authenticate": "Bearer"})
    assert "Bearer" in raised.value.detail


async def test_nobody_gets_in_where_nothing_is_configured() -> None:
    closed = Access(AdminDoor(), {}, KEY)

    for authorization in ("Bearer x", "Bearer None"):
        with pytest.raises(Rejection, match="401"):
            await closed.identify(connection(authorization))


@pytest.mark.parametrize(
    ("clients", "message"),
    [({"app": [""]}, "empty"), ({"app": ["x"], "web": ["x"]}, "another's"), ({"app": ["p1"]}, "another's")],
    ids=["empty", "shared", "admin's"],
)
def test_ambiguous_tokens_are_refused_without_showing_them(clients: dict[str, list[str]], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        Access(AdminDoor(passwords=["p1"]), clients, KEY)

    assert "p1" not in str(raised.value)


async def test_client_is_no_admin() -> None:
    with pytest.raises(Rejection, match="403"):
        await access().require_admin(connection("Bearer new"))

    assert (await access().require_admin(connection("Bearer p1"))).admin


@pytest.mark.parametrize(
    ("identity", "client", "sees"),
    [
        (Identity(admin=True), None, True),
        (Identity(admin=True), "app", True),
        (Identity(client="app"), "app", True),
        (Identity(client="app"), "web", False),
        (Identity(client="app"), None, False),
        (Identity(), None, False),
    ],
)
def test_client_sees_only_its_own(identity: Identity, client: str | None, sees: bool) -> None:
    assert identity.sees(client) is sees


async def test_slow_check_runs_once_for_the_right_password_in_a_thread() -> None:
    checked: list[tuple[str, bool]] = []

    def verify(password: str) -> bool:
        checked.append((password, threading.current_thread() is threading.main_thread()))
        return password == "pässwort"

    door = access(AdminDoor(verify=verify))
    utf8 = "Bearer " + "pässwort".encode().decode("latin-1")
    for _ in range(3):
        assert await door.identify(connection(utf8)) == Identity(admin=True)
    assert await door.identify(connection("Bearer w")) == Identity(client="web")
    for _ in range(2):
        with pytest.raises(Rejection, match="401"):
            await door.identify(connection("Bearer wrong"))

    assert checked == [("pässwort", False), ("wrong", False), ("wrong", False)]


async def test_flood_of_guesses_is_held_off() -> None:
    go_on = threading.Event()

    def verify(_password: str) -> bool:
        return go_on.wait(5) and False

    door = access(AdminDoor(verify=verify))
    guesses = [asyncio.create_task(door.identify(connection(f"Bearer guess{n}"))) for n in range(16)]
    await asyncio.sleep(0)
    with pytest.raises(Rejection) as raised:
        await door.identify(connection("Bearer guess"))
    known = await door.identify(connection("Bearer w"))
    go_on.set()
    await asyncio.gather(*guesses, return_exceptions=True)
    with pytest.raises(Rejection, match="401"):
        await door.identify(connection("Bearer later"))

    assert (raised.value.status, raised.value.headers) == (429, {"retry-after": "2"})
    assert known == Identity(client="web")


async def test_session_opens_the_admin_door_only_without_a_bearer_token() -> None:
    door = access(AdminDoor(session=lambda conn: conn.headers["cookie"] == "session=good"))

    assert await door.identify(connection(cookie="session=good")) == Identity(admin=True)
    assert await door.identify(connection("Basic a-proxy", cookie="session=good")) == Identity(admin=True)
    assert await door.identify(connection("Bearer w", cookie="session=good")) == Identity(client="web")
    for asking in (connection(cookie="session=bad"), connection("Bearer wrong", cookie="session=good")):
        with pytest.raises(Rejection, match="401"):
            await door.identify(asking)


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (b"Bearer \xc3\xa9", b"\xc3\xa9"),
        (b"bearer  x y ", b"x y"),
        (b"Bearer " + b"x" * 1024, b"x" * 1024),
        (b"Bearer " + b"x" * 1025, None),
        (b"Bearer ", None),
        (b"Basic x", None),
    ],
    ids=lambda value: ascii(value)[:16],
)
def test_bearer_is_read_as_the_bytes_that_came(value: bytes, token: bytes | None) -> None:
    assert bearer(Headers(raw=[(b"authorization", value)])) == token


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([part(b'{"a":', more=True), part(b"1}")], 200),
        ([part(b"")], 200),
        ([part(b"[1]")], 400),
        ([part(b"{")], 400),
        ([part(b"\xff")], 400),
        ([part(b"[" * 90_000)], 400),
        ([part(b"x" * 60_000, more=True), part(b"x" * 60_000, more=True)], 413),
        ([part(b'{"a":', more=True), DISCONNECT], 0),
    ],
    ids=["object", "empty", "list", "cut", "bytes", "deep", "large", "gone"],
)
async def test_body_is_an_object_or_a_problem(messages: list[Any], status: int) -> None:
    async def endpoint(request: Request) -> Response:
        return JSONResponse(await read_object(request, 100_000, 30))

    answered = await ask(application([Route("/x", endpoint, methods=["POST"])]), Ask("/x", "POST", messages=messages))

    assert answered.status == status


async def test_body_that_does_not_arrive_is_408() -> None:
    async def never() -> Any:
        return await asyncio.get_running_loop().create_future()

    request = Request({"type": "http", "headers": []}, never)

    with pytest.raises(Rejection, match="408"):
        await read_object(request, 100, patience=0)


def test_known_parameters_are_read() -> None:
    params = read_params(QueryParams("q=night&label.project=a&label.x.y=b"), {"q", "label."})

    assert params == {"q": "night", "label.project": "a", "label.x.y": "b"}
    assert read_labels(params) == {"project": "a", "x.y": "b"}


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("stag=x&limit=1", "'stag'"),
        ("label.=x", "'label.'"),
        ("q=1&q=2", "q once"),
        ("q=", "q between"),
        ("q=" + "x" * 2000, "q between"),
        ("q=%00", "q between"),
        ("%22%0a=1", "'\"\\n'"),
    ],
    ids=["unknown", "label", "twice", "empty", "long", "null", "odd name"],
)
def test_wrong_parameters_are_named(query: str, named: str) -> None:
    with pytest.raises(Rejection) as raised:
        read_params(QueryParams(query), {"q", "limit", "label."})

    assert raised.value.status == 400
    assert named in raised.value.detail


def test_labels_are_unknown_where_they_are_no_filter() -> None:
    with pytest.raises(Rejection, match="label"):
        read_params(QueryParams("label.x=1"), {"q"})


@pytest.mark.parametrize(("text", "limit"), [(None, 50), ("1", 1), ("200", 200)])
def test_limit_is_read(text: str | None, limit: int) -> None:
    assert read_limit(text) == limit


@pytest.mark.parametrize("text", ["0", "201", "-1", "1.0", "1e2", "x", "²", "٣", "9" * 5000], ids=ascii)
def test_limit_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(Rejection, match="400 Bad Request: Give limit"):
        read_limit(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (None, None),
        ("2h", NOW - timedelta(hours=2)),
        ("1h30m", NOW - timedelta(minutes=90)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T10:00:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T10:00:00", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T10:00:00+02:00", datetime(2026, 11, 20, 8, tzinfo=UTC)),
    ],
)
def test_since_is_a_time_or_how_long_ago(text: str | None, moment: datetime | None) -> None:
    assert read_since(text, NOW) == moment


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2", "-2h", "999999999d", "9" * 400 + "d", "0001-01-01T00:00:00+14:00", "2026-11-20T10:00:00 02:00"],
    ids=lambda text: text[:26],
)
def test_since_that_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(Rejection, match=r"2026-11-21T08:00:00Z.*2h"):
        read_since(text, NOW)


def test_choice_names_the_words() -> None:
    assert (read_choice("stage", None, ["a"]), read_choice("stage", "a", ["a"])) == (None, "a")
    with pytest.raises(Rejection, match="one of: a, b"):
        read_choice("stage", "c", ["a", "b"])
