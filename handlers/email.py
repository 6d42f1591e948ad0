"""Handler type `email`: tells people by mail, with the cover in it and, where wanted, the files attached."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from handlers.email_message import Letter, cid, encode, message_id, write
from handlers.email_page import has_verses, own_words, plain, write_page, write_subject, write_text
from handlers.email_parts import ATTACHED_MOST, Parts, collect
from handlers.email_smtp import Server, Taken, hand_in
from handlers.mailbox import Host, Mailbox, Mailboxes, is_loopback, read_mailbox
from handlers.message import Message, message_of
from handlers.notifier import Notifier
from handlers.templates import TemplateText
from receiver.errors import TooLarge
from receiver.handler import Delivery, Preview, Receipt, TargetFailure, TemporaryFailure
from receiver.units import Size, format_size

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
# From here on writing a mail takes long enough to be felt by everything else.
_LONG_WORK = 2**20
_SHOWN = ("From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "Auto-Submitted", "X-Receiver-Event")


class Email(Notifier):
    type: Literal["email"]
    host: Host
    """The mail server that takes your mail."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Its port; left out: 587 with starttls, 465 with tls, 25 with none."""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is encrypted: starttls, tls from its first byte, or none."""
    username: str | None = Field(default=None, min_length=1)
    """Who logs in; left out together with the password: nobody."""
    password: SecretStr | None = None
    """The password that goes with it."""
    ca_file: Path | None = None
    """Who vouches for the server's certificate, as a PEM file, in place of those that this machine trusts."""
    sender: Mailbox = Field(alias="from")
    """Who the mail comes from: songs@example.com or Songs <songs@example.com>."""
    to: Mailboxes
    """Who gets it: a list of addresses, or one text."""
    subject: TemplateText | None = None
    """The subject in your own words, as a Jinja template of one line; left out: ours."""
    cover: bool = True
    """Whether covers are shown in the mail."""
    attach: Size = 0
    """Files below this size are attached; 0 attaches none, and the mail has links."""
    concurrency: int = Field(default=2, ge=1, le=1000)
    """Attempts that may run at the same time, in the whole installation."""

    @field_validator("attach")
    @classmethod
    def _fits_a_mail(cls, value: int) -> int:
        if value > ATTACHED_MOST:
            raise ValueError(f"is more than a mail can carry; write at most {format_size(ATTACHED_MOST)}")
        return value

    @model_validator(mode="after")
    def _keeps_the_login_safe(self) -> "Email":
        secret = self.password.get_secret_value() if self.password else ""
        if bool(self.username) != bool(secret):
            raise ValueError("has only one of username and password; write both, or leave both out")
        if "\0" in f"{self.username}{secret}":
            raise ValueError("has a username or a password with a character that no login can send")
        if secret and self.tls == "none" and not is_loopback(self.host):
            raise ValueError("would send the password in the clear; write tls: starttls or tls: tls")
        return self

    async def handle(self, delivery: Delivery) -> Receipt:
        told = await _told(delivery)
        everybody = tuple(read_mailbox(text).addr_spec for text in self.to)
        waiting = [address for address in everybody if address not in told]
        if not waiting:
            return self._receipt(delivery, told, {})
        parts = await self._collect(delivery)
        try:
            taken = await self._send(delivery, parts, waiting)
        except TooLarge:
            if not parts.size:
                raise
            taken = await self._send(delivery, Parts(), waiting)
        return await self._settle(delivery, told, taken)

    async def preview(self, delivery: Delivery) -> Preview:
        parts = await self._collect(delivery)
        pictures = {
            result_id: f"data:{part.media_type};base64,{b64encode(part.content).decode()}"
            for result_id, part in parts.covers.items()
        }
        letter = self._letter(delivery, pictures)
        mail = write(letter, delivery, Parts())
        shown = [f"{name}: {mail[name]}" for name in _SHOWN if mail[name]]
        shown += [f"Attached: {part.name}, {len(part.content)} bytes" for part in parts.attached]
        return Preview(text="\n".join(shown) + f"\n\n{letter.text}", html=letter.page)

    async def _collect(self, delivery: Delivery) -> Parts:
        # Whatever a slow file host does, there is time left for the mail.
        covers = self.cover and self.template is None
        return await collect(delivery, message_of(delivery), covers=covers, attach=self.attach, within=self.timeout / 3)

    async def _send(self, delivery: Delivery, parts: Parts, recipients: list[str]) -> Taken:
        names = {result_id: f"cid:{cid(part, delivery, self.sender)}" for result_id, part in parts.covers.items()}
        letter = self._letter(delivery, names)
        if parts.size > _LONG_WORK:
            content = await asyncio.to_thread(encode, letter, delivery, parts)
        else:
            content = encode(letter, delivery, parts)
        return await hand_in(self._server, read_mailbox(self.sender).addr_spec, recipients, content)

    def _letter(self, delivery: Delivery, covers: dict[str, str]) -> Letter:
        event, message = delivery.event, message_of(delivery)
        words = own_words(self.template, delivery, message)
        return Letter(
            sender=self.sender,
            recipients=self.to,
            subject=write_subject(self.subject, delivery, message),
            text=_text(words, message, verses=has_verses(event)),
            page=write_page(message, event, covers, words),
        )

    async def _settle(self, delivery: Delivery, told: Collection[str], taken: Taken) -> Receipt:
        accepted = (*told, *taken.accepted)
        later = [code for code in taken.refused.values() if code < 500]
        if later:
            # The others have it, and a retry must not send it to them again.
            await delivery.progress.write({"accepted": list(accepted)})
            raise TemporaryFailure(
                f"{self.host} took the mail for {len(accepted)} of {len(self.to)} recipients; "
                f"it refuses {len(later)} for now: {_codes(later)}"
            )
        return self._receipt(delivery, accepted, taken.refused)

    def _receipt(self, delivery: Delivery, accepted: Collection[str], refused: dict[str, int]) -> Receipt:
        details = {"message_id": message_id(delivery, self.sender), "accepted": str(len(accepted))}
        if refused:
            details |= {"refused": str(len(refused)), "refused_codes": _codes(refused.values())}
        return Receipt(details=details)

    @property
    def _server(self) -> Server:
        return Server(
            host=self.host,
            port=self.port or _PORTS[self.tls],
            encrypted=self.tls == "tls",
            upgrade=self.tls == "starttls",
            context=None if self.tls == "none" else self._context,
            username=self.username,
            password=self.password.get_secret_value() if self.password else None,
            timeout_s=self.timeout.total_seconds(),
        )

    @cached_property
    def _context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise TargetFailure(f"ca_file {self.ca_file} can't be read as certificates: {error.strerror}") from None


async def _told(delivery: Delivery) -> tuple[str, ...]:
    """Who has this mail already, from an attempt in which others were to get it later."""
    return tuple((await delivery.progress.read()).get("accepted", ()))


def _text(words: str | None, message: Message, *, verses: bool) -> str:
    return write_text(message, verses=verses) if words is None else plain(words)


def _codes(codes: Collection[int]) -> str:
    return ", ".join(map(str, sorted(set(codes))))
