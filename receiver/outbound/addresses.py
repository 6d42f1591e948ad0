"""Which addresses from outside may be fetched: URLs taken apart, and the rule that refuses an IP address. Pure."""

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import quote, urljoin, urlsplit

from receiver.errors import AddressRefused

_IP = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network

_DEFAULT_PORTS = {"http": 80, "https": 443}
# Below 1024 live mail, shells and databases that understand enough of an HTTP request to be abused.
_FIRST_FREE_PORT = 1024

# The IANA registries of special-purpose addresses, written down because `is_global` differs between Python releases.
# https://www.iana.org/assignments/iana-ipv4-special-registry
_RULES_V4 = tuple(
    (IPv4Network(network), rule)
    for network, rule in (
        ("0.0.0.0/32", "an unspecified address"),
        ("0.0.0.0/8", "an address of this network"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "a shared address (carrier-grade NAT)"),
        ("127.0.0.0/8", "a loopback address"),
        ("169.254.0.0/16", "a link-local address"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a reserved address"),
        ("192.0.2.0/24", "a documentation address"),
        ("192.88.99.0/24", "a tunnel address (6to4)"),
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "a benchmark address"),
        ("198.51.100.0/24", "a documentation address"),
        ("203.0.113.0/24", "a documentation address"),
        ("224.0.0.0/4", "a multicast address"),
        ("255.255.255.255/32", "a broadcast address"),
        ("240.0.0.0/4", "a reserved address"),
    )
)
# https://www.iana.org/assignments/iana-ipv6-special-registry
_RULES_V6 = tuple(
    (IPv6Network(network), rule)
    for network, rule in (
        ("::/128", "an unspecified address"),
        ("::1/128", "a loopback address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a private address"),
        ("fc00::/7", "a private address"),
        ("ff00::/8", "a multicast address"),
        ("2001::/32", "a tunnel address (Teredo)"),
        ("2001::/23", "a reserved address"),
        ("2001:db8::/32", "a documentation address"),
        ("2002::/16", "a tunnel address (6to4)"),
        ("3fff::/20", "a documentation address"),
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
# Resolvers of IPv6-only networks answer with this prefix for a host that has IPv4 only.
_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Allowed:
    """Host names and networks that are permitted although they are not public."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[_Network, ...] = ()

    @classmethod
    def parse(cls, entries: Sequence[str]) -> "Allowed":
        """From host names, addresses and CIDRs; raises ValueError for one that is none of them."""
        hosts: set[str] = set()
        networks: list[_Network] = []
        for entry in entries:
            try:
                networks.append(ip_network(entry.strip("[] ")))
            except ValueError:
                hosts.add(_read_host(entry))
        return cls(frozenset(hosts), tuple(networks))

    def covers(self, host: str, address: _IP) -> bool:
        seen = (address, _unwrap(address))
        return _bare(host) in self.hosts or any(ip in network for network in self.networks for ip in seen)


def _read_host(entry: str) -> str:
    host = _bare(entry.strip())
    # A network with host bits set, a URL or a port would never match anything, silently.
    if not re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", host) or read_literal(host):
        raise ValueError(f"{entry} is neither a host name nor an address nor a CIDR")
    return host


def _bare(host: str) -> str:
    return host.lower().rstrip(".")


def read_literal(host: str) -> _IP | None:
    """The IP address that a host spells (127.0.0.1, 2130706433, 0x7f.1, [::1]); None for a name."""
    host = host.strip("[]").rstrip(".")
    try:
        return ip_address(host)
    except ValueError:
        pass
    # What the C library accepts, a resolver accepts: all of its spellings are read here, and none is looked up.
    try:
        return IPv4Address(socket.inet_aton(host)) if host and " " not in host else None
    except (OSError, ValueError):
        return None


def refusal(host: str, address: str, allow: Allowed, port: int = 443) -> str | None:
    """Why this address of this host may not be fetched, and what would permit it; None where it may."""
    ip = read_literal(address)
    if ip is None:
        return f"{host} points to {address}, which is no IP address"
    if allow.covers(host, ip):
        return None
    rule = _find_rule(ip)
    if rule and read_literal(host):
        return f"{ip} is {rule}; add it to outbound.allow to permit it"
    if rule:
        return f"{host} points to {ip}, {rule}; add either to outbound.allow to permit it"
    if port < _FIRST_FREE_PORT and port not in _DEFAULT_PORTS.values():
        return (
            f"port {port} of {host} is refused: addresses from outside may use 80, 443 and 1024 or above; "
            "add the host to outbound.allow to permit it"
        )
    return None


def _unwrap(ip: _IP) -> _IP:
    """The IPv4 address that an IPv6 one really leads to."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip


def _find_rule(address: _IP) -> str | None:
    ip = _unwrap(address)
    rules: tuple[tuple[_Network, str], ...] = _RULES_V4 if isinstance(ip, IPv4Address) else _RULES_V6
    rule = next((rule for network, rule in rules if ip in network), None)
    if rule is None and isinstance(ip, IPv6Address) and ip not in _GLOBAL_V6:
        return "a reserved address"
    # The last word for ranges that are registered after this was written.
    return rule or (None if ip.is_global else "not a public address")


@dataclass(frozen=True, slots=True)
class Address:
    """A URL taken apart: `target` is what the request line carries, byte for byte as it was signed."""

    scheme: str
    host: str
    port: int
    target: str


def read_address(url: str) -> Address:
    """Takes a URL from outside apart, by the only parser that is asked; raises AddressRefused."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise AddressRefused("an address from outside is not a valid URL") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise AddressRefused("an address from outside is neither http nor https")
    if "@" in parts.netloc:
        raise AddressRefused("an address from outside carries a user name or a password")
    if not host or re.search(r"[\x00-\x20\x7f\\%]", parts.netloc):
        raise AddressRefused("an address from outside has no valid host")
    # Certificates and virtual hosts know the name without the root's dot.
    host = str(read_literal(host) or host.rstrip("."))
    target = _quote_target(parts.path, parts.query)
    return Address(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], target)


def join_address(base: str, location: str) -> str:
    """The URL that a redirect leads to; raises AddressRefused."""
    try:
        return urljoin(base, location)
    except ValueError:
        raise AddressRefused("a redirect leads to something that is not a valid URL") from None


def _quote_target(path: str, query: str) -> str:
    """Quotes what HTTP can't carry and nothing else: a signed URL breaks at every other change."""
    path = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", path)
    quoted = quote(path, safe="%/!$&'()*+,;=:@[]|^", errors="surrogatepass") or "/"
    visible = "".join(map(chr, range(0x21, 0x7F)))
    return f"{quoted}?{quote(query, safe=visible, errors='surrogatepass')}" if query else quoted
