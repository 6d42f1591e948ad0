import gzip
import socket
import ssl
import traceback
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import httpcore2
import httpx2 as httpx
import pytest

from receiver.errors import (
    AddressRefused,
    LinkDead,
    NotSent,
    Outcome,
    TemporaryFailure,
    TooLarge,
    Unreachable,
)
from receiver.outbound import Download, Media, network
from tests.support import peers
from tests.support.networks import PUBLIC, Internet

URL = "http://songs.example/a.mp3"
# Put together, so that the source lines in a traceback do not hold it.
SECRET = "s3" + "cret"


@pytest.fixture
def internet() -> Internet:
    return Internet()


@pytest.fixture
async def media(internet: Internet) -> AsyncIterator[Media]:
    media = Media(limit=1000, timeout=timedelta(seconds=5), network=internet.network)
    yield media
    await media.close()


async def fetch(media: Media, url: str = URL) -> tuple[Download, bytes]:
    async with media.stream(url) as download:
        return download, b"".join([chunk async for chunk in download.chunks])


async def test_file_arrives_with_its_type_and_length(media: Media, internet: Internet) -> None:
    async with peers.serve(peers.answer(b"ID3", headers={"Content-Type": "Audio/MPEG; x=y"})) as peer:
        internet.port = peer.port
        download, body = await fetch(media)
    assert body == b"ID3"
    assert (download.url, download.media_type, download.length) == (URL, "audio/mpeg", 3)


async def test_checked_address_is_dialled_and_the_name_kept_as_host(media: Media, internet: Internet) -> None:
    async with peers.serve() as peer:
        internet.port = peer.port
        await fetch(media, "http://songs.example:8080/a.mp3")
    assert internet.dialled == [(PUBLIC, 8080)]
    assert peer.seen[0].headers["host"] == "songs.example:8080"
    assert peer.seen[0].headers["accept-encoding"] == "identity"
    assert peer.seen[0].headers["user-agent"].startswith("Mozilla/5.0")


async def test_tls_asks_for_the_name_and_checks_its_certificate(media: Media, internet: Internet) -> None:
    async with peers.serve() as peer:
        internet.port = peer.port
        await fetch(media, "https://songs.example./a.mp3")
    context, name = internet.secured[0]
    assert name == "songs.example"
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert peer.seen[0].headers["host"] == "songs.example"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1.", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "127。0。0。1", "[::1]",
     "[::ffff:127.0.0.1]", "[fd00::1]", "169.254.169.254", "0.0.0.0", "[::]", "[fe80::1]"],
)  # fmt: skip
async def test_every_spelling_of_an_internal_address_is_refused_undialled(
    media: Media, internet: Internet, host: str
) -> None:
    async with peers.serve() as peer:
        internet.port = peer.port
        with pytest.raises(AddressRefused, match=r"outbound\.allow"):
            await fetch(media, f"http://{host}:{peer.port}/a.mp3")
    assert (internet.dialled, internet.lookups, peer.opened) == ([], [], 0)


@pytest.mark.parametrize("host", ["１２７.0.0.1", "①②⑦.0.0.1", "a..b", "-", "a" * 64 + ".example"])  # noqa: RUF001 - the trick itself
async def test_odd_host_is_refused_or_looked_up_but_never_trusted(media: Media, internet: Internet, host: str) -> None:
    async def private(name: str) -> Sequence[str]:
        return ["127.0.0.1"]

    media = Media(network=network.Network(resolve=private, dial=internet.network.dial))
    with pytest.raises(AddressRefused):
        await fetch(media, f"http://{host}/a.mp3")
    assert internet.dialled == []


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], [PUBLIC, "10.0.0.1"], ["10.0.0.1", PUBLIC], [PUBLIC, "::1"], ["fe80::1%eth0"], ["nonsense"]],
)
async def test_name_with_any_internal_address_is_refused_undialled(
    media: Media, internet: Internet, addresses: list[str]
) -> None:
    internet.names["localhost"] = [addresses]
    with pytest.raises(AddressRefused, match="localhost points to"):
        await fetch(media, "http://localhost./a.mp3")
    assert internet.dialled == []


async def test_name_is_resolved_once_so_that_it_cannot_change_after_the_check(media: Media, internet: Internet) -> None:
    internet.names["songs.example"] = [[PUBLIC], ["127.0.0.1"]]
    async with peers.serve(peers.answer(keep=False)) as peer:
        internet.port = peer.port
        await fetch(media)
        assert (internet.lookups, internet.dialled) == (["songs.example"], [(PUBLIC, 80)])
        await peer.closed.wait()
        with pytest.raises(AddressRefused):
            await fetch(media)
    assert internet.dialled == [(PUBLIC, 80)]


async def test_low_port_is_refused_undialled(media: Media, internet: Internet) -> None:
    with pytest.raises(AddressRefused, match=r"port 25 of songs\.example"):
        await fetch(media, "http://songs.example:25/a.mp3")
    assert internet.dialled == []


async def test_next_address_is_tried_where_the_first_is_down(media: Media, internet: Internet) -> None:
    internet.names["songs.example"] = [["2606:4700::1111", PUBLIC]]
    internet.down = {"2606:4700::1111"}
    async with peers.serve(peers.answer(b"x")) as peer:
        internet.port = peer.port
        assert (await fetch(media))[1] == b"x"
    assert internet.dialled == [("2606:4700::1111", 80), (PUBLIC, 80)]


async def test_allowed_address_is_fetched_over_the_real_network() -> None:
    media = Media(["127.0.0.0/8"])
    async with peers.serve(peers.answer(b"x")) as peer:
        assert (await fetch(media, peer.url))[1] == b"x"
    await media.close()


async def test_allowed_name_is_fetched_on_any_port(internet: Internet) -> None:
    media = Media(["nas.local"], network=internet.network)
    internet.names["nas.local"] = [["192.168.1.9"]]
    async with peers.serve() as peer:
        internet.port = peer.port
        await fetch(media, "http://nas.local:81/a.mp3")
    await media.close()
    assert internet.dialled == [("192.168.1.9", 81)]


def test_allowance_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="neither a host name"):
        Media(["http://nas.local/"])


async def test_real_resolver_reads_addresses() -> None:
    assert await network.resolve_name("127.0.0.1") == ["127.0.0.1"]


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_NONAME, "unknown"), UnicodeError("label too long")])
async def test_name_that_does_not_resolve_is_unreachable(internet: Internet, error: Exception) -> None:
    async def fail(host: str) -> Sequence[str]:
        raise error

    media = Media(network=network.Network(resolve=fail, dial=internet.network.dial))
    with pytest.raises(NotSent, match=r"songs\.example"):
        await fetch(media)


async def test_name_without_addresses_is_unreachable(media: Media, internet: Internet) -> None:
    internet.names["songs.example"] = [[]]
    with pytest.raises(NotSent, match=r"the name songs\.example does not resolve"):
        await fetch(media)


async def test_redirects_are_followed_and_the_last_address_is_told(media: Media, internet: Internet) -> None:
    async with peers.serve(
        peers.redirect("/b?sig=a%2Bb"), peers.redirect("http://cdn.example/c d", 307), peers.answer(b"x")
    ) as peer:
        internet.port = peer.port
        download, body = await fetch(media)
    assert (download.url, body) == ("http://cdn.example/c d", b"x")
    assert [seen.target for seen in peer.seen] == ["/a.mp3", "/b?sig=a%2Bb", "/c%20d"]
    # An answer that is left open would hold one of the pool's places for ever.
    assert all(connection.is_idle() for connection in media._transport._pool.connections)
    assert set(internet.lookups) == {"songs.example", "cdn.example"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://127.0.0.1/", "loopback"),
        ("http://[::ffff:10.0.0.1]/", "private"),
        ("//169.254.169.254/latest", "link-local"),
        ("file:///etc/passwd", "neither http nor https"),
        ("http://me:s3cret@songs.example/", "user name"),
        ("http://songs.example:22/", "port 22"),
        ("http://[::1", "not a valid URL"),
    ],
)
async def test_each_redirect_is_vetted_again(
    media: Media, internet: Internet, location: str, why: str, status: int
) -> None:
    async with peers.serve(peers.redirect(location, status), peers.answer(b"stolen")) as peer:
        internet.port = peer.port
        with pytest.raises(AddressRefused, match=why):
            await fetch(media)
    assert (len(peer.seen), internet.dialled) == (1, [(PUBLIC, 80)])


async def test_redirect_from_https_to_http_is_refused(media: Media, internet: Internet) -> None:
    async with peers.serve(peers.redirect("http://songs.example/"), peers.answer(b"x")) as peer:
        internet.port = peer.port
        with pytest.raises(AddressRefused, match="from https to http"):
            await fetch(media, "https://songs.example/a.mp3")
    assert len(peer.seen) == 1


async def test_five_redirects_are_followed_and_six_are_not(media: Media, internet: Internet) -> None:
    five = [peers.redirect(f"/{number}") for number in range(5)]
    async with peers.serve(*five, peers.answer(b"x"), peers.redirect("/again")) as peer:
        internet.port = peer.port
        assert (await fetch(media))[1] == b"x"
        with pytest.raises(TemporaryFailure, match="redirects more than 5 times"):
            await fetch(media)
    assert len(peer.seen) == 12


def expected(status: int) -> type[Outcome]:
    return LinkDead if status in {403, 404, 410, 441} else TemporaryFailure


@pytest.mark.parametrize(
    "status", [201, 204, 300, 304, 400, 401, 403, 404, 408, 410, 416, 429, 441, 451, 500, 503, 599]
)
async def test_status_without_a_file_has_its_outcome(media: Media, internet: Internet, status: int) -> None:
    async with peers.serve(peers.answer(b"", status, {"Retry-After": "7"})) as peer:
        internet.port = peer.port
        with pytest.raises(TemporaryFailure, match=rf"^songs\.example answered {status}") as caught:
            await fetch(media)
    assert type(caught.value) is expected(status)
    assert caught.value.stale is (type(caught.value) is LinkDead)
    if not caught.value.stale:
        assert caught.value.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("content_range", "whole"),
    [("bytes 0-2/3", True), ("bytes 0-2/9", False), ("bytes 1-3/4", False), ("bytes 0-2/*", False), ("", False)],
)
async def test_partial_answer_counts_only_where_it_is_the_whole_file(
    media: Media, internet: Internet, content_range: str, whole: bool
) -> None:
    async with peers.serve(peers.answer(b"ID3", 206, {"Content-Range": content_range})) as peer:
        internet.port = peer.port
        if whole:
            assert (await fetch(media))[1] == b"ID3"
            return
        with pytest.raises(Unreachable, match="only a part"):
            await fetch(media)


async def test_announced_size_above_the_limit_is_refused_before_reading(media: Media, internet: Internet) -> None:
    async with peers.serve(peers.hang(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n")) as peer:
        internet.port = peer.port
        with pytest.raises(TooLarge, match="announces 1001 bytes, above the limit of 1000"):
            await fetch(media)


async def test_unannounced_size_is_counted_against_the_limit(media: Media, internet: Internet) -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    async with peers.serve(peers.raw(head + b"x" * 1000), peers.raw(head + b"x" * 1001)) as peer:
        internet.port = peer.port
        download, body = await fetch(media)
        assert (download.length, len(body)) == (None, 1000)
        with pytest.raises(TooLarge, match="more than the limit of 1000 bytes"):
            await fetch(media)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (peers.truncate(b"abc", 10), "cut off after 3 of 10 bytes"),
        (peers.truncate(b"", 10), "cut off after 0 of 10 bytes"),
        (peers.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n9\r\nab"), "cut off after"),
        (peers.reset(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), "reset the connection"),
        (peers.reset(), "reset the connection"),
        (peers.raw(b""), "closed the connection"),
    ],
    ids=["truncated", "empty", "chunked", "reset within", "reset", "closed"],
)
async def test_file_that_breaks_off_is_unreachable(
    media: Media, internet: Internet, reply: peers.Reply, why: str
) -> None:
    async with peers.serve(reply) as peer:
        internet.port = peer.port
        with pytest.raises(Unreachable, match=why):
            await fetch(media)


@pytest.mark.parametrize(
    "reply", [peers.hang(), peers.hang(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), peers.drip()]
)
async def test_time_for_a_file_is_capped_as_a_whole(internet: Internet, reply: peers.Reply) -> None:
    media = Media(timeout=timedelta(milliseconds=80), network=internet.network)
    async with peers.serve(reply) as peer:
        internet.port = peer.port
        with pytest.raises(Unreachable, match=r"^songs\.example took longer than 0\.08 s for a file$"):
            await fetch(media)
    await media.close()


async def test_encoded_file_is_decoded_and_its_true_size_counts(media: Media, internet: Internet) -> None:
    encoded = {"Content-Encoding": "gzip"}
    async with peers.serve(
        peers.answer(gzip.compress(b"hello"), headers=encoded),
        peers.answer(gzip.compress(b"x" * 1001), headers=encoded),
        peers.answer(b"no gzip", headers=encoded),
    ) as peer:
        internet.port = peer.port
        download, body = await fetch(media)
        assert (download.length, body) == (None, b"hello")
        with pytest.raises(TooLarge):
            await fetch(media)
        with pytest.raises(Unreachable, match="can't be decoded"):
            await fetch(media)


async def test_reader_may_leave_early(media: Media, internet: Internet) -> None:
    async with peers.serve(peers.answer(b"x" * 1000)) as peer:
        internet.port = peer.port
        async with media.stream(URL) as download:
            assert await anext(download.chunks)
        assert (await fetch(media))[1] == b"x" * 1000


async def test_target_goes_out_byte_for_byte(media: Media, internet: Internet) -> None:
    async with peers.serve() as peer:
        internet.port = peer.port
        await fetch(media, "http://songs.example/a/../ö b%2fc?X-Sig=a%2Bb+c/d==&e=~|[]'")
    assert peer.seen[0].target == "/a/../%C3%B6%20b%2fc?X-Sig=a%2Bb+c/d==&e=~|[]'"


async def test_proxies_of_the_environment_are_ignored(internet: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    media = Media(network=internet.network)
    async with peers.serve() as peer:
        internet.port = peer.port
        await fetch(media)
    await media.close()
    assert internet.dialled == [(PUBLIC, 80)]


async def test_errors_and_their_tracebacks_name_the_host_and_no_secret(media: Media, internet: Internet) -> None:
    async with peers.serve(peers.reset()) as peer:
        internet.port = peer.port
        with pytest.raises(Unreachable, match=r"^songs\.example ") as caught:
            await fetch(media, f"http://songs.example/{SECRET}?sig={SECRET}")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_httpx2_keeps_its_pool_where_the_guard_replaces_it() -> None:
    assert isinstance(httpx.AsyncHTTPTransport()._pool, httpcore2.AsyncConnectionPool)
    pool = Media()._transport._pool
    assert isinstance(pool, httpcore2.AsyncConnectionPool)
    assert type(pool._network_backend) is network.Guard


def test_transport_without_the_pool_is_no_transport(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "__init__", lambda *_, **__: None)
    with pytest.raises(TypeError, match="can't be vetted"):
        Media()
