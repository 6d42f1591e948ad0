"""The bot: one message for each submission, edited in place, with a thread for the details."""

from dataclasses import replace

import pytest

from receiver.events import Failure, Level
from receiver.handler import ArchivedFile, Receipt
from tests.support.deliveries import HOSTILE_TITLES, make_file, make_track
from tests.support.slack import header
from tests.support.slack_bot import open_bot, shown
from tests.support.slack_workspace import OTHER, SONGS

PREVIEW = make_track("tr-1", "Night Ferry", make_file("stream"), lyrics="One & two\n<three>", model="chirp-v4")
LATE = Failure(code="submission.overdue", message="no callback for 5 minutes", advice="It is asked for again.")
REFUSED = Failure(code="430", message="too fast", meaning="The provider is busy", advice="Wait a minute")


def archived(link: str = "https://songs.example.com/a") -> Receipt:
    file = ArchivedFile(
        result_id="tr-1", role="audio", key="k", size=1, sha256="0" * 64, media_type="audio/mpeg", link=link
    )
    return Receipt(files=(file,))


async def test_one_message_follows_its_submission_to_the_end() -> None:
    async with open_bot() as bot:
        told: list[list[str]] = []
        for kind, results in [
            ("submission.accepted", []),
            ("music.text", [make_track("tr-1", "Night Ferry", make_file("image"))]),
            ("music.first", [PREVIEW]),
            ("music.complete", [make_track()]),
            ("music.updated", [make_track()]),
        ]:
            await bot.tell(kind, *results, receipts={"archive": archived()} if "complete" in kind else None)
            told.append(shown(bot.only)[:4])
        assert told[0][:2] == ["Night Ferry is on its way", "asked for …"]
        assert told[1][:2] == ["Night Ferry is on its way", "asked for → lyrics …"]
        assert told[2][1:] == [
            "asked for → lyrics → first track …",
            "*Night Ferry*  3:18",
            "<https://cdn.example.com/stream|Preview> (expires)",
        ]
        assert told[3] == [
            "Night Ferry is ready",
            "asked for → lyrics → first track → ready",
            "*Night Ferry*  3:18",
            "<https://songs.example.com/a|Listen>",
        ]
        assert told[4][:2] == ["Night Ferry has something new", "asked for → lyrics → first track → ready → updated"]
        assert bot.only.edits == 4
        assert bot.only.text == "Night Ferry has something new"


@pytest.mark.parametrize(
    ("kind", "error", "path", "said"),
    [
        ("music.failed", REFUSED, "asked for → failed", ["*The provider is busy*", "Wait a minute"]),
        ("submission.overdue", LATE, "asked for → late …", ["What happened: no callback for 5 minutes"]),
        ("submission.lost", LATE, "asked for → lost", ["What happened: no callback for 5 minutes"]),
        ("submission.rejected", REFUSED, "asked for → refused", ["*The provider is busy*", "What happened: too fast"]),
        ("submission.unknown", None, "asked for → no clear answer …", []),
    ],
)
async def test_what_goes_wrong_is_told_in_the_same_message_with_advice(
    kind: str, error: Failure | None, path: str, said: list[str]
) -> None:
    async with open_bot() as bot:
        await bot.tell("submission.accepted")
        await bot.tell(kind, error=error, level=Level.PROBLEM)
        found = shown(bot.only)
        assert found[1] == path
        assert found[2 : 2 + len(said)] == said
        assert header({"blocks": bot.only.blocks}).startswith("Night Ferry")


async def test_message_recovers_when_the_song_comes_after_all() -> None:
    async with open_bot() as bot:
        await bot.tell("submission.overdue", error=LATE, level=Level.PROBLEM)
        await bot.tell("music.complete", make_track())
        assert shown(bot.only)[:2] == ["Night Ferry is ready", "asked for → late → ready"]


@pytest.mark.parametrize("kind", ["delivery.dead", "handler.paused", "callback.unrecognised", "file.expiring"])
async def test_alarm_that_only_mentions_a_submission_is_a_message_of_its_own(kind: str) -> None:
    async with open_bot() as bot:
        await bot.tell("music.complete", make_track())
        await bot.tell(kind, about="archive", level=Level.PROBLEM, error=LATE, raw={"delivery_id": "dlv_9"})
        song, alarm = bot.peer.workspace.top()
        assert shown(song)[0] == "Night Ferry is ready"
        assert song.edits == 0
        assert "*Delivery:* dlv_9" in shown(alarm)
        assert bot.peer.workspace.replies(alarm.ts) == []


async def test_every_event_without_a_submission_is_a_new_message() -> None:
    async with open_bot() as bot:
        await bot.tell("disk.low", submission_id=None, level=Level.PROBLEM)
        await bot.tell("disk.low", submission_id=None, level=Level.PROBLEM)
        assert len(bot.peer.workspace.top()) == 2


async def test_details_stand_in_the_thread_once() -> None:
    async with open_bot() as bot:
        await bot.tell("music.text", PREVIEW)
        assert bot.thread == [
            "*Task:* task-1",
            "*Style:* indie folk",
            "*Model:* chirp-v4",
            "*Night Ferry:* tr-1",
            "",
            "*Lyrics*",
            "One &amp; two",
            "&lt;three&gt;",
        ]
        await bot.tell("music.first", PREVIEW)
        assert len(bot.peer.workspace.replies(bot.only.ts)) == 1
        await bot.tell("music.complete", PREVIEW, make_track("tr-2", model="chirp-v5"))
        assert bot.thread[8:] == ["*Model:* chirp-v5", "*Night Ferry, 2 of 2:* tr-2"]


async def test_code_of_a_failure_stands_in_the_thread() -> None:
    async with open_bot() as bot:
        await bot.tell("music.failed", error=replace(REFUSED, refunded=True))
        assert bot.thread[0] == "Code 430 · credits refunded"
        assert "Code 430" not in " ".join(shown(bot.only))


async def test_long_lyrics_are_whole_in_the_thread() -> None:
    verses = "\n".join(f"verse {number} of <many> & more" for number in range(300))
    async with open_bot() as bot:
        await bot.tell("lyrics.complete", make_track("ly-1", "Ferry", make_file("text"), lyrics=verses))
        assert "verse 299 of &lt;many&gt; &amp; more" in bot.thread


async def test_delivery_that_comes_twice_leaves_one_message_and_one_reply() -> None:
    async with open_bot() as bot:
        first = await bot.tell("music.complete", PREVIEW)
        again = bot.delivery("music.complete", PREVIEW)
        assert await bot.handler.handle(replace(again, attempt=2)) == first
        assert first == Receipt(details={"channel": SONGS, "ts": bot.only.ts})
        assert bot.only.edits == 1
        assert len(bot.peer.workspace.replies(bot.only.ts)) == 1
        assert bot.peer.workspace.calls == ["chat.postMessage", "chat.postMessage", "chat.update"]


async def test_crash_before_the_note_leaves_one_message_where_slack_tells_repeats_by_their_id() -> None:
    async with open_bot() as bot:
        await bot.tell("music.complete", PREVIEW)
        bot.world.memory.value = {}
        await bot.handler.handle(bot.delivery("music.complete", PREVIEW))
        assert len(bot.peer.workspace.replies(bot.only.ts)) == 1


async def test_alarm_that_comes_twice_is_one_message() -> None:
    async with open_bot() as bot:
        await bot.tell("disk.low", submission_id=None)
        await bot.handler.handle(bot.delivery("disk.low", submission_id=None))
        assert bot.only.edits == 1
        assert bot.world.memory.writes == 0


async def test_deleted_message_is_posted_anew_and_remembered() -> None:
    async with open_bot() as bot:
        await bot.tell("submission.accepted")
        bot.peer.workspace.delete(bot.only)
        await bot.tell("music.first", PREVIEW)
        assert shown(bot.only)[1] == "asked for → first track …"
        await bot.tell("music.complete", make_track())
        assert bot.only.edits == 1


@pytest.mark.parametrize(
    "word", ["cant_update_message", "edit_window_closed", "message_not_found", "channel_not_found"]
)
async def test_message_that_may_not_be_edited_is_followed_by_another(word: str) -> None:
    async with open_bot() as bot:
        await bot.tell("submission.accepted")
        bot.peer.workspace.refuse["chat.update"] = [word]
        await bot.tell("music.complete", make_track())
        assert [shown(said)[0] for said in bot.peer.workspace.top()] == [
            "Night Ferry is on its way",
            "Night Ferry is ready",
        ]


async def test_id_that_slack_no_longer_knows_is_left_out() -> None:
    async with open_bot() as bot:
        bot.peer.workspace.refuse["chat.postMessage"] = ["duplicate_message_not_found"]
        await bot.tell("submission.accepted")
        assert bot.only.client_msg_id is None


async def test_receipt_that_comes_late_turns_the_links_into_lasting_ones() -> None:
    async with open_bot() as bot:
        assert bot.handler.edits
        await bot.tell("music.complete", make_track())
        assert "<https://cdn.example.com/tr-1.mp3|Listen> (expires)" in shown(bot.only)
        late = bot.delivery("music.complete", make_track(), receipts={"archive": archived()})
        await bot.handler.handle(replace(late, attempt=2))
        assert "<https://songs.example.com/a|Listen>" in shown(bot.only)
        assert bot.only.edits == 1


async def test_stage_that_is_redelivered_late_does_not_turn_the_message_back() -> None:
    async with open_bot() as bot:
        await bot.tell("submission.accepted")
        early = bot.delivery("music.first", PREVIEW)
        await bot.tell("music.complete", make_track())
        await bot.handler.handle(early)
        await bot.tell("submission.accepted")
        assert shown(bot.only)[0] == "Night Ferry is ready"
        assert "*Model:* chirp-v4" in bot.thread


async def test_another_channel_in_the_configuration_gets_a_message_of_its_own() -> None:
    async with open_bot() as bot:
        await bot.tell("submission.accepted")
        bot.handler = bot.handler.model_copy(update={"channel": OTHER})
        await bot.tell("music.complete", make_track())
        assert shown(bot.only)[0] == "Night Ferry is on its way"
        assert shown(bot.peer.workspace.top(OTHER)[0])[0] == "Night Ferry is ready"


async def test_notes_of_another_type_under_the_same_name_do_no_harm() -> None:
    async with open_bot() as bot:
        bot.world.memory.value = {"files": [], "trail": "no list"}
        await bot.tell("submission.accepted")
        assert bot.only.ts


async def test_cover_that_slack_cannot_fetch_does_not_cost_the_message() -> None:
    async with open_bot() as bot:
        bot.peer.workspace.broken_pictures = {"https://cdn.example.com/tr-1.jpeg"}
        await bot.tell("music.first", make_track())
        await bot.tell("music.complete", make_track())
        assert shown(bot.only)[0] == "Night Ferry is ready"
        assert "accessory" not in str(bot.only.blocks)


async def test_reply_that_slack_refuses_does_not_cost_the_delivery(caplog: pytest.LogCaptureFixture) -> None:
    async with open_bot() as bot:
        await bot.tell("submission.accepted")
        bot.peer.workspace.refuse["chat.postMessage"] = ["restricted_action_non_threadable_channel"]
        await bot.tell("music.complete", make_track())
        assert bot.thread == []
        assert "goes without a reply" in caplog.text


@pytest.mark.parametrize("title", HOSTILE_TITLES.values(), ids=HOSTILE_TITLES)
async def test_hostile_title_does_no_harm(title: str) -> None:
    async with open_bot(template="{{ title }}\n{{ tracks[0].lyrics }}") as bot:
        track = make_track("tr-1", title, tags=title, lyrics=title, model=title)
        await bot.tell("music.complete", track, labels={"project": title})
        bot.handler = bot.handler.model_copy(update={"template": None})
        await bot.tell("music.complete", track, labels={"project": title})
        assert bot.only.edits == 1


async def test_preview_says_what_would_be_sent_and_sends_nothing() -> None:
    async with open_bot(upload=True) as bot:
        before = await bot.handler.preview(bot.delivery("music.complete", PREVIEW, make_track("tr-2")))
        assert before is not None
        assert before.text.startswith('Posts a new message to #songs:\n{\n  "channel": "#songs",')
        assert "Then, in its thread:\n{" in before.text
        assert before.text.endswith("Then uploads the sound of tr-2 into the thread")
        assert bot.peer.seen == []
        await bot.tell("submission.accepted")
        after = await bot.handler.preview(bot.delivery("music.complete", make_track()))
        assert after is not None
        assert after.text.startswith(f"Edits the message {bot.only.ts} in {SONGS}:\n{{")
        assert bot.world.memory.writes == 1
