"""Mail addresses and host names as the configuration writes them, safe for headers and for commands. Pure."""

import ipaddress
import re
from email.errors import HeaderParseError, InvalidHeaderDefect
from email.headerregistry import Address
from email.policy import default as header_policy
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from handlers.text import one_line

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
# Servers without SMTPUTF8, which are most, can't take any other name before the @.
_LOCAL = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_LOCAL_MOST = 64
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
# https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.8: what every server takes in one transaction.
_RECIPIENTS_MOST = 100
_REMEDY = "write me@example.com or Me <me@example.com>, with the name in quotes where it has a comma or a dot"


def read_mailbox(text: str) -> Address:
    """`me@example.com` or `Me <me@example.com>`; raises ValueError."""
    found = _read(text)
    if len(found) != 1:
        raise ValueError(f"is not one mail address; {_REMEDY}")
    return found[0]


def _read(text: str) -> tuple[Address, ...]:
    if one_line(text) != text.strip():
        raise ValueError("is no mail address: it has a line break or an invisible character")
    try:
        header = header_policy.header_factory("to", text.strip())
    except (AttributeError, HeaderParseError, IndexError, TypeError):  # what its parser stumbles with
        raise ValueError(f"is not a mail address; {_REMEDY}") from None
    if any(isinstance(defect, InvalidHeaderDefect) for defect in header.defects):
        raise ValueError(f"is not a mail address; {_REMEDY}")
    return tuple(_checked(address) for address in header.addresses)


def _checked(address: Address) -> Address:
    if not address.domain or not address.username:
        raise ValueError(f"is not a mail address; {_REMEDY}")
    if not _LOCAL.fullmatch(address.username) or len(address.username) > _LOCAL_MOST:
        raise ValueError("has characters before its @ that not every mail server takes; use plain letters and digits")
    if one_line(address.display_name) != address.display_name:
        raise ValueError("has a name with a line break or an invisible character")
    return Address(address.display_name, address.username, read_domain(address.domain))


def read_domain(text: str) -> str:
    """The name of a host in ASCII; raises ValueError."""
    try:
        ascii_form = text.encode("idna").decode()
        # Some letters, such as ß, are another domain in the older rules that Python has.
        same = text.isascii() or ascii_form.encode().decode("idna") == text.lower()
    except UnicodeError:
        ascii_form, same = "", True
    if not same:
        raise ValueError("has a host name with letters that are read in two ways; write it in its xn-- form")
    if not _DOMAIN.fullmatch(ascii_form):
        raise ValueError("has no valid host name")
    return ascii_form.lower()


def is_loopback(host: str) -> bool:
    """Whether what is sent there stays on this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _checked_host(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return read_domain(text)


def _one(text: str) -> str:
    return str(read_mailbox(text))


def _listed(value: Any) -> Any:
    """Text with one address or several, or a list, as a list of addresses."""
    if isinstance(value, str):
        return [str(address) for address in _read(value)]
    return value


def _several(addresses: tuple[str, ...]) -> tuple[str, ...]:
    once: dict[str, str] = {}
    for text in addresses:
        once.setdefault(read_mailbox(text).addr_spec, text)
    if not 1 <= len(once) <= _RECIPIENTS_MOST:
        raise ValueError(f"must be 1 to {_RECIPIENTS_MOST} mail addresses")
    return tuple(once.values())


Host = Annotated[str, AfterValidator(_checked_host)]
Mailbox = Annotated[str, AfterValidator(_one)]
Mailboxes = Annotated[
    tuple[Mailbox, ...],
    BeforeValidator(_listed),
    AfterValidator(_several),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
