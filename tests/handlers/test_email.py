import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from handlers.email import Email
from receiver.events import Failure, Level
from receiver.handler import PermanentFailure
from tests.support.deliveries import (
    HOSTILE_TITLES,
    NOW,
    FakeMedia,
    FakeNotes,
    World,
    make_delivery,
    make_event,
    make_track,
    make_web,
)
from tests.support.email_peer import SECRET, EmailPeer, Options, serve_mail, words

SENDER = "Songs <songs@example.com>"
HEADERS = """Auto-Submitted Content-Type Date From In-Reply-To MIME-Version Message-ID References Subject To
    X-Receiver-Event X-Receiver-Submission"""


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[EmailPeer]:
    async with serve_mail(tmp_path, Options(tls="none")) as peer:
        yield peer


def make_email(peer: EmailPeer | None = None, **fields: Any) -> Email:
    given = {"type": "email", "host": "mail.example.com", "from": SENDER, "to": ["me@example.com"]}
    return Email.model_validate(given | (peer.fields if peer else {}) | fields)


def make_world() -> World:
    return World(media=FakeMedia(make_web(make_track())))


@pytest.mark.parametrize(("tls", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_port_goes_by_tls_unless_it_is_written(tls: str, port: int) -> None:
    assert make_email(tls=tls)._server.port == port
    assert make_email(tls=tls, port=2525)._server.port == 2525


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "password alone": ({"password": SECRET}, "only one of username and password"),
    "username alone": ({"username": "me"}, "only one of username and password"),
    "empty password": ({"username": "me", "password": ""}, "only one of username and password"),
    "nul": ({"username": "me\0", "password": SECRET}, "a character that no login can send"),
    "in the clear": ({"tls": "none", "username": "me", "password": SECRET}, "would send the password in the clear"),
    "too much": ({"attach": "17MiB"}, "more than a mail can carry; write at most 16MiB"),
    "sender": ({"from": f"{SECRET}@"}, "is not a mail address"),
    "no recipient": ({"to": []}, "must be 1 to 100 mail addresses"),
    "template": ({"template": "{{ headline"}, "is no Jinja template"),
    "subject": ({"subject": "{{ headlin }}"}, "did you mean headline"),
    "host": ({"host": "mail.example.com\r\nX: y"}, "has no valid host name"),
    "port": ({"port": 65536}, "less than or equal to 65535"),
}


@pytest.mark.parametrize(("fields", "words"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_in_the_configuration_is_told_without_its_value(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        make_email(**fields)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"])
def test_password_may_stay_on_this_machine_in_the_clear(host: str) -> None:
    assert make_email(host=host, tls="none", username="me", password=SECRET).password is not None


def test_password_shows_nowhere() -> None:
    handler = make_email(username="me", password=SECRET)
    assert SECRET not in f"{handler!r} {handler} {handler.model_dump_json(by_alias=True)} {handler._server!r}"
    assert handler.secrets() == (SECRET,)


def test_quiet_hours_hold() -> None:
    quiet = make_email(quiet={"from": "08:00", "to": "09:00"})
    assert quiet.quiet_left(NOW) == timedelta(minutes=30)


async def test_receipt_has_the_id_under_which_the_mail_arrived(peer: EmailPeer) -> None:
    receipt = await make_email(peer).handle(make_delivery(make_world()))
    [mail] = peer.mails
    assert receipt.details == {"message_id": mail["Message-ID"], "accepted": "1"}
    assert peer.senders == ["songs@example.com"]


async def test_same_delivery_twice_is_the_same_mail(peer: EmailPeer) -> None:
    handler, world = make_email(peer, attach="1MiB"), make_world()
    first = await handler.handle(make_delivery(world))
    assert await handler.handle(make_delivery(world, attempt=2)) == first
    assert peer.wires[0] == peer.wires[1]


async def test_delivery_that_everybody_has_is_not_sent_again(peer: EmailPeer) -> None:
    world = make_world()
    world.progress = FakeNotes({"accepted": ["me@example.com"]})
    receipt = await make_email(peer).handle(make_delivery(world))
    assert receipt.details["accepted"] == "1"
    assert peer.servers == []


@pytest.mark.parametrize("title", HOSTILE_TITLES.values(), ids=HOSTILE_TITLES)
async def test_hostile_title_changes_no_header(title: str, peer: EmailPeer) -> None:
    injected = f"{title}\r\nBcc: evil@example.com\r\n\r\n=?utf-8?q?=0D=0ABcc:_a=40b.c?=<script>"
    event = make_event(
        "music.failed\r\nBcc: e@evil.example",
        labels={"title": injected, injected: injected},
        error=Failure(code=injected, message=injected, meaning=injected, advice=injected),
        submission_id=f"sub_{injected}"[:300],
    )
    handler = make_email(peer, subject="{{ headline }} {{ results[0].title }} {{ error.advice }}")
    await handler.handle(make_delivery(event=event, results=[make_track("tr-1", injected)]))
    [mail] = peer.mails
    assert sorted(mail.keys()) == HEADERS.split()
    assert not mail.defects
    assert all(not part.defects for part in mail.walk())
    assert len(mail["Subject"]) <= 151
    assert "\u202e" not in mail["Subject"]
    assert peer.recipients == [["me@example.com"]]
    head = peer.wires[0].partition(b"\r\n\r\n")[0]
    assert head.isascii()
    assert max(map(len, head.split(b"\r\n"))) <= 200
    assert "<script>" not in str(mail.get_body(("html",)))


@pytest.mark.parametrize("kind", ["music.text", "lyrics.complete", "submission.lost", "disk.low", "new.word"])
async def test_event_without_anything_is_mailed(kind: str, peer: EmailPeer) -> None:
    event = make_event(kind, submission_id=None, provider=None, operation=None, client=None, labels={}, raw=None)
    await make_email(peer).handle(make_delivery(event=event, results=[]))
    [mail] = peer.mails
    assert mail["Subject"]
    assert mail["References"] is None


async def test_mail_that_is_too_large_goes_without_what_it_carries(tmp_path: Path) -> None:
    async with serve_mail(tmp_path, Options(size=18_000)) as peer:
        receipt = await make_email(peer, attach="1MiB").handle(make_delivery(make_world()))
    [mail] = peer.mails
    assert receipt.details["accepted"] == "1"
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert "https://cdn.example.com/tr-1.mp3" in peer.seen[0]


async def test_mail_that_the_server_finds_too_large_afterwards_goes_without_too(peer: EmailPeer) -> None:
    peer.script["BODY"] = ["552 5.3.4 too much", "ok"]
    await make_email(peer).handle(make_delivery(make_world()))
    assert len(peer.wires) == 1
    assert list(peer.mails[0].iter_attachments()) == []


async def test_bare_mail_that_is_too_large_is_dead(peer: EmailPeer) -> None:
    peer.script["BODY"] = ["552 5.3.4 too much"]
    with pytest.raises(PermanentFailure, match="finds the mail too large"):
        await make_email(peer, cover=False).handle(make_delivery(make_world()))


async def test_large_attachments_arrive_whole(peer: EmailPeer) -> None:
    track = make_track()
    song = b"ID3\x04" + b"\r\n.\r\n.." * 500_000
    world = World(media=FakeMedia({"https://cdn.example.com/tr-1.mp3": song}))
    await make_email(peer, attach="16MiB").handle(make_delivery(world, results=[track]))
    [attached] = peer.mails[0].iter_attachments()
    assert attached.get_content() == song
    assert attached.get_filename() == "Night Ferry.mp3"


async def test_own_words_are_the_text_and_the_page(peer: EmailPeer) -> None:
    template = "Hear <this>: {{ tracks[0].urls.audio | link(title) }}\n  & {{ labels.project }}"
    handler = make_email(peer, template=template, subject="[s] {{ title }}\n!")
    await handler.handle(make_delivery(make_world(), results=[make_track("tr-1", "<b>A & B</b>")]))
    [mail] = peer.mails
    text, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert mail["Subject"] == "[s] <b>A & B</b> !"
    assert words(text) == "Hear <this>: <b>A & B</b>: https://cdn.example.com/tr-1.mp3\n  & podcast\n"
    assert (
        'Hear &lt;this&gt;: <a class="link" href="https://cdn.example.com/tr-1.mp3" style="color:#344054">'
        "&lt;b&gt;A &amp; B&lt;/b&gt;</a><br>\n&nbsp;&nbsp;&amp; podcast" in words(page)
    )


async def test_template_that_fails_does_not_cost_the_mail(peer: EmailPeer) -> None:
    handler = make_email(peer, template="{{ 1 // 0 }}", subject="{{ 1 // 0 }}")
    await handler.handle(make_delivery(make_world()))
    assert peer.mails[0]["Subject"] == "Night Ferry is ready"
    assert "Listen" in peer.seen[0]


async def test_preview_is_what_would_be_sent_and_sends_nothing() -> None:
    world = make_world()
    shown = await make_email(attach="1MiB").preview(make_delivery(world))
    assert shown.text.startswith("From: Songs <songs@example.com>\nTo: me@example.com\nSubject: Night Ferry is ready\n")
    assert "Attached: Night Ferry.mp3, 10276 bytes" in shown.text
    assert "Listen (expires): https://cdn.example.com/tr-1.mp3" in shown.text
    assert shown.html is not None
    assert 'src="data:image/jpeg;base64,/9j/' in shown.html


async def test_preview_goes_without_a_cover_that_can_not_be_fetched() -> None:
    shown = await make_email().preview(make_delivery())
    assert shown.html is not None
    assert "<img" not in shown.html


async def test_cancelled_after_any_turn_of_the_loop_it_leaves_nothing_open(tmp_path: Path) -> None:
    turns, done = 0, False
    async with serve_mail(tmp_path) as peer:
        while not done:
            before, world = asyncio.all_tasks(), make_world()
            work = asyncio.ensure_future(make_email(peer, attach="1MiB").handle(make_delivery(world)))
            for _ in range(turns):
                await asyncio.sleep(0)
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
            done, turns = not work.cancelled(), turns + 7
            assert isinstance(world.media, FakeMedia)
            assert world.media.open == 0
            async with asyncio.timeout(60):
                while peer.open or asyncio.all_tasks() != before:  # noqa: ASYNC110 - they end in the next turns
                    await asyncio.sleep(0)
    assert turns > 40


async def test_alarm_is_mailed_with_what_to_do(peer: EmailPeer) -> None:
    error = Failure(code="handler.paused", message="Slack says no_service", advice="Make a new webhook.")
    event = make_event("handler.paused", level=Level.PROBLEM, error=error, raw={"delivery_id": "dlv_9"})
    await make_email(peer).handle(make_delivery(event=event, results=[]))
    assert all(words in peer.seen[0] for words in ("Slack says no_service", "Make a new webhook.", "dlv_9"))


async def test_date_is_that_of_the_attempt(peer: EmailPeer) -> None:
    await make_email(peer).handle(make_delivery())
    date = peer.mails[0]["Date"].datetime
    assert isinstance(date, datetime)
    assert date == NOW
