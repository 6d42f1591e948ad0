import asyncio
import json
import logging
import os
import re
import socket
import tempfile
import threading
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.slack import NotifySlack

from handlers.apprise import Apprise
from handlers.apprise_call import Said
from receiver.errors import AddressRefused, LinkDead, Unreachable
from receiver.events import Failure, Level
from receiver.handler import Delivery, Outcome, PermanentFailure, TargetFailure, TemporaryFailure
from tests.support.apprise_peer import SECRET, ApprisePeer, only_loopback, open_peer
from tests.support.deliveries import (
    HOSTILE_TITLES,
    JPEG,
    MP3,
    FakeMedia,
    World,
    make_delivery,
    make_event,
    make_track,
    make_web,
)
from tests.support.peers import Exchange, answer, hang, reset


@pytest.fixture
async def peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApprisePeer]:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    async with open_peer(tmp_path) as peer:
        yield peer


def make_apprise(peer: ApprisePeer, **fields: Any) -> Apprise:
    return Apprise.model_validate({"type": "apprise"} | peer.fields | {"attach": False} | fields)


def make_told(world: World | None = None, **fields: Any) -> Delivery:
    return make_delivery(world or World(media=FakeMedia(make_web(make_track()))), **fields)


async def test_title_body_and_type_reach_the_service(peer: ApprisePeer) -> None:
    await make_apprise(peer).handle(make_told())
    [told] = peer.told
    assert told["title"] == "Night Ferry is ready"
    assert told["type"] == "success"
    assert told["attachments"] == []
    assert told["message"].splitlines()[:2] == [
        "Night Ferry · 3:18",
        "Listen: https://cdn.example.com/tr-1.mp3",
    ]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (make_event("music.complete"), "success"),
        (make_event("music.updated"), "success"),
        (make_event("music.first"), "info"),
        (make_event("music.failed", error=Failure(code="1", message="no")), "failure"),
        (make_event("handler.paused", level=Level.PROBLEM, about="team"), "warning"),
        (make_event("handler.resumed", about="team"), "info"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.type,
)
async def test_type_says_how_it_ended(peer: ApprisePeer, event: Any, kind: str) -> None:
    await make_apprise(peer).handle(make_told(event=event, results=[]))
    [told] = peer.told
    assert told["type"] == kind
    assert told["message"]


async def test_own_words_take_the_place_of_the_body(peer: ApprisePeer) -> None:
    template = "{{ title }}!\n{% for track in tracks %}{{ track.urls.audio | link('Hear') }}{% endfor %}"
    handler = make_apprise(peer, template=template)
    await handler.handle(make_told())
    assert peer.told[0]["message"] == "Night Ferry!\nHear: https://cdn.example.com/tr-1.mp3"
    preview = await handler.preview(make_told())
    assert preview.text == f"Night Ferry is ready\n\n{peer.told[0]['message']}"
    assert len(peer.told) == 1


@pytest.mark.parametrize("title", HOSTILE_TITLES.values(), ids=HOSTILE_TITLES)
async def test_hostile_title_is_delivered_on_one_line(peer: ApprisePeer, title: str) -> None:
    await make_apprise(peer).handle(make_told(results=[make_track("tr-1", title)]))
    [told] = peer.told
    assert not re.search(r"[\n\x00\u202e]", told["title"])
    assert not re.search(r"@\w|@&|\]\(", told["title"] + told["message"])


async def test_files_go_along_by_their_names_and_leave_nothing_on_the_disk(peer: ApprisePeer, tmp_path: Path) -> None:
    await make_apprise(peer, attach=True).handle(make_told())
    [told] = peer.told
    files = {file["filename"]: (file["mimetype"], b64decode(file["base64"])) for file in told["attachments"]}
    assert set(files) == {"Night Ferry.mp3", "Night Ferry.jpeg"}
    assert files["Night Ferry.mp3"] == ("audio/mpeg", MP3 + b"https://cdn.example.com/tr-1.mp3")
    assert files["Night Ferry.jpeg"][1].startswith(JPEG)
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_only_named_roles_go_along(peer: ApprisePeer) -> None:
    world = World(media=FakeMedia(make_web(make_track())))
    await make_apprise(peer, attach=["image"]).handle(make_told(world))
    assert [file["filename"] for file in peer.told[0]["attachments"]] == ["Night Ferry.jpeg"]
    assert isinstance(world.media, FakeMedia)
    assert world.media.asked == ["https://cdn.example.com/tr-1.jpeg"]


async def test_file_above_the_bound_is_only_linked(peer: ApprisePeer) -> None:
    await make_apprise(peer, attach=True, attach_most="5kB").handle(make_told())
    [told] = peer.told
    assert [file["filename"] for file in told["attachments"]] == ["Night Ferry.jpeg"]
    assert "Listen: https://cdn.example.com/tr-1.mp3" in told["message"]


@pytest.mark.parametrize("failure", [LinkDead("the link answers 404"), Unreachable("silence")], ids=["dead", "silent"])
async def test_file_that_may_still_come_is_waited_for_and_then_only_linked(peer: ApprisePeer, failure: Outcome) -> None:
    world = World(media=FakeMedia({"https://cdn.example.com/tr-1.mp3": failure}))
    handler = make_apprise(peer, attach=["audio"])
    with pytest.raises(TemporaryFailure) as caught:
        await handler.handle(make_told(world))
    assert caught.value is failure
    assert peer.told == []
    await handler.handle(make_told(world, attempt=3))
    assert peer.told[0]["attachments"] == []


@pytest.mark.parametrize("body", [b"<html>gone</html>", AddressRefused("it is a private address")], ids=["page", "no"])
async def test_file_that_will_never_come_is_only_linked(peer: ApprisePeer, body: Any) -> None:
    world = World(media=FakeMedia({"https://cdn.example.com/tr-1.mp3": body}))
    await make_apprise(peer, attach=["audio"]).handle(make_told(world))
    assert peer.told[0]["attachments"] == []


async def test_service_that_refuses_the_files_gets_the_message_without_them(peer: ApprisePeer) -> None:
    async def picky(exchange: Exchange) -> bool:
        attached = exchange.request.json()["attachments"]
        return await answer(status=413 if attached else 200)(exchange)

    peer.reply = picky
    await make_apprise(peer, attach=True).handle(make_told())
    assert [len(told["attachments"]) for told in peer.told] == [2, 0]


def expected(status: int) -> type[Outcome] | None:
    if 200 <= status < 300:
        return None
    if status in {401, 403, 404, 410}:
        return TargetFailure
    return TemporaryFailure if status in {408, 425, 429} or status >= 500 else PermanentFailure


@pytest.mark.parametrize("status", [200, 201, 204, *range(300, 309), *range(400, 432), 451, *range(500, 512), 599])
async def test_every_status_has_its_outcome(peer: ApprisePeer, status: int) -> None:
    peer.answer(status, f"no {SECRET} here".encode(), location=f"http://127.0.0.1:{peer.peer.port}/elsewhere")
    work = make_apprise(peer, attach=True).handle(make_told())
    outcome = expected(status)
    if outcome is None:
        await work
    else:
        with pytest.raises(Outcome, match=f"^JSON answered {status}") as caught:
            await work
        assert type(caught.value) is outcome
        assert SECRET not in str(caught.value)
    # The one that says that the files are too much gets the message alone.
    assert all(told["attachments"] == [] for told in peer.told[1:])
    assert len(peer.seen) == (2 if status in {413, 415} else 1)


@pytest.mark.parametrize("reply", [reset(), hang()], ids=["reset", "silence"])
async def test_broken_exchange_is_tried_again(peer: ApprisePeer, reply: Any) -> None:
    peer.reply = reply
    with pytest.raises(TemporaryFailure, match=r"JSON did not take the message: .*onnection") as caught:
        await make_apprise(peer, timeout="300ms").handle(make_told())
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"nonsense://{SECRET}", "no URL that apprise understands"),
        (f"https://example.com/{SECRET}", "no URL that apprise understands"),
        (f"tgram://{SECRET}", "no URL that apprise understands"),
        (SECRET, "no URL that apprise understands"),
        (f"json://a.example/{SECRET},json://b.example", "a single URL"),
        (f"json://a.example/{SECRET}, json://b.example", "a single URL"),
        (f"json://a.example/{SECRET} json://b.example", "a single URL"),
    ],
)
def test_url_that_is_none_is_refused_unseen(url: str, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with only_loopback(), pytest.raises(ValueError, match=reason) as caught:
        Apprise.model_validate({"type": "apprise", "url": url})
    assert SECRET not in str(caught.value) + caplog.text


def test_role_that_is_none_is_refused(peer: ApprisePeer) -> None:
    with pytest.raises(ValueError, match="has mp3, which is no role of a file; did you mean audio"):
        make_apprise(peer, attach=["mp3"])


async def test_secret_shows_nowhere(peer: ApprisePeer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    handler = make_apprise(peer, url=f"{peer.fields['url']}{SECRET}?x={SECRET}")
    shown = [repr(handler), handler.model_dump_json(), str(await handler.preview(make_told()))]
    for reply in (answer(status=500), answer(SECRET.encode(), 403), reset()):
        peer.reply = reply
        with pytest.raises(Outcome) as caught:
            await handler.handle(make_told())
        shown.append(str(caught.value))
    assert SECRET not in "".join([*shown, caplog.text])
    assert SECRET in handler.secrets()[0]


def test_words_of_apprise_are_shown_without_any_part_of_the_url(peer: ApprisePeer) -> None:
    handler = make_apprise(peer, url=f"ntfy://me:{SECRET}@127.0.0.1/my%20topic")
    words = f"no {SECRET} at http://127.0.0.1/{SECRET}, nor my topic\nsecond line"
    with pytest.raises(TemporaryFailure) as caught:
        handler._judge(Said(taken=False, service="ntfy", words=words))
    assert caught.value.reason == "ntfy did not take the message: no [redacted] at [address] nor [redacted]"


async def test_what_others_say_through_the_same_libraries_is_still_logged(
    peer: ApprisePeer, caplog: pytest.LogCaptureFixture
) -> None:
    await make_apprise(peer).handle(make_told())
    logging.getLogger("urllib3.connectionpool").warning("somebody else's words")
    logging.getLogger("apprise").error("never")
    assert caplog.messages == ["somebody else's words"]


async def test_loop_runs_on_while_the_service_is_slow(peer: ApprisePeer) -> None:
    release = asyncio.Event()

    async def slow(exchange: Exchange) -> bool:
        await release.wait()
        return await answer()(exchange)

    peer.reply = slow
    handler = make_apprise(peer, concurrency=3)
    async with handler.open():
        work = [asyncio.create_task(handler.handle(make_told())) for _ in range(3)]
        while len(peer.seen) < 3:
            peer.peer.arrived.clear()
            await peer.peer.arrived.wait()
        assert sum(thread.name.startswith("apprise") for thread in threading.enumerate()) == 3
        release.set()
        await asyncio.gather(*work)
    await threads_gone()


async def test_cancelled_while_the_service_is_slow_it_leaves_nothing_behind(peer: ApprisePeer, tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    released = asyncio.Event()

    async def slow(exchange: Exchange) -> bool:
        await released.wait()
        return await answer(keep=False)(exchange)

    peer.reply = slow
    work = asyncio.create_task(make_apprise(peer, attach=True).handle(make_told()))
    await peer.peer.arrived.wait()
    assert len(list((tmp_path / "tmp").iterdir())) == 1
    work.cancel()
    released.set()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert list((tmp_path / "tmp").iterdir()) == []
    await threads_gone()
    await peer.peer.closed.wait()
    assert {task for task in asyncio.all_tasks() - before if "talk" not in repr(task)} == set()


async def test_cancelled_in_the_queue_it_never_starts(peer: ApprisePeer, tmp_path: Path) -> None:
    released = asyncio.Event()

    async def slow(exchange: Exchange) -> bool:
        await released.wait()
        return await answer(keep=False)(exchange)

    peer.reply = slow
    handler = make_apprise(peer, concurrency=1)
    async with handler.open():
        first = asyncio.create_task(handler.handle(make_told()))
        await peer.peer.arrived.wait()
        second = asyncio.create_task(handler.handle(make_told()))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(2):
                await second
        released.set()
        await first
        await handler.handle(make_told())
    assert len(peer.seen) == 2
    await threads_gone()


async def threads_gone() -> None:
    """Waits, bounded, until no thread of a pool of ours is left."""
    async with asyncio.timeout(5):
        for thread in threading.enumerate():
            if thread.name.startswith("apprise"):
                await asyncio.to_thread(thread.join, 5)
    assert not any(thread.name.startswith("apprise") for thread in threading.enumerate())


async def test_ntfy_gets_message_and_file(peer: ApprisePeer) -> None:
    handler = make_apprise(peer, url=f"ntfy://user:{SECRET}@127.0.0.1:{peer.peer.port}/topic-name", attach=["image"])
    peer.answer(200, b"{}")
    await handler.handle(make_told())
    [seen] = peer.peer.seen
    assert seen.body.startswith(JPEG)
    assert "topic-name" in seen.target
    assert "Night" in json.dumps([seen.target, *seen.headers.values()])
    peer.answer(403, b'{"code": 40301, "error": "forbidden"}')
    with pytest.raises(TargetFailure, match=r"^ntfy answered 403 Forbidden$"):
        await handler.handle(make_told())


CALLS_PEOPLE = "@everyone @here <@123> <@&9> <!channel> <@U123> [click](https://evil.example) *b* <b>"


async def test_discord_calls_nobody(peer: ApprisePeer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NotifyDiscord, "notify_url", f"http://127.0.0.1:{peer.peer.port}")
    peer.answer(204)
    track = make_track("tr-1", CALLS_PEOPLE)
    await make_apprise(peer, url=f"discord://{'1' * 18}/{'a' * 64}").handle(make_told(results=[track]))
    [told] = peer.told
    assert "evil.example" in told["content"]
    assert not re.search(r"@everyone|@here|<@[!&]?\d|\]\(", told["content"])
    assert "avatar_url" not in told


async def test_slack_calls_nobody(peer: ApprisePeer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NotifySlack, "webhook_url", f"http://127.0.0.1:{peer.peer.port}")
    peer.answer(200, b"ok")
    track = make_track("tr-1", CALLS_PEOPLE)
    url = f"slack://T1JJ3T3L2/A1BRTD4JD/{'T' * 24}/#general"
    await make_apprise(peer, url=url).handle(make_told(results=[track]))
    [told] = peer.told
    assert "evil.example" in json.dumps(told)
    assert "<" not in json.dumps(told["attachments"])


async def test_long_words_are_split_where_the_service_has_a_limit(
    peer: ApprisePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NotifyDiscord, "notify_url", f"http://127.0.0.1:{peer.peer.port}")
    monkeypatch.setattr(NotifyDiscord, "request_rate_per_sec", 0)
    peer.answer(204)
    tracks = [make_track(f"tr-{number}", "Long " * 40) for number in range(20)]
    await make_apprise(peer, url=f"discord://{'1' * 18}/{'a' * 64}").handle(make_told(results=tracks))
    assert len(peer.told) > 1
    assert all(len(told["content"]) <= 2000 for told in peer.told)


async def test_nothing_is_written_to_the_disk(
    peer: ApprisePeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    monkeypatch.setenv("APPRISE_STORAGE_PATH", str(home))
    monkeypatch.setenv("APPRISE_URLS", "json://127.0.0.1:1/")
    await make_apprise(peer).handle(make_told())
    assert len(peer.seen) == 1
    assert [name for _, _, names in os.walk(home) for name in names] == []


def test_guard_of_these_tests_refuses_every_other_address() -> None:
    with only_loopback(), socket.socket() as wire:
        with pytest.raises(ConnectionRefusedError):
            wire.connect(("192.0.2.1", 80))
        with pytest.raises(socket.gaierror):
            socket.create_connection(("example.com", 80))
