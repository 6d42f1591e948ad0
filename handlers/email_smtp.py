"""Hands a mail in at a server, once, and says what the server's answers mean for the delivery."""

import asyncio
import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import aiosmtplib

from handlers.text import one_line, shorten
from receiver.errors import TooLarge
from receiver.handler import Outcome, PermanentFailure, TargetFailure, TemporaryFailure
from receiver.outbound import redact

# https://www.rfc-editor.org/rfc/rfc4954#section-6, which servers use at every command.
_LOGIN_REFUSED = frozenset({530, 534, 535, 538})
# The mechanism is refused, not who we are: another one may do.
_OTHER_MECHANISM = frozenset({504, 534})
_MECHANISMS = ("plain", "login", "cram-md5")
# https://www.rfc-editor.org/rfc/rfc3463#section-3.4: the message is too big for the system.
_TOO_LARGE = re.compile(r"5\.(3\.4|2\.3)\b")
_WORDS_MOST = 200
_BASE64 = re.compile(r"[A-Za-z0-9+/]{6,}={0,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where mail is handed in, and as whom. `timeout_s` holds for the whole exchange."""

    host: str
    port: int
    encrypted: bool
    upgrade: bool
    context: ssl.SSLContext | None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Taken:
    """Who will get the mail, and the codes with which the others were refused."""

    accepted: tuple[str, ...]
    refused: dict[str, int]


class _Client(aiosmtplib.SMTP):
    def close(self) -> None:
        # An orderly end of TLS waits for the other side, which may be what we gave up waiting for.
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()
        super().close()


async def hand_in(server: Server, sender: str, recipients: Sequence[str], content: bytes) -> Taken:
    """Gives the mail to the server; `content` is as `wire` makes it. Raises an Outcome; TooLarge if it is that."""
    client = _Client(
        hostname=server.host,
        port=server.port,
        use_tls=server.encrypted,
        start_tls=False,
        tls_context=server.context,
        # Our limit below holds for all of it. Python 3.11's wait_for, which theirs uses, can lose a cancellation.
        timeout=None,
        # Its own default is a look-up in the DNS, in a thread.
        local_hostname=_own_name(),
    )
    try:
        async with asyncio.timeout(server.timeout_s):
            await client.connect()
            await _open(client, server)
            return await _transact(client, server, (sender, recipients), content)
    except (aiosmtplib.SMTPException, OSError) as error:
        raise _outcome(server, error) from None
    finally:
        client.close()


def wire(content: bytes) -> bytes:
    """A message with CRLF at all its ends of line as DATA wants it: dots doubled, and the end marked."""
    return re.sub(rb"(?m)^\.", b"..", content) + b".\r\n"


def _own_name() -> str:
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", name) else "[127.0.0.1]"


async def _open(client: _Client, server: Server) -> None:
    await _greet(client)
    if server.upgrade:
        if not client.supports_extension("starttls"):
            raise TargetFailure(f"{server.host} offers no STARTTLS, and nothing is sent in the clear")
        await client.starttls()
        await _greet(client)
    if server.username is not None and server.password is not None:
        await _log_in(client, server, server.username, server.password)


async def _greet(client: _Client) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError as error:
        if error.code < 500:
            raise
        await client.helo()


async def _log_in(client: _Client, server: Server, username: str, password: str) -> None:
    """One mechanism where it can be: each refused login counts towards locking the account."""
    ways = {"plain": client.auth_plain, "login": client.auth_login, "cram-md5": client.auth_crammd5}
    offered = [name for name in _MECHANISMS if name in client.server_auth_methods]
    if not offered:
        raise TargetFailure(f"{server.host} offers no login that is known here (PLAIN, LOGIN or CRAM-MD5)")
    for name in offered:
        try:
            await ways[name](username, password)
        except aiosmtplib.SMTPAuthenticationError as error:
            if error.code not in _OTHER_MECHANISM or name == offered[-1]:
                raise
        else:
            return


async def _transact(client: _Client, server: Server, envelope: tuple[str, Sequence[str]], content: bytes) -> Taken:
    sender, recipients = envelope
    most = client.esmtp_extensions.get("size", "")
    if most.isdecimal() and 0 < int(most) < len(content):
        raise TooLarge(f"{server.host} takes mails of at most {most} bytes, and this one has {len(content)}")
    options = [f"size={len(content)}"] if client.supports_extension("size") else []
    await client.mail(sender, options=options)
    accepted, refused = [], []
    for recipient in recipients:
        try:
            await client.rcpt(recipient)
            accepted.append(recipient)
        except aiosmtplib.SMTPRecipientRefused as error:
            refused.append(error)
    if not accepted:
        # Nobody has it yet, so a refusal that may pass decides.
        raise min(refused, key=lambda error: error.code)
    await _send(client, content)
    return Taken(tuple(accepted), {error.recipient: error.code for error in refused})


async def _send(client: _Client, content: bytes) -> None:
    # In place of client.data(), which copies and searches the whole mail, however large, while everything waits.
    answer = await client.execute_command(b"DATA")
    protocol = client.protocol
    if answer.code != 354 or protocol is None:
        raise aiosmtplib.SMTPDataError(answer.code, answer.message)
    protocol.write(content)
    answer = await protocol.read_response()
    if answer.code != 250:
        raise aiosmtplib.SMTPDataError(answer.code, answer.message)
    # The answer is not waited for: the mail is handed in, whatever happens now.
    protocol.write(b"QUIT\r\n")


def _outcome(server: Server, error: Exception) -> Outcome:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _judge(server, error)
    host = server.host
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return TargetFailure(f"the certificate of {host} is not accepted: {one_line(cause.verify_message)}")
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return TargetFailure(f"{host} speaks no TLS that is understood here; are tls and port right?")
        if text := next((text for kind, text in _FAULTS if isinstance(cause, kind)), None):
            return TemporaryFailure(text.format(host=host, port=server.port, limit=server.timeout_s))
    return TemporaryFailure(f"{host} can't be reached at its port {server.port}")


_CLOSED = "{host} closed the connection in the middle"
_FAULTS: tuple[tuple[type[Exception], str], ...] = (
    (socket.gaierror, "the name {host} does not resolve"),
    (ConnectionRefusedError, "{host} refuses connections to its port {port}"),
    (TimeoutError, "{host} did not answer within {limit:g} s"),
    (aiosmtplib.SMTPServerDisconnected, _CLOSED),
    (ConnectionResetError, _CLOSED),
    (BrokenPipeError, _CLOSED),
    (ssl.SSLError, _CLOSED),
)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


# What was refused, by the command, and what a lasting refusal of it means.
_STEPS: tuple[tuple[type[Exception], str, type[Outcome]], ...] = (
    (aiosmtplib.SMTPConnectResponseError, "the connection", TargetFailure),
    (aiosmtplib.SMTPHeloError, "our greeting", TargetFailure),
    (aiosmtplib.SMTPAuthenticationError, "the login; check username and password", TargetFailure),
    # The sender is the same in every mail of this handler.
    (aiosmtplib.SMTPSenderRefused, "the sender", TargetFailure),
    (aiosmtplib.SMTPRecipientRefused, "every recipient", PermanentFailure),
    (aiosmtplib.SMTPDataError, "the mail", PermanentFailure),
    (aiosmtplib.SMTPResponseException, "to encrypt", TargetFailure),
)


def _judge(server: Server, error: aiosmtplib.SMTPResponseException) -> Outcome:
    """What an answer means: 4xx is for now, 5xx for good, and some of those for every other mail too."""
    said = _words(server, error.message)
    answer = f"{error.code} {said}".strip()
    refused, lasting = next((what, kind) for step, what, kind in _STEPS if isinstance(error, step))
    if 400 <= error.code < 500:
        return TemporaryFailure(f"{server.host} refuses {refused.partition(';')[0]} for now: {answer}")
    if not 500 <= error.code < 600:
        return TemporaryFailure(f"{server.host} gave an answer that makes no sense: {answer}")
    if error.code in _LOGIN_REFUSED:
        return TargetFailure(f"{server.host} refuses the login; check username and password: {answer}")
    sized = isinstance(error, aiosmtplib.SMTPSenderRefused | aiosmtplib.SMTPDataError)
    if sized and (error.code == 552 or _TOO_LARGE.match(said)):
        return TooLarge(f"{server.host} finds the mail too large: {answer}")
    return lasting(f"{server.host} refuses {refused}: {answer}")


def _words(server: Server, message: str) -> str:
    """The server's own words, on one line, without the login: some servers repeat the command that they refuse."""
    said = one_line(message)
    if server.username is None or server.password is None:
        return shorten(said, _WORDS_MOST)
    plain = f"\0{server.username}\0{server.password}"
    encoded = [b64encode(text.encode()).decode() for text in (plain, server.password)]
    said = redact(said, (*encoded, server.password))
    # Also a part of them: answers are cut.
    said = _BASE64.sub(lambda match: "[redacted]" if any(match[0] in form for form in encoded) else match[0], said)
    return shorten(said, _WORDS_MOST)
