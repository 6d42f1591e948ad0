import pytest

from receiver.cli.source import (
    Conflict,
    Forbidden,
    NoReceiver,
    NotThere,
    Remote,
    nearby,
    remote,
    remote_source,
    settle,
)
from receiver.errors import ConfigError, ReceiverError
from receiver.outbound import Answer
from tests.support import peers

TOKEN = "token-of-the-test"


def test_both_variables_name_a_running_receiver() -> None:
    there = remote({"RECEIVER_URL": "https://music.example.com/", "RECEIVER_TOKEN": TOKEN})
    assert there == Remote("https://music.example.com", TOKEN)
    assert TOKEN not in repr(there)


def test_neither_variable_leads_to_the_database() -> None:
    assert remote({"RECEIVER_URL": "", "RECEIVER_TOKEN": ""}) is None


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"RECEIVER_URL": "https://music.example.com"}, "RECEIVER_TOKEN is not set"),
        ({"RECEIVER_TOKEN": TOKEN}, "RECEIVER_URL is not set"),
        ({"RECEIVER_URL": "music.example.com", "RECEIVER_TOKEN": TOKEN}, "must start with http"),
    ],
    ids=["no token", "no url", "no scheme"],
)
def test_half_an_address_is_wrong_use(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as raised:
        remote(environ)
    assert TOKEN not in str(raised.value)


@pytest.mark.parametrize(
    ("environ", "url"), [({}, "http://127.0.0.1:8000"), ({"PORT": "9123"}, "http://127.0.0.1:9123")]
)
def test_the_receiver_of_this_machine_is_where_serve_listens(environ: dict[str, str], url: str) -> None:
    assert nearby(environ) == url


def test_a_port_that_is_no_number_is_wrong_use() -> None:
    with pytest.raises(ConfigError, match="PORT must be a number up to 65535"):
        nearby({"PORT": "http"})


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ConfigError),
        (401, Forbidden),
        (403, Forbidden),
        (404, NotThere),
        (409, Conflict),
        (422, ConfigError),
        (503, ReceiverError),
    ],
)
def test_each_refusal_has_its_error(status: int, error: type[ReceiverError]) -> None:
    with pytest.raises(error) as raised:
        settle(Answer(status=status, headers={}, body=b'{"detail": "Do it otherwise."}'))
    assert type(raised.value) is error


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"detail": 3}'], ids=["html", "list", "number"])
def test_a_refusal_of_something_else_than_a_receiver_is_told(body: bytes) -> None:
    with pytest.raises(ReceiverError, match="answered 502, and not in a receiver's words"):
        settle(Answer(status=502, headers={}, body=body))


def test_an_answer_that_is_no_json_is_told() -> None:
    with pytest.raises(ReceiverError, match="something else than JSON"):
        settle(Answer(status=200, headers={}, body=b"<html>"))


async def test_a_running_receiver_is_asked_with_the_token() -> None:
    async with peers.serve(peers.answer(b'{"data": []}')) as peer, remote_source(Remote(peer.url, TOKEN)) as source:
        assert await source.get("/v1/events", {"q": "a b"}) == {"data": []}
        assert await source.post("/v1/replays", {"handler": "log"}) == {"data": []}
    assert [seen.target for seen in peer.seen] == ["/v1/events?q=a+b", "/v1/replays"]
    assert {seen.headers["authorization"] for seen in peer.seen} == {f"Bearer {TOKEN}"}
    assert peer.seen[1].json() == {"handler": "log"}


@pytest.mark.parametrize("reply", [peers.reset(), peers.truncate(b"{", 10)], ids=["reset", "cut off"])
async def test_a_receiver_that_gives_no_answer_is_named(reply: peers.Reply) -> None:
    async with peers.serve(reply) as peer, remote_source(Remote(peer.url, TOKEN)) as source:
        with pytest.raises(NoReceiver, match=peer.url) as raised:
            await source.get("/v1/events")
    assert TOKEN not in str(raised.value)


async def test_a_closed_port_says_that_no_receiver_is_there() -> None:
    async with peers.serve() as peer:
        pass
    async with remote_source(Remote(peer.url, TOKEN)) as source:
        with pytest.raises(NoReceiver, match="Start `receiver serve`"):
            await source.get("/v1/events")
