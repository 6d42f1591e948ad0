"""What Slack's answers to a bot mean for a delivery."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from receiver.handler import PermanentFailure, TargetFailure, TemporaryFailure
from tests.support.deliveries import make_track
from tests.support.slack_bot import open_bot
from tests.support.slack_workspace import TOKEN


def words() -> Iterator[tuple[str, type, str]]:
    yield from ((word, TemporaryFailure, word) for word in ("internal_error", "fatal_error", "service_unavailable"))
    yield from ((word, TemporaryFailure, word) for word in ("request_timeout", "ratelimited", "rate_limited"))
    yield from ((word, PermanentFailure, word) for word in ("msg_too_long", "invalid_arguments", "a_new_word"))
    yield from ((word, TargetFailure, "OAuth") for word in ("invalid_auth", "token_revoked", "token_expired"))
    yield from ((word, TargetFailure, "again") for word in ("account_inactive", "no_permission"))
    yield from ((word, TargetFailure, "admin") for word in ("restricted_action", "ekm_access_denied"))
    yield "missing_scope", TargetFailure, "add the scope chat:write"


@pytest.mark.parametrize(("word", "outcome", "advice"), list(words()), ids=[word for word, _, _ in words()])
async def test_word_of_slack_decides_the_outcome(word: str, outcome: type, advice: str) -> None:
    async with open_bot() as bot:
        bot.peer.workspace.refuse["chat.postMessage"] = [word]
        with pytest.raises(outcome, match=advice) as caught:
            await bot.tell("music.complete", make_track())
        assert word in str(caught.value)
        assert bot.world.memory.writes == 0


@pytest.mark.parametrize(
    ("channel", "word", "advice"),
    [
        ("#elsewhere", "not_in_channel", "invite the bot"),
        ("#nowhere", "channel_not_found", "invite the bot"),
        ("#archived", "is_archived", "bring it back"),
    ],
)
async def test_channel_that_the_bot_cannot_reach_pauses_the_handler(channel: str, word: str, advice: str) -> None:
    async with open_bot(channel=channel) as bot:
        with pytest.raises(TargetFailure, match=f"{word}: .*{advice}"):
            await bot.tell("music.complete", make_track())


async def test_token_that_is_wrong_pauses_the_handler_and_shows_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    async with open_bot(token="xoxb-an0ther-v4lue") as bot:
        with pytest.raises(TargetFailure, match="invalid_auth") as caught:
            await bot.tell("music.complete", make_track())
        previewed = await bot.handler.preview(bot.delivery("music.complete", make_track()))
        said = [str(caught.value), repr(bot.handler), bot.handler.model_dump_json(), caplog.text, str(previewed)]
        assert "an0ther" not in "".join([*said, str(bot.peer.seen), str(bot.world)])
        assert bot.handler.secrets() == ("xoxb-an0ther-v4lue",)


async def test_scope_that_is_missing_is_named() -> None:
    async with open_bot() as bot:
        bot.peer.workspace.scopes = set()
        with pytest.raises(TargetFailure, match="add the scope chat:write to the app"):
            await bot.tell("music.complete", make_track())


@contextmanager
def fails(outcome: type, reason: str) -> Iterator[Any]:
    with pytest.raises(outcome, match=reason) as caught:
        yield caught
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "outcome", "reason"),
    [
        (429, b'{"ok": false, "error": "ratelimited"}', TemporaryFailure, "ratelimited"),
        (429, b"", TemporaryFailure, "429"),
        (503, b"<html>xoxb-s3cr3t-v4lue</html>", TemporaryFailure, "503"),
        (404, b"xoxb-s3cr3t-v4lue", TargetFailure, "404"),
        (302, b"", PermanentFailure, "redirects"),
        (200, b"<html>log in</html>", TemporaryFailure, "not Slack"),
        (200, b"[]", TemporaryFailure, "not Slack"),
        (200, b'{"ok": false, "error": "xoxb-s3cr3t-v4lue"}', PermanentFailure, "an_unknown_error"),
        (200, b'{"ok": false, "error": "invalid_auth"}', TargetFailure, "invalid_auth"),
        (403, b'{"ok": false, "error": "invalid_auth"}', TargetFailure, "invalid_auth"),
        (200, b'{"ok": true}', PermanentFailure, "did not say where"),
    ],
)
async def test_status_and_body_decide_the_outcome(status: int, body: bytes, outcome: type, reason: str) -> None:
    async with open_bot() as bot:
        bot.peer.answer(status, body, retry_after="30")
        with fails(outcome, reason) as caught:
            await bot.tell("submission.accepted")
        if status == 429:
            assert caught.value.retry_after == timedelta(seconds=30)


async def test_place_that_slack_complains_about_is_told_and_no_text_of_its_own() -> None:
    complaint = {"messages": ["xoxb [json-pointer:/blocks/0/text]"]}
    body = json.dumps({"ok": False, "error": "invalid_blocks", "response_metadata": complaint}).encode()
    async with open_bot() as bot:
        bot.peer.answer(200, body)
        with fails(PermanentFailure, "invalid_blocks at /blocks/0/text$"):
            await bot.tell("submission.accepted")
