import pytest

from receiver.errors import AddressRefused
from receiver.outbound.addresses import Address, Allowed, read_address, read_literal, refusal

NOTHING = Allowed()

REFUSED = [
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "this network"),
    ("10.0.0.1", "private"),
    ("10.255.255.255", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.168.1.1", "private"),
    ("100.64.0.1", "shared"),
    ("100.127.255.255", "shared"),
    ("169.254.169.254", "link-local"),
    ("192.0.0.8", "reserved"),
    ("192.0.0.9", "reserved"),
    ("192.0.2.1", "documentation"),
    ("198.51.100.7", "documentation"),
    ("203.0.113.7", "documentation"),
    ("192.88.99.1", "tunnel"),
    ("198.18.0.1", "benchmark"),
    ("198.19.255.255", "benchmark"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "broadcast"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:7f00:1", "loopback"),
    ("::ffff:10.0.0.1", "private"),
    ("::ffff:169.254.169.254", "link-local"),
    ("::127.0.0.1", "reserved"),
    ("::8.8.8.8", "reserved"),
    ("64:ff9b::7f00:1", "loopback"),
    ("64:ff9b::10.0.0.1", "private"),
    ("64:ff9b:1::a00:1", "reserved"),
    ("100::1", "reserved"),
    ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "Teredo"),
    ("2001:2::1", "reserved"),
    ("2001:10::1", "reserved"),
    ("2001:db8::1", "documentation"),
    ("2002:7f00:1::", "6to4"),
    ("2002:808:808::1", "6to4"),
    ("3fff::1", "documentation"),
    ("4000::1", "reserved"),
    ("5f00::1", "reserved"),
    ("fc00::1", "private"),
    ("fd00::1", "private"),
    ("fd12:3456:789a::1", "private"),
    ("fe80::1", "link-local"),
    ("fe80::1%eth0", "link-local"),
    ("::1%lo", "loopback"),
    ("febf::1", "link-local"),
    ("fec0::1", "private"),
    ("ff02::1", "multicast"),
]

PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1",
          "192.0.1.1", "198.17.255.255", "198.20.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1",
          "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]  # fmt: skip


@pytest.mark.parametrize(("address", "rule"), REFUSED, ids=[address for address, _ in REFUSED])
def test_address_that_is_not_public_is_refused_with_its_rule(address: str, rule: str) -> None:
    reason = refusal("songs.example", address, NOTHING)
    assert reason is not None
    assert rule in reason
    assert "outbound.allow" in reason


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_permitted(address: str) -> None:
    assert refusal("songs.example", address, NOTHING) is None


def test_refusal_of_a_literal_names_the_address_the_rule_and_the_remedy() -> None:
    reason = refusal("127.0.0.1", "127.0.0.1", NOTHING)
    assert reason == "127.0.0.1 is a loopback address; add it to outbound.allow to permit it"


def test_refusal_of_a_name_names_both() -> None:
    reason = refusal("songs.example", "10.0.0.1", NOTHING)
    assert reason == "songs.example points to 10.0.0.1, a private address; add either to outbound.allow to permit it"


def test_address_that_no_parser_reads_is_refused() -> None:
    assert refusal("songs.example", "nonsense", NOTHING) is not None


LITERALS = [
    ("127.0.0.1", "127.0.0.1"),
    ("127.0.0.1.", "127.0.0.1"),
    ("2130706433", "127.0.0.1"),
    ("0x7f000001", "127.0.0.1"),
    ("017700000001", "127.0.0.1"),
    ("0x7f.1", "127.0.0.1"),
    ("127.1", "127.0.0.1"),
    ("0177.0.0.1", "127.0.0.1"),
    ("0177.0.0.01", "127.0.0.1"),
    ("0xA9.0xFE.0xA9.0xFE", "169.254.169.254"),
    ("2852039166", "169.254.169.254"),
    ("0", "0.0.0.0"),
    ("10.1", "10.0.0.1"),
    ("[::1]", "::1"),
    ("[::ffff:127.0.0.1]", "::ffff:7f00:1"),
    ("[0:0:0:0:0:ffff:7f00:0001]", "::ffff:7f00:1"),
    ("[0000:0000:0000:0000:0000:0000:0000:0001]", "::1"),
    ("[fd00::1]", "fd00::1"),
    ("[fe80::1%eth0]", "fe80::1%eth0"),
]


@pytest.mark.parametrize(("host", "address"), LITERALS, ids=[host for host, _ in LITERALS])
def test_every_spelling_of_an_address_is_read_without_a_lookup_and_refused(host: str, address: str) -> None:
    literal = read_literal(host)
    assert str(literal) == address
    assert refusal(host, str(literal), NOTHING) is not None


@pytest.mark.parametrize(
    "host", ["songs.example", "localhost", "1.2.3.4.5", "0x7g", "256.256.256.256", "", "1 ", "a\0"]
)
def test_names_are_no_literals(host: str) -> None:
    assert read_literal(host) is None


ALLOWED = [
    ("nas.local", "nas.local", "192.168.1.9"),
    ("NAS.local.", "nas.LOCAL", "192.168.1.9"),
    ("nas.local", "nas.local.", "192.168.1.9"),
    ("192.168.1.9", "whatever.example", "192.168.1.9"),
    ("192.168.0.0/16", "whatever.example", "192.168.1.9"),
    ("192.168.0.0/16", "whatever.example", "::ffff:192.168.1.9"),
    ("fd00::/8", "whatever.example", "fd00::1"),
    ("[::1]", "[::1]", "::1"),
    ("fe80::/10", "[fe80::1%eth0]", "fe80::1%eth0"),
]


@pytest.mark.parametrize(("entry", "host", "address"), ALLOWED)
def test_allowed_host_or_network_is_permitted(entry: str, host: str, address: str) -> None:
    assert refusal(host, address, Allowed.parse([entry])) is None
    assert refusal(host, address, NOTHING) is not None


def test_an_allowance_permits_nothing_else() -> None:
    allow = Allowed.parse(["nas.local", "192.168.1.0/24"])
    assert refusal("other.local", "192.168.2.1", allow) is not None
    assert refusal("evil-nas.local", "10.0.0.1", allow) is not None
    assert refusal("nas.local.evil.example", "10.0.0.1", allow) is not None


@pytest.mark.parametrize("entry", ["", "http://nas.local", "nas.local:8080", "10.0.0.1/8", "2130706433", "a b", "*"])
def test_allowance_that_could_never_match_is_an_error(entry: str) -> None:
    with pytest.raises(ValueError, match="neither a host name nor an address nor a CIDR"):
        Allowed.parse([entry])


@pytest.mark.parametrize("port", [1, 22, 25, 79, 81, 444, 1023])
def test_low_port_of_a_public_host_is_refused_unless_allowed(port: int) -> None:
    reason = refusal("songs.example", "8.8.8.8", NOTHING, port)
    assert reason is not None
    assert f"port {port} of songs.example" in reason
    assert refusal("songs.example", "8.8.8.8", Allowed.parse(["songs.example"]), port) is None


@pytest.mark.parametrize("port", [80, 443, 1024, 8443, 65535])
def test_usual_and_free_ports_are_permitted(port: int) -> None:
    assert refusal("songs.example", "8.8.8.8", NOTHING, port) is None


TARGETS = [
    ("https://h.example/a.mp3", "/a.mp3"),
    ("https://h.example", "/"),
    ("https://h.example?x=1", "/?x=1"),
    ("https://h.example/a b.mp3", "/a%20b.mp3"),
    ("https://h.example/a%20b%2fc%2F.mp3", "/a%20b%2fc%2F.mp3"),
    ("https://h.example/100% love.mp3", "/100%25%20love.mp3"),
    ("https://h.example/lied/grüße.mp3", "/lied/gr%C3%BC%C3%9Fe.mp3"),
    ('https://h.example/a"<b>{c}`.mp3', "/a%22%3Cb%3E%7Bc%7D%60.mp3"),
    ("https://h.example/a/../b//c/./d", "/a/../b//c/./d"),
    ("https://h.example/a?X-Sig=a%2Bb+c/d==&e=~|^[]{}'!*(),;:@", "/a?X-Sig=a%2Bb+c/d==&e=~|^[]{}'!*(),;:@"),
    ("https://h.example/a?sig=%zz%&t=%e4", "/a?sig=%zz%&t=%e4"),
    ("https://h.example/a?n=Gute Nacht ♪", "/a?n=Gute%20Nacht%20%E2%99%AA"),
    ("https://h.example/a?b?c", "/a?b?c"),
    ("https://h.example/a#fragment", "/a"),
    (" https://h.example/a \n", "/a"),
    ("https://h.example/\ud800", "/%ED%A0%80"),
]


@pytest.mark.parametrize(("url", "target"), TARGETS)
def test_only_what_http_cannot_carry_is_quoted(url: str, target: str) -> None:
    assert read_address(url) == Address("https", "h.example", 443, target)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://h.example/", "h.example", 80),
        ("http://H.Example.:8080/", "h.example", 8080),
        ("https://[::1]:8443/", "::1", 8443),
        ("HTTPS://h.example/", "h.example", 443),
    ],
)
def test_host_and_port_are_read(url: str, host: str, port: int) -> None:
    address = read_address(url)
    assert (address.host, address.port) == (host, port)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://h.example/a", "neither http nor https"),
        ("file:///etc/passwd", "neither http nor https"),
        ("gopher://h.example/", "neither http nor https"),
        ("//h.example/a", "neither http nor https"),
        ("/a.mp3", "neither http nor https"),
        ("", "neither http nor https"),
        ("data:audio/mpeg;base64,AAAA", "neither http nor https"),
        ("https://user:s3cret@h.example/", "user name"),
        ("https://h.example@127.0.0.1/", "user name"),
        ("https://h.example\\@127.0.0.1/", "user name"),
        ("https://h.example\\.evil.example/", "no valid host"),
        ("https://h.ex ample/", "no valid host"),
        ("https://127%2e0.0.1/", "no valid host"),
        ("https:///a", "no valid host"),
        ("https://:443/a", "no valid host"),
        ("https://[::1/", "not a valid URL"),
        ("https://h.example:99999/", "not a valid URL"),
        ("https://h.example:x/", "not a valid URL"),
    ],
)
def test_url_that_must_not_be_fetched_is_refused_without_quoting_it(url: str, why: str) -> None:
    with pytest.raises(AddressRefused, match=why) as caught:
        read_address(url)
    assert "s3cret" not in str(caught.value)
