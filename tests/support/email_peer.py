"""A real mail server on loopback, for the handler type `email`: it answers each step as it is told."""

import asyncio
import email
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage, Message
from email.policy import default as modern
from functools import partial
from pathlib import Path
from typing import Any, AnyStr

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.certificates import Issued, issue, server_context

SECRET = "s3cr3t-v4lue"
USER = "songs"
# In place of an answer: the connection ends, or nothing comes.
DROP, HANG = "drop", "hang"
_COMMANDS = ("EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "QUIT")
STEPS = ("CONNECT", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BODY")


@dataclass(frozen=True, slots=True)
class Options:
    """What the server offers. `logins` are the mechanisms; none: it asks for no login."""

    tls: str = "starttls"
    logins: tuple[str, ...] = ("PLAIN", "LOGIN")
    issued: Issued = field(default_factory=issue)
    size: int = 40 * 2**20
    utf8: bool = False


@dataclass
class EmailPeer:
    """`script` has the answer to a step, or one for each time it is reached, the last one for ever."""

    fields: dict[str, Any]
    script: dict[str, list[str]] = field(default_factory=dict)
    wires: list[bytes] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    logins: list[tuple[str, bool]] = field(default_factory=list)
    options: list[list[str]] = field(default_factory=list)
    hanging: bool = False
    transports: list[asyncio.Transport] = field(default_factory=list)
    servers: list[SMTP] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether any connection is."""
        return not all(transport.is_closing() for transport in self.transports)

    @property
    def mails(self) -> list[EmailMessage]:
        return [read(wire) for wire in self.wires]

    @property
    def seen(self) -> list[str]:
        return [shown(mail) for mail in self.mails]

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """What the server says from now on: of a login to the login, everything else of the mail."""
        step = "AUTH" if status in (530, 534, 535, 538) else "BODY"
        line = f"{status} {body.decode(errors='replace').replace(chr(10), ' ')}".strip()
        self.script = {} if 200 <= status < 300 else {step: [line]}

    def reply(self, step: str) -> str | None:
        lines = self.script.get(step)
        return None if lines is None else lines.pop(0) if len(lines) > 1 else lines[0]


def read(wire: bytes) -> EmailMessage:
    mail = email.message_from_bytes(wire, policy=modern)
    assert isinstance(mail, EmailMessage)
    return mail


def words(part: Message | None) -> str:
    """The text of a part, with plain ends of line."""
    assert isinstance(part, EmailMessage)
    return str(part.get_content()).replace("\r\n", "\n")


def shown(mail: EmailMessage) -> str:
    """Headers and texts, decoded."""
    texts = [words(part) for part in mail.walk() if part.get_content_maintype() == "text"]
    return "\n".join([*(f"{name}: {value}" for name, value in mail.items()), "", *texts])


class _Server(SMTP):
    """aiosmtpd, which tells what is asked of it and may answer something else."""

    def __init__(self, peer: EmailPeer, options: Options, context: ssl.SSLContext) -> None:
        self._peer, self._greeted = peer, False
        super().__init__(
            object(),
            hostname="mail.test",
            ident="test",
            loop=asyncio.get_running_loop(),
            data_size_limit=options.size,
            enable_SMTPUTF8=options.utf8,
            tls_context=context if options.tls == "starttls" else None,
            authenticator=self._check,
            auth_require_tls=options.tls == "starttls",
            auth_exclude_mechanism={"PLAIN", "LOGIN"} - set(options.logins),
        )
        for step in _COMMANDS:
            self._smtp_methods[step] = partial(self._scripted, step, self._smtp_methods[step])
        self._handle_hooks["DATA"] = self._take

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self not in self._peer.servers:
            assert isinstance(transport, asyncio.Transport)
            self._peer.transports.append(transport)
            self._peer.servers.append(self)
        super().connection_made(transport)

    def eof_received(self) -> bool:
        super().eof_received()
        return False

    def _check(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        right = (data.login, data.password) == (USER.encode(), SECRET.encode())
        self._peer.logins.append((mechanism, right))
        return AuthResult(success=right, handled=False)

    async def push(self, status: AnyStr) -> None:
        line = None if self._greeted else self._peer.reply("CONNECT")
        self._greeted = True
        if line is None or not await self._says(line):
            await super().push(status)

    async def _says(self, line: str) -> bool:
        """Plays a line of the script: whether it stands for what would have been said."""
        assert self.transport is not None
        if line == HANG:
            self._peer.hanging = True
            await asyncio.get_running_loop().create_future()
        if line == DROP:
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.abort()
            await asyncio.get_running_loop().create_future()
        await super().push(line)
        if line.startswith("421"):
            self.transport.close()
        return True

    async def _scripted(self, step: str, otherwise: Callable[[Any], Any], arg: str | None) -> None:
        line = self._peer.reply(step)
        if line is None or line == "ok":
            await otherwise(arg)
        else:
            await self._says(line)

    async def _take(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        line = self._peer.reply("BODY")
        if line in (DROP, HANG):
            await self._says(line)
        if line is not None and line != "ok":
            return line
        assert isinstance(envelope.content, bytes)
        self._peer.wires.append(envelope.content)
        self._peer.senders.append(envelope.mail_from or "")
        self._peer.recipients.append(list(envelope.rcpt_tos))
        self._peer.options.append(list(envelope.mail_options))
        return "250 2.0.0 taken"


@asynccontextmanager
async def serve_mail(folder: Path, options: Options | None = None) -> AsyncIterator[EmailPeer]:
    """Starts the server; `fields` of the peer are the keys with which the handler reaches it."""
    options = options or Options()
    folder.mkdir(parents=True, exist_ok=True)
    context = server_context(options.issued, folder)
    authority = folder / "authority.pem"
    authority.write_bytes(options.issued.authority)
    peer = EmailPeer({"host": "127.0.0.1", "tls": options.tls, "ca_file": str(authority)})
    if options.logins:
        peer.fields |= {"username": USER, "password": SECRET}
    server = await asyncio.get_running_loop().create_server(
        lambda: _Server(peer, options, context), "127.0.0.1", 0, ssl=context if options.tls == "tls" else None
    )
    peer.fields["port"] = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for transport in peer.transports:
            transport.abort()
        tasks = [task for server in peer.servers if (task := server._handler_coroutine)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def open_peer(tmp_path: Path) -> AsyncIterator[EmailPeer]:
    async with serve_mail(tmp_path) as peer:
        yield peer
