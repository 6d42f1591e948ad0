import asyncio
import gzip
import socket
import traceback
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from receiver.errors import NotSent, TooLarge, Unreachable
from receiver.outbound import Http
from tests.support import peers

SOON = timedelta(milliseconds=80)
# Put together, so that the source lines in a traceback do not hold it.
SECRET = "s3" + "cret"


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    http = Http("suno-receiver/1", limit=1000)
    yield http
    await http.close()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_answer_has_status_lower_case_headers_and_body(http: Http) -> None:
    async with peers.serve(peers.answer(b'{"a": 1}', 201, {"X-Thing": "Yes", "Content-Type": "a/b"})) as peer:
        answer = await http.request("GET", f"{peer.url}/path?q=1")
    assert (answer.status, answer.body, answer.json()) == (201, b'{"a": 1}', {"a": 1})
    assert answer.headers["x-thing"] == "Yes"
    assert all(name == name.lower() for name in answer.headers)
    assert (peer.seen[0].method, peer.seen[0].target) == ("GET", "/path?q=1")


async def test_request_carries_our_name_and_the_callers_headers_over_it(http: Http) -> None:
    async with peers.serve() as peer:
        await http.request("GET", peer.url)
        await http.request("GET", peer.url, headers={"User-Agent": "else", "Authorization": "Bearer x"})
    first, second = (seen.headers for seen in peer.seen)
    assert first["user-agent"] == "suno-receiver/1"
    assert first["host"] == f"127.0.0.1:{peer.port}"
    assert "content-length" not in first
    assert (second["user-agent"], second["authorization"]) == ("else", "Bearer x")


async def test_json_is_sent_even_with_a_lone_surrogate(http: Http) -> None:
    async with peers.serve() as peer:
        await http.request("POST", peer.url, json={"title": "Nacht ♪ \ud800"})
        await http.request("POST", peer.url, json=[], headers={"Content-Type": "application/x"})
    assert peer.seen[0].json() == {"title": "Nacht ♪ \ud800"}
    assert [seen.headers["content-type"] for seen in peer.seen] == ["application/json", "application/x"]


@pytest.mark.parametrize("method", ["POST", "put", "PATCH"])
async def test_empty_body_has_a_length(http: Http, method: str) -> None:
    async with peers.serve() as peer:
        await http.request(method, peer.url)
    assert peer.seen[0].headers["content-length"] == "0"


async def test_stream_is_sent_in_chunks_or_with_the_length_that_the_caller_knows(http: Http) -> None:
    async with peers.serve() as peer:
        await http.request("POST", peer.url, content=chunks(b"ab", b"cd"))
        await http.request("POST", peer.url, content=chunks(b"ab", b"cd"), headers={"Content-Length": "4"})
    assert [seen.body for seen in peer.seen] == [b"abcd", b"abcd"]
    assert peer.seen[0].headers["transfer-encoding"] == "chunked"
    assert "transfer-encoding" not in peer.seen[1].headers


async def test_what_the_callers_stream_raises_comes_through(http: Http) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"ab"
        raise TimeoutError("the client went away")

    async with peers.serve() as peer:
        with pytest.raises(TimeoutError, match="the client went away"):
            await http.request("POST", peer.url, content=broken())


async def test_gzip_is_undone_and_its_true_size_counts(http: Http) -> None:
    small, large = gzip.compress(b"hello"), gzip.compress(b"x" * 1001)
    encoded = {"Content-Encoding": "gzip"}
    async with peers.serve(peers.answer(small, 200, encoded), peers.answer(large, 200, encoded)) as peer:
        assert (await http.request("GET", peer.url)).body == b"hello"
        with pytest.raises(TooLarge, match=r"^127\.0\.0\.1 answered with more than 1000 bytes$"):
            await http.request("GET", peer.url)


async def test_body_at_the_limit_passes_and_one_byte_more_does_not(http: Http) -> None:
    async with peers.serve(peers.answer(b"x" * 1000), peers.answer(b"x" * 1001)) as peer:
        assert len((await http.request("GET", peer.url)).body) == 1000
        with pytest.raises(TooLarge):
            await http.request("GET", peer.url)
        # What is left of the answer must not stay on a connection that is counted as in use.
        assert http._transport._pool.connections == []


async def test_redirect_is_answered_as_it_is_and_not_followed(http: Http) -> None:
    async with peers.serve(peers.redirect("/elsewhere"), peers.answer(b"followed")) as peer:
        answer = await http.request("POST", peer.url, content=b"x")
    assert (answer.status, answer.headers["location"]) == (302, "/elsewhere")
    assert len(peer.seen) == 1


async def test_cookies_are_not_kept(http: Http) -> None:
    async with peers.serve(peers.answer(headers={"Set-Cookie": "who=me"})) as peer:
        await http.request("GET", peer.url)
        await http.request("GET", peer.url)
    assert "cookie" not in peer.seen[1].headers


async def test_proxies_of_the_environment_are_ignored(
    monkeypatch: pytest.MonkeyPatch, closed_port: int, http: Http
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    async with peers.serve() as peer:
        assert (await http.request("GET", peer.url)).status == 200


async def test_user_and_password_of_an_address_become_a_header(http: Http) -> None:
    async with peers.serve() as peer:
        await http.request("GET", f"http://me:p%40ss@127.0.0.1:{peer.port}/")
    assert peer.seen[0].headers["authorization"] == "Basic bWU6cEBzcw=="
    assert peer.seen[0].headers["host"] == f"127.0.0.1:{peer.port}"


async def test_connection_is_kept_and_used_again(http: Http) -> None:
    async with peers.serve() as peer:
        for _ in range(5):
            await http.request("POST", peer.url, content=b"x")
    assert (len(peer.seen), peer.opened) == (5, 1)


async def test_hundred_connections_are_kept(http: Http) -> None:
    async with peers.serve() as peer:
        for _ in range(2):
            await asyncio.gather(*(http.request("POST", peer.url, content=b"x") for _ in range(100)))
    assert (len(peer.seen), peer.opened) == (200, 100)


async def test_connection_that_the_peer_closed_while_idle_is_replaced_unseen(http: Http) -> None:
    async with peers.serve(peers.answer(b"1", keep=False), peers.answer(b"2")) as peer:
        await http.request("POST", peer.url, content=b"first")
        await peer.closed.wait()
        answer = await http.request("POST", peer.url, content=b"second")
    assert answer.body == b"2"
    assert [seen.body for seen in peer.seen] == [b"first", b"second"]
    assert peer.opened == 2


@pytest.mark.parametrize(
    "reply",
    [
        peers.raw(b""),
        peers.reset(),
        peers.raw(b"nonsense\r\n\r\n"),
        peers.truncate(b"abc", 10),
        peers.reset(b"HTTP/1."),
    ],
    ids=["closed", "reset", "no HTTP", "truncated", "reset within the head"],
)
@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "kept"])
async def test_request_that_was_read_but_not_answered_is_unreachable_and_never_sent_twice(
    http: Http, reply: peers.Reply, reused: bool
) -> None:
    replies = [peers.answer(), reply] if reused else [reply]
    async with peers.serve(*replies, peers.answer(b"a second try")) as peer:
        if reused:
            await http.request("POST", peer.url, content=b"before")
        with pytest.raises(Unreachable) as caught:
            await http.request("POST", peer.url, content=b"body")
    assert type(caught.value) is Unreachable
    assert [seen.body for seen in peer.seen].count(b"body") == 1
    assert peer.opened == 1


@pytest.mark.parametrize(
    "reply", [peers.hang(), peers.hang(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), peers.drip()]
)
async def test_time_limit_holds_for_the_whole_exchange(http: Http, reply: peers.Reply) -> None:
    async with peers.serve(reply) as peer:
        with pytest.raises(Unreachable, match=r"^127\.0\.0\.1 did not answer within 0\.08 s$") as caught:
            await http.request("GET", peer.url, timeout=SOON)
    assert type(caught.value) is Unreachable


async def test_stream_that_brings_nothing_in_time_was_not_sent(http: Http) -> None:
    async def silent() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    async with peers.serve() as peer:
        with pytest.raises(NotSent):
            await http.request("POST", peer.url, content=silent(), timeout=SOON)


@pytest.mark.parametrize("streamed", [False, True], ids=["bytes", "stream"])
async def test_body_that_got_stuck_half_way_is_unreachable(http: Http, streamed: bool) -> None:
    async def ignore(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    done, large = asyncio.Event(), b"x" * 2**25
    async with await asyncio.start_server(ignore, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        content = chunks(large) if streamed else large
        with pytest.raises(Unreachable) as caught:
            await http.request("POST", f"http://127.0.0.1:{port}/", content=content, timeout=SOON)
        done.set()
    assert type(caught.value) is Unreachable


async def test_refused_connection_was_not_sent(http: Http, closed_port: int) -> None:
    with pytest.raises(NotSent, match=r"^127\.0\.0\.1 refuses connections$"):
        await http.request("POST", f"http://127.0.0.1:{closed_port}/s3cret", content=b"x")


async def test_name_whose_every_address_refuses_was_not_sent(
    http: Http, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    def find(*_: object, **__: object) -> list[object]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, closed_port))
            for address in ("127.0.0.1", "127.0.0.2")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", find)
    with pytest.raises(NotSent, match=r"^api\.example refuses connections$"):
        await http.request("POST", f"http://api.example:{closed_port}/", content=b"x")


async def test_name_that_does_not_resolve_was_not_sent(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(NotSent, match=r"^the name api\.example does not resolve$"):
        await http.request("POST", "https://api.example/s3cret", content=b"x")


async def test_failed_tls_was_not_sent(http: Http) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ready\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(NotSent, match=r"^127\.0\.0\.1 speaks no TLS that is understood here$"):
            await http.request("POST", f"https://127.0.0.1:{port}/s3cret", content=b"x")


async def test_tls_that_hangs_was_not_sent(http: Http) -> None:
    async with peers.serve() as peer:
        url = peer.url.replace("http://", "https://")
        with pytest.raises(NotSent, match=r"^127\.0\.0\.1 could not be connected to within 0\.08 s$"):
            await http.request("POST", url, content=b"x", timeout=SOON)
    assert peer.seen == []


async def test_connecting_has_a_time_limit_of_its_own() -> None:
    http = Http(connect_timeout=SOON)
    async with peers.serve() as peer:
        with pytest.raises(NotSent, match=r"^127\.0\.0\.1 could not be connected to in time$"):
            await http.request("POST", peer.url.replace("http://", "https://"), content=b"x")
    await http.close()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:x/s3cret", "not a valid URL"),
        ("http://127.0.0.1/s3cret\x00", "not a valid URL"),
        ("ftp://127.0.0.1/s3cret", "not written as an http or https address"),
        ("s3cret", "not written as an http or https address"),
    ],
)
async def test_address_that_is_none_was_not_sent(http: Http, url: str, why: str) -> None:
    with pytest.raises(NotSent, match=why) as caught:
        await http.request("GET", url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("value", [f"{SECRET}\r\nx: y", f"{SECRET} ♪"], ids=["line break", "not ASCII"])
async def test_header_that_http_cannot_carry_was_not_sent(http: Http, value: str) -> None:
    async with peers.serve() as peer:
        with pytest.raises(NotSent) as caught:
            await http.request("GET", peer.url, headers={"X-Key": value})
    assert peer.seen == []
    assert SECRET not in "".join(traceback.format_exception(caught.value))


async def test_errors_and_their_tracebacks_name_the_host_and_no_secret(http: Http) -> None:
    async with peers.serve(peers.reset()) as peer:
        url = f"http://me:{SECRET}@127.0.0.1:{peer.port}/{SECRET}?key={SECRET}"
        with pytest.raises(Unreachable, match=r"^127\.0\.0\.1 ") as caught:
            await http.request("POST", url, headers={"X-Key": SECRET}, content=SECRET.encode())
    assert SECRET not in "".join(traceback.format_exception(caught.value))


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


async def test_a_stream_is_read_as_it_comes(http: Http) -> None:
    place = {"Last-Event-ID": "evt_1"}
    async with (
        peers.serve(peers.hang(HEAD + b"data: 1\n\n")) as peer,
        http.stream(f"{peer.url}/s", headers=place) as flow,
    ):
        assert (flow.status, flow.headers["content-type"]) == (200, "text/event-stream")
        assert await anext(flow.chunks) == b"data: 1\n\n"
    sent = peer.seen[0]
    assert (sent.method, sent.target, sent.headers["last-event-id"]) == ("GET", "/s", "evt_1")
    assert sent.headers["accept-encoding"] == "identity"


async def test_a_stream_may_be_longer_than_any_answer(http: Http) -> None:
    async with peers.serve(peers.raw(HEAD + b"x" * 5000)) as peer, http.stream(peer.url) as flow:
        assert len(b"".join([chunk async for chunk in flow.chunks])) == 5000


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (peers.hang(), "was silent for too long"),
        (peers.hang(HEAD + b"x"), "was silent for too long"),
        (peers.truncate(b"x", 10), "closed the connection before its answer was complete"),
        (peers.reset(), "closed the connection|reset the connection"),
    ],
    ids=["no answer", "silence", "cut", "reset"],
)
async def test_a_stream_that_is_cut_or_silent_is_unreachable(http: Http, reply: peers.Reply, why: str) -> None:
    async with peers.serve(reply) as peer:
        with pytest.raises(Unreachable, match=why):
            await _read_all(http, peer.url)


async def _read_all(http: Http, url: str) -> None:
    async with http.stream(url, silence=SOON) as flow:
        async for _ in flow.chunks:
            pass


async def test_a_stream_that_nobody_answers_was_not_sent(http: Http, closed_port: int) -> None:
    with pytest.raises(NotSent, match="refuses connections"):
        async with http.stream(f"http://127.0.0.1:{closed_port}"):
            pass


@pytest.mark.parametrize("reads", [0, 3])
async def test_the_connection_of_a_stream_ends_with_its_context(http: Http, reads: int) -> None:
    async with peers.serve(peers.drip()) as peer:
        async with http.stream(peer.url) as flow:
            for _ in range(reads):
                await anext(flow.chunks)
            assert not peer.closed.is_set()
        await asyncio.wait_for(peer.closed.wait(), 5)
