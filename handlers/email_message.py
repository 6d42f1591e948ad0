"""A mail as bytes: headers that hold, the words as text and as a page, covers within it, files beside it. Pure."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage

from handlers.email_headers import POLICY
from handlers.email_parts import Part, Parts
from handlers.email_smtp import wire
from handlers.mailbox import read_mailbox
from handlers.text import one_line, shorten
from receiver.handler import Delivery

_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail before it is written: who to whom, and its words. The page names covers by `cid`."""

    sender: str
    recipients: Sequence[str]
    subject: str
    text: str
    page: str


def message_id(delivery: Delivery, sender: str) -> str:
    """The same on every attempt, so that a mail that comes twice can be told."""
    return _id(delivery.id, sender)


def cid(part: Part, delivery: Delivery, sender: str) -> str:
    """How the page names a part within its own mail, without angle brackets."""
    return _id(f"{part.cid}.{delivery.id}", sender)[1:-1]


def write(letter: Letter, delivery: Delivery, parts: Parts) -> EmailMessage:
    """The mail as a tree of parts."""
    mail = EmailMessage(policy=POLICY)
    _address(mail, letter, delivery)
    mail.set_content(letter.text)
    mail.add_alternative(letter.page, subtype="html")
    page = mail.get_body(("html",))
    assert page is not None
    for part in parts.covers.values():
        _, subtype = _kind(part)
        name = f"<{cid(part, delivery, letter.sender)}>"
        page.add_related(part.content, "image", subtype, cid=name, filename=part.name, disposition="inline")
    for part in parts.attached:
        maintype, subtype = _kind(part)
        mail.add_attachment(part.content, maintype, subtype, filename=part.name)
    _set_boundaries(mail, delivery)
    return mail


def encode(letter: Letter, delivery: Delivery, parts: Parts) -> bytes:
    """The mail as it goes over the wire."""
    return wire(write(letter, delivery, parts).as_bytes())


def _address(mail: EmailMessage, letter: Letter, delivery: Delivery) -> None:
    event = delivery.event
    mail["From"] = read_mailbox(letter.sender)
    mail["To"] = tuple(read_mailbox(text) for text in letter.recipients)
    mail["Subject"] = letter.subject
    mail["Date"] = delivery.now
    mail["Message-ID"] = message_id(delivery, letter.sender)
    if event.submission_id:
        # No mail has this id: programs put together those that answer to the same one.
        mail["In-Reply-To"] = mail["References"] = _id(event.submission_id, letter.sender)
        mail["X-Receiver-Submission"] = _plain(event.submission_id)
    mail["X-Receiver-Event"] = _plain(event.type)
    # https://www.rfc-editor.org/rfc/rfc3834#section-5: nobody's absence is answered to this.
    mail["Auto-Submitted"] = "auto-generated"


def _id(name: str, sender: str) -> str:
    return f"<{_NOT_IN_AN_ID.sub('.', name)[:100]}@{read_mailbox(sender).domain}>"


def _plain(text: str) -> str:
    return shorten(one_line(text.encode("ascii", "replace").decode()), 100)


def _kind(part: Part) -> tuple[str, str]:
    maintype, _, subtype = part.media_type.partition("/")
    return maintype, subtype


def _set_boundaries(mail: EmailMessage, delivery: Delivery) -> None:
    """The same ones on every attempt, and none that whoever wrote the contents could know."""
    secret = hashlib.sha256(delivery.id.encode()).hexdigest()
    for number, part in enumerate(mail.walk()):
        if part.is_multipart():
            part.set_boundary(f"=_{number}_{secret[:40]}")
