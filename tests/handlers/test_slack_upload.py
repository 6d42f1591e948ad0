"""Songs that play in Slack: uploaded once, streamed, and never at the cost of the message."""

import asyncio
import hashlib
import tracemalloc
from dataclasses import replace

import pytest

from handlers.slack_upload import may_upload_to
from receiver.events import Result
from receiver.handler import TemporaryFailure
from receiver.outbound import Media
from tests.support.deliveries import MP3, FakeMedia, FakeNotes, make_file, make_track, make_web
from tests.support.peers import Exchange, answer, serve
from tests.support.slack_bot import Bot, open_bot, shown
from tests.support.slack_workspace import Upload

MIB = 2**20
SIZE = 50 * MIB
SONG = "https://cdn.example.com/tr-1.mp3"
SOUND = MP3 + SONG.encode()


def uploads(bot: Bot) -> list[Upload]:
    """The files in the thread."""
    replies = bot.peer.workspace.replies(bot.only.ts)
    return [bot.peer.workspace.files[ident] for said in replies for ident in said.files]


def with_web(bot: Bot, *tracks: Result) -> FakeMedia:
    bot.world.media = media = FakeMedia(make_web(*tracks))
    return media


async def test_song_plays_in_the_thread_of_its_message() -> None:
    async with open_bot(upload=True) as bot:
        with_web(bot, make_track())
        await bot.tell("music.complete", make_track())
        [file] = uploads(bot)
        assert (file.name, file.title, file.length) == ("Night Ferry.mp3", "Night Ferry", len(SOUND))
        assert file.sha256 == hashlib.sha256(SOUND).hexdigest()


async def test_each_song_is_uploaded_once_however_often_it_is_told() -> None:
    first, second = make_track(), make_track("tr-2", "Other")
    async with open_bot(upload=True) as bot:
        with_web(bot, first, second)
        await bot.tell("music.first", first)
        await bot.tell("music.complete", first, second)
        await bot.handler.handle(replace(bot.delivery("music.complete", first, second), attempt=2))
        await bot.tell("music.updated", first, second)
        assert [file.title for file in uploads(bot)] == ["Night Ferry", "Other"]


@pytest.mark.parametrize("kind", ["music.text", "music.failed", "delivery.dead", "disk.low", "wav.complete"])
async def test_nothing_is_uploaded_where_no_song_has_come(kind: str) -> None:
    track = make_track("tr-1", "Night Ferry", make_file("wav")) if kind == "wav.complete" else make_track()
    async with open_bot(upload=True) as bot:
        media = with_web(bot, track)
        await bot.tell(kind, track)
        assert media.asked == []


async def test_songs_of_one_title_are_told_apart() -> None:
    first, second = make_track(), make_track("tr-2")
    async with open_bot(upload=True) as bot:
        with_web(bot, first, second)
        await bot.tell("music.first", first)
        await bot.tell("music.complete", first, second)
        assert [file.name for file in uploads(bot)] == ["Night Ferry.mp3", "Night Ferry, 2 of 2.mp3"]


async def test_nothing_is_uploaded_unless_asked_for() -> None:
    async with open_bot() as bot:
        media = with_web(bot, make_track())
        await bot.tell("music.complete", make_track())
        assert media.asked == []


async def large_song(exchange: Exchange) -> bool:
    announced = f"content-length: {SIZE}\r\n" if "announced" in exchange.request.target else ""
    exchange.writer.write(f"HTTP/1.1 200 OK\r\n{announced}\r\nID3".encode())
    left = SIZE - 3
    while left:
        part = min(left, MIB // 4)
        exchange.writer.write(bytes(part))
        await exchange.writer.drain()
        left -= part
    return False


@pytest.mark.parametrize("path", ["announced.mp3", "of-unknown-length.mp3"])
async def test_a_large_song_is_uploaded_in_little_memory(path: str) -> None:
    async with open_bot(upload=True) as bot, serve(large_song) as host:
        bot.world.media = Media(["127.0.0.1"])
        track = make_track("tr-1", "Night Ferry", make_file("audio", f"{host.url}/{path}"))
        tracemalloc.start()
        try:
            await bot.tell("music.complete", track)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            await bot.world.media.close()
        assert [file.length for file in uploads(bot)] == [SIZE]
        assert peak < 8 * MIB


async def test_failure_that_may_pass_is_tried_again_and_the_message_is_not_repeated() -> None:
    async with open_bot(upload=True) as bot:
        with_web(bot, make_track())
        bot.peer.answer_below("/upload/", 503, b"xoxb-s3cr3t-v4lue")
        with pytest.raises(TemporaryFailure, match=r"Slack's file store answered 503 Service Unavailable$"):
            await bot.tell("music.complete", make_track())
        bot.peer.recover()
        await bot.handler.handle(replace(bot.delivery("music.complete", make_track()), attempt=2))
        assert len(uploads(bot)) == 1
        assert bot.peer.workspace.calls.count("chat.postMessage") == 2  # the message and its details


async def test_rate_limit_is_passed_on() -> None:
    async with open_bot(upload=True) as bot:
        with_web(bot, make_track())
        bot.peer.answer_below("/api/files.get", 429, b"", retry_after="40")
        with pytest.raises(TemporaryFailure) as caught:
            await bot.tell("music.complete", make_track())
        assert caught.value.retry_after
        assert caught.value.retry_after.total_seconds() == 40


async def test_song_that_does_not_come_within_five_tries_is_noted_and_the_delivery_is_done() -> None:
    async with open_bot(upload=True) as bot:
        bot.world.media = FakeMedia({})
        bot.world.progress = FakeNotes()
        delivery = bot.delivery("music.complete", make_track())
        for _ in range(4):
            with pytest.raises(TemporaryFailure) as caught:
                await bot.handler.handle(delivery)
            assert caught.value.stale
        await bot.handler.handle(delivery)
        assert bot.thread[-1] == "Night Ferry can't be played here: the link answers 404"
        await bot.handler.handle(delivery)
        assert " ".join(bot.thread).count("can't be played") == 1


@pytest.mark.parametrize(
    ("word", "advice"),
    [("missing_scope", "add the scope files:write to the app"), ("file_uploads_disabled", "file_uploads_disabled")],
)
async def test_refusal_is_a_note_in_the_thread_and_the_other_songs_follow(word: str, advice: str) -> None:
    first, second = make_track(), make_track("tr-2", "Other")
    async with open_bot(upload=True) as bot:
        with_web(bot, first, second)
        bot.peer.workspace.refuse["files.getUploadURLExternal"] = [word]
        assert await bot.tell("music.complete", first, second)
        assert [line for line in bot.thread if "can't be played" in line and advice in line]
        assert [file.title for file in uploads(bot)] == ["Other"]


async def test_scope_that_is_missing_is_named() -> None:
    async with open_bot(upload=True) as bot:
        with_web(bot, make_track())
        bot.peer.workspace.scopes = {"chat:write"}
        await bot.tell("music.complete", make_track())
        assert "add the scope files:write to the app" in bot.thread[-1]


async def test_other_address_of_the_same_song_is_tried() -> None:
    track = make_track("tr-1", "Night Ferry", make_file("audio", "https://cdn.example.com/page", "https://b.example/s"))
    async with open_bot(upload=True) as bot:
        bot.world.media = FakeMedia({"https://cdn.example.com/page": b"<html>gone</html>", "https://b.example/s": MP3})
        await bot.tell("music.complete", track)
        assert [file.length for file in uploads(bot)] == [len(MP3)]


async def test_page_in_place_of_a_song_is_not_uploaded() -> None:
    async with open_bot(upload=True) as bot:
        bot.world.media = FakeMedia({SONG: b"<html>gone</html>"})
        with pytest.raises(TemporaryFailure, match="page in place"):
            await bot.tell("music.complete", make_track())
        assert bot.peer.workspace.files == {}


async def test_address_that_is_not_slacks_own_gets_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with open_bot(upload=True) as bot, serve(answer()) as inside:
        with_web(bot, make_track())
        bot.peer.workspace.upload_url = lambda _: f"{inside.url}/upload/v1/k3y"
        await bot.tell("music.complete", make_track())
        assert inside.seen == []
        assert bot.thread[-1] == (
            "Night Ferry can't be played here: Slack names a place for the file that is none of its own"
        )
        assert "k3y" not in caplog.text


async def test_address_of_an_upload_shows_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    async with open_bot(upload=True) as bot:
        with_web(bot, make_track())
        bot.peer.answer_below("/upload/", 400, b"up10ad-F000000000")
        await bot.tell("music.complete", make_track())
        assert "Slack's file store answered 400 Bad Request" in caplog.text
        assert "up10ad" not in "".join([caplog.text, *bot.thread, str(bot.world.memory.value), str(bot.world.progress)])


async def test_cancelled_upload_leaves_nothing_behind() -> None:
    async with open_bot(upload=True) as bot:
        media = with_web(bot, make_track())
        bot.peer.stalls = True
        work = asyncio.ensure_future(bot.tell("music.complete", make_track()))
        await asyncio.wait_for(bot.peer.stalled.wait(), 10)
        assert media.open == 1
        work.cancel()
        await asyncio.wait((work,))
        assert work.cancelled()
        assert media.open == 0


async def test_song_of_unknown_length_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.slack_upload._SPOOL_MOST", 5000)
    async with open_bot(upload=True) as bot:
        with_web(bot, make_track())
        await bot.tell("music.complete", make_track())
        assert "does not say how long it is, and is above 5000 bytes" in bot.thread[-1]


SLACK = "https://slack.com/api/"
PROXY = "http://proxy.corp:8080/slack/"


@pytest.mark.parametrize(
    ("url", "api_url", "allowed"),
    [
        ("https://files.slack.com/upload/v1/x", SLACK, True),
        ("https://files.slack.com:443/upload/v1/x", SLACK, True),
        ("https://slack.com/upload", SLACK, True),
        ("https://files.slack-gov.com/upload", "https://slack-gov.com/api/", True),
        ("https://files.slack.com/upload", PROXY, True),
        ("http://proxy.corp:8080/upload", PROXY, True),
        ("https://files.proxy.corp/upload", PROXY, True),
        ("http://files.proxy.corp/upload", PROXY, False),
        ("http://proxy.corp/upload", PROXY, False),
        ("http://files.slack.com/upload", SLACK, False),
        ("https://files.slack.com:8443/upload", SLACK, False),
        ("https://slack.com.evil.example/upload", SLACK, False),
        ("https://evilslack.com/upload", SLACK, False),
        ("https://slack.com@evil.example/upload", SLACK, False),
        ("https://evil.example\\.slack.com/upload", SLACK, False),
        ("https://evil.example/.slack.com", SLACK, False),
        ("https://127.0.0.1/upload", SLACK, False),
        ("http://169.254.169.254/latest", SLACK, False),
        ("https://[::1]/upload", SLACK, False),
        ("https://[/upload", SLACK, False),
        ("https://files.slack.com:x/upload", SLACK, False),
        ("", SLACK, False),
    ],
)
def test_bytes_go_to_slack_and_nowhere_else(url: str, api_url: str, allowed: bool) -> None:
    assert may_upload_to(url, api_url) is allowed


async def test_upload_leaves_the_channel_itself_as_it_was() -> None:
    async with open_bot(upload=True) as bot:
        with_web(bot, make_track())
        await bot.tell("music.complete", make_track())
        assert [shown(said)[0] for said in bot.peer.workspace.top()] == ["Night Ferry is ready"]
