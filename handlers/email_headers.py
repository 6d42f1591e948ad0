"""How the headers of a mail are written: encoded here, as the library's own way to do it spoils some. Pure."""

from email.charset import SHORTEST, Charset
from email.header import Header
from email.headerregistry import AddressHeader, HeaderRegistry, MessageIDHeader
from email.policy import SMTP, Policy
from typing import Any, cast

_LINE_MOST = 76
# A charset of our own: another library in this process may change what "utf-8" means to the email package.
_UTF8 = Charset("utf-8")
_UTF8.header_encoding = SHORTEST


class _TextHeader:
    """Text on one line. The library would read `=?utf-8?q?=0A?=` in it as a break, and drop spaces between words."""

    name: str
    max_count = 1

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        kwds |= {"decoded": value, "parse_tree": None}

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {_encoded(str(self), self.name)}{policy.linesep}"


class _MailboxHeader(AddressHeader):
    """Names and addresses."""

    name: str

    def fold(self, *, policy: Policy) -> str:
        written = []
        for address in self.addresses:
            plain = address.display_name.isascii() and "=?" not in address.display_name
            name = _encoded(address.display_name, self.name)
            written.append(str(address) if plain else f"{name} <{address.addr_spec}>")
        return f"{self.name}: {f',{policy.linesep} '.join(written)}{policy.linesep}"


def _encoded(text: str, name: str) -> str:
    """The text as encoded words (RFC 2047) unless it is ASCII, and no such word itself."""
    if text.isascii() and "=?" not in text:
        return text
    return Header(text, _UTF8, maxlinelen=_LINE_MOST, header_name=name).encode(linesep=SMTP.linesep)


def _registry() -> HeaderRegistry:
    registry = HeaderRegistry()
    kinds = {
        _TextHeader: ("subject", "x-receiver-event", "x-receiver-submission"),
        _MailboxHeader: ("from", "to"),
        # As free text a long one would be encoded, and be no id any more.
        MessageIDHeader: ("content-id", "in-reply-to", "message-id", "references"),
    }
    for kind, names in kinds.items():
        for name in names:
            # The registry makes these the base of a header's class, whatever its stubs say.
            registry.map_to_type(name, cast("Any", kind))
    return registry


# Seven bits throughout: servers without 8BITMIME and SMTPUTF8 take it as it is.
POLICY = SMTP.clone(cte_type="7bit", header_factory=_registry())
