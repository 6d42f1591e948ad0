import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from handlers.email import Email
from handlers.email_smtp import _Client, wire
from receiver.handler import Delivery, Outcome, PermanentFailure, TargetFailure, TemporaryFailure
from tests.support.certificates import issue
from tests.support.deliveries import make_delivery
from tests.support.email_peer import DROP, HANG, SECRET, STEPS, EmailPeer, Options, serve_mail

CODES = (421, 450, 451, 452, 454, 500, 501, 502, 503, 504, 521, 530, 534, 535, 538, 550, 551, 552, 553, 554, 555)
# In seconds, for what takes none unless something is wrong, or the machine is busy.
LONG = 60
LOGIN = {530, 534, 535, 538}
# A lasting refusal there is one of every mail of the handler.
WHOLE = {"CONNECT", "EHLO", "STARTTLS", "AUTH", "MAIL"}


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[EmailPeer]:
    async with serve_mail(tmp_path) as peer:
        yield peer


def make_email(peer: EmailPeer, **fields: Any) -> Email:
    given = {"type": "email", "from": "songs@example.com", "to": ["me@example.com"], "timeout": "2m", "cover": False}
    return Email.model_validate(given | peer.fields | fields)


async def outcome_of(handler: Email, delivery: Delivery | None = None) -> Outcome | None:
    try:
        await handler.handle(delivery or make_delivery())
    except Outcome as outcome:
        return outcome
    return None


def expected(step: str, code: int) -> type[Outcome]:
    if 400 <= code < 500:
        return TemporaryFailure
    if code in LOGIN:
        return TargetFailure
    if step == "MAIL" and code == 552:
        return PermanentFailure
    return TargetFailure if step in WHOLE else PermanentFailure


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("step", STEPS)
async def test_every_code_at_every_step_has_its_outcome(step: str, code: int, peer: EmailPeer) -> None:
    peer.script[step] = [f"{code} 9.9.9 some words"]
    if step == "EHLO":
        peer.script["HELO"] = peer.script[step]
    outcome = await outcome_of(make_email(peer))
    assert type(outcome) is expected(step, code) or (code == 552 and isinstance(outcome, PermanentFailure))
    assert outcome is not None
    assert outcome.reason.startswith("127.0.0.1 ")
    assert f"{code} 9.9.9 some words" in outcome.reason
    assert peer.wires == []


@pytest.mark.parametrize("step", STEPS)
async def test_connection_that_ends_is_tried_again(step: str, peer: EmailPeer) -> None:
    peer.script[step] = [DROP]
    outcome = await outcome_of(make_email(peer))
    assert isinstance(outcome, TemporaryFailure)
    assert outcome.reason == "127.0.0.1 closed the connection in the middle"


@pytest.mark.parametrize("step", STEPS)
async def test_server_that_hangs_is_left(step: str, peer: EmailPeer) -> None:
    peer.script[step] = [HANG]
    outcome = await outcome_of(make_email(peer, timeout="300ms"))
    assert isinstance(outcome, TemporaryFailure)
    assert outcome.reason == "127.0.0.1 did not answer within 0.3 s"
    await all_closed(peer)


@pytest.mark.parametrize("line", ["299 what", "999 what", "what", "100"])
@pytest.mark.parametrize("step", ["CONNECT", "STARTTLS", "MAIL", "DATA", "BODY"])
async def test_answer_that_makes_no_sense_is_tried_again(step: str, line: str, peer: EmailPeer) -> None:
    peer.script[step] = [line]
    outcome = await outcome_of(make_email(peer))
    assert isinstance(outcome, TemporaryFailure)
    assert "makes no sense" in outcome.reason


async def test_mail_that_is_refused_for_now_is_taken_later(peer: EmailPeer) -> None:
    peer.script["BODY"] = ["451 4.7.1 greylisted", "ok"]
    handler = make_email(peer)
    assert isinstance(await outcome_of(handler), TemporaryFailure)
    assert await outcome_of(handler) is None
    assert len(peer.wires) == 1


@pytest.mark.parametrize("tls", ["starttls", "tls", "none"])
@pytest.mark.parametrize("login", ["PLAIN", "LOGIN"])
async def test_mail_arrives_over_every_transport_and_login(tls: str, login: str, tmp_path: Path) -> None:
    async with serve_mail(tmp_path, Options(tls=tls, logins=(login,))) as peer:
        assert await outcome_of(make_email(peer)) is None
        assert (peer.senders, peer.recipients) == (["songs@example.com"], [["me@example.com"]])
        assert peer.logins == [(login, True)]
        await all_closed(peer)


async def test_server_without_login_needs_none(tmp_path: Path) -> None:
    async with serve_mail(tmp_path, Options(tls="none", logins=())) as peer:
        assert await outcome_of(make_email(peer)) is None
        assert peer.logins == []


async def test_wrong_password_is_tried_once_and_pauses(peer: EmailPeer) -> None:
    outcome = await outcome_of(make_email(peer, password=f"wrong-{SECRET}"))
    assert isinstance(outcome, TargetFailure)
    assert "check username and password" in outcome.reason
    assert peer.logins == [("PLAIN", False)]


async def test_login_that_is_not_offered_pauses(tmp_path: Path) -> None:
    async with serve_mail(tmp_path, Options(logins=())) as peer:
        outcome = await outcome_of(make_email(peer, username="songs", password=SECRET))
    assert isinstance(outcome, TargetFailure)
    assert "offers no login" in outcome.reason


async def test_nothing_is_sent_in_the_clear_where_starttls_is_not_offered(tmp_path: Path) -> None:
    async with serve_mail(tmp_path, Options(tls="none")) as peer:
        outcome = await outcome_of(make_email(peer, tls="starttls"))
        assert isinstance(outcome, TargetFailure)
        assert "offers no STARTTLS" in outcome.reason
        assert (peer.logins, peer.wires) == ([], [])


@pytest.mark.parametrize("tls", ["starttls", "tls"])
@pytest.mark.parametrize(
    ("issued", "why"),
    [({"address": "127.0.0.2"}, "mismatch"), ({"expired": True}, "has expired")],
    ids=["of another host", "expired"],
)
async def test_certificate_that_is_not_accepted_pauses(
    tls: str, issued: dict[str, Any], why: str, tmp_path: Path
) -> None:
    async with serve_mail(tmp_path, Options(tls=tls, issued=issue(**issued))) as peer:
        outcome = await outcome_of(make_email(peer))
        assert isinstance(outcome, TargetFailure)
        assert "the certificate of 127.0.0.1 is not accepted" in outcome.reason
        assert why in outcome.reason
        assert (peer.logins, peer.wires) == ([], [])


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_authority_that_nobody_trusts_pauses(tls: str, tmp_path: Path) -> None:
    async with serve_mail(tmp_path, Options(tls=tls)) as peer:
        outcome = await outcome_of(make_email(peer, ca_file=None))
        assert isinstance(outcome, TargetFailure)
        assert "unable to get local issuer certificate" in outcome.reason
        assert peer.logins == []


async def test_tls_at_a_port_that_speaks_none_pauses(tmp_path: Path) -> None:
    async with serve_mail(tmp_path, Options(tls="none")) as peer:
        outcome = await outcome_of(make_email(peer, tls="tls"))
    assert isinstance(outcome, TargetFailure)
    assert "are tls and port right?" in outcome.reason


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_authority_that_can_not_be_read_pauses(content: str | None, peer: EmailPeer, tmp_path: Path) -> None:
    path = tmp_path / "other.pem"
    if content is not None:
        path.write_text(content)
    outcome = await outcome_of(make_email(peer, ca_file=str(path)))
    assert isinstance(outcome, TargetFailure)
    assert f"ca_file {path} can't be read as certificates" in outcome.reason
    assert peer.servers == []


async def test_refused_connection_is_tried_again(tmp_path: Path) -> None:
    async with serve_mail(tmp_path) as peer:
        handler = make_email(peer)
    outcome = await outcome_of(handler)
    assert isinstance(outcome, TemporaryFailure)
    assert f"refuses connections to its port {peer.fields['port']}" in outcome.reason


async def test_name_that_does_not_resolve_is_tried_again(peer: EmailPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "no such name")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", fail)
    outcome = await outcome_of(make_email(peer, host="mail.example.com"))
    assert isinstance(outcome, TemporaryFailure)
    assert outcome.reason == "the name mail.example.com does not resolve"


async def test_mail_larger_than_the_server_takes_is_not_even_begun(tmp_path: Path) -> None:
    async with serve_mail(tmp_path, Options(size=500)) as peer:
        outcome = await outcome_of(make_email(peer))
    assert isinstance(outcome, PermanentFailure)
    assert "at most 500 bytes" in outcome.reason
    assert peer.senders == []


ECHOES = [
    SECRET,
    "AHNvbmdzAHMzY3IzdC12NGx1ZQ==",
    "czNjcjN0LXY0bHVl",
    "AUTH PLAIN AHNvbmdzAHMzY3IzdC12NG",
    "s3cr3t\x01-v4lue",
    "https://mail.example.com/?p=s3cr3t-v4lue",
]


@pytest.mark.parametrize("code", [454, 500, 535])
@pytest.mark.parametrize("words", ECHOES)
async def test_login_that_the_server_repeats_is_not_shown(code: int, words: str, peer: EmailPeer) -> None:
    peer.script["AUTH"] = [f"{code} you said {words}"]
    outcome = await outcome_of(make_email(peer))
    assert outcome is not None
    assert SECRET not in outcome.reason
    assert "[redacted]" in outcome.reason
    assert not any(part in outcome.reason for part in ("AHNvbm", "czNjcj", "MzY3Iz"))


async def test_long_and_hostile_words_of_the_server_become_one_short_line(tmp_path: Path) -> None:
    async with serve_mail(tmp_path, Options(utf8=True)) as peer:
        peer.script["MAIL"] = ["554-first\r\n554-\x1b[31m\u202esecond\r\n554 " + "x" * 5000]
        outcome = await outcome_of(make_email(peer))
    assert outcome is not None
    assert outcome.reason.startswith("127.0.0.1 refuses the sender: 554 first [31msecond xxx")
    assert len(outcome.reason) < 260


async def test_refused_recipients_do_not_cost_the_others_their_mail(peer: EmailPeer) -> None:
    peer.script["RCPT"] = ["550 no such user", "ok", "552 full", "ok"]
    receipt = await make_email(peer, to="a@x.org, b@x.org, c@x.org, d@x.org").handle(make_delivery())
    assert peer.recipients == [["b@x.org", "d@x.org"]]
    assert receipt.details["accepted"] == "2"
    assert (receipt.details["refused"], receipt.details["refused_codes"]) == ("2", "550, 552")


async def test_recipients_that_are_refused_for_now_get_it_later_and_alone(peer: EmailPeer) -> None:
    peer.script["RCPT"] = ["ok", "451 greylisted", "550 no such user", "ok"]
    handler, delivery = make_email(peer, to=["a@x.org", "b@x.org", "c@x.org"]), make_delivery()
    outcome = await outcome_of(handler, delivery)
    assert isinstance(outcome, TemporaryFailure)
    assert outcome.reason == "127.0.0.1 took the mail for 1 of 3 recipients; it refuses 1 for now: 451"
    peer.script["RCPT"] = ["ok", "550 no such user"]
    receipt = await handler.handle(delivery)
    assert peer.recipients == [["a@x.org"], ["b@x.org"]]
    assert peer.mails[0]["To"] == peer.mails[1]["To"] == "a@x.org, b@x.org, c@x.org"
    assert receipt.details["accepted"] == "2"
    assert receipt.details["refused_codes"] == "550"


async def test_all_refused_and_one_for_now_is_tried_again(peer: EmailPeer) -> None:
    peer.script["RCPT"] = ["550 no such user", "450 busy", "550 no such user"]
    handler = make_email(peer, to=["a@x.org", "b@x.org", "c@x.org"])
    assert isinstance(await outcome_of(handler), TemporaryFailure)
    assert peer.wires == []


async def test_server_that_never_says_goodbye_does_not_hold_a_mail_that_it_took(peer: EmailPeer) -> None:
    peer.script["QUIT"] = [HANG]
    assert await outcome_of(make_email(peer, timeout="5m")) is None
    await all_closed(peer)


async def all_closed(peer: EmailPeer) -> None:
    async with asyncio.timeout(LONG):
        while peer.open:  # noqa: ASYNC110 - the loop closes them in its next turns
            await asyncio.sleep(0)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_cancelled_at_a_silent_server_it_leaves_no_connection(step: str, tls: str, tmp_path: Path) -> None:
    if (step, tls) == ("STARTTLS", "tls"):
        return
    async with serve_mail(tmp_path, Options(tls=tls)) as peer:
        peer.script[step] = [HANG]
        before = asyncio.all_tasks()
        work = asyncio.ensure_future(make_email(peer, timeout="5m").handle(make_delivery()))
        async with asyncio.timeout(LONG):
            while not peer.hanging:  # noqa: ASYNC110 - until the server has been asked
                await asyncio.sleep(0)
        work.cancel()
        with suppress(asyncio.CancelledError):
            async with asyncio.timeout(LONG):
                await work
        assert work.cancelled()
        await all_closed(peer)
        async with asyncio.timeout(LONG):
            while asyncio.all_tasks() != before:  # noqa: ASYNC110 - the server's own task ends
                await asyncio.sleep(0)


async def test_connection_is_cut_and_what_nobody_reads_is_not_waited_for() -> None:
    writers: list[asyncio.StreamWriter] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        writers.append(writer)

    server = await asyncio.start_server(greet, "127.0.0.1", 0, limit=1)
    client = _Client(
        hostname="127.0.0.1", port=server.sockets[0].getsockname()[1], start_tls=False, local_hostname="[127.0.0.1]"
    )
    await client.connect()
    transport = client.transport
    assert isinstance(transport, asyncio.WriteTransport)
    transport.write(bytes(50 * 2**20))
    assert transport.get_write_buffer_size() > 0
    client.close()
    assert transport.get_write_buffer_size() == 0
    server.close()
    [writer] = writers
    writer.transport.abort()
    with suppress(ConnectionError):
        await writer.wait_closed()


def test_wire_doubles_dots_and_marks_the_end() -> None:
    assert wire(b".\r\na\r\n..b\r\nc.\r\n") == b"..\r\na\r\n...b\r\nc.\r\n.\r\n"


def test_certificates_are_checked_by_default() -> None:
    context = Email.model_validate(
        {"type": "email", "host": "mail.example.com", "from": "a@example.com", "to": "b@example.com"}
    )._context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
