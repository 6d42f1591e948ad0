"""The pretend Slack is one: Slack's own client speaks to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from tests.support.slack_peer import SlackPeer, open_peer
from tests.support.slack_workspace import OTHER, SONGS, TOKEN

BLOCKS = [{"type": "section", "text": {"type": "mrkdwn", "text": "*Night Ferry*", "verbatim": True}}]


@asynccontextmanager
async def client(token: str = TOKEN) -> AsyncIterator[tuple[SlackPeer, WebClient]]:
    async with open_peer() as peer:
        yield peer, WebClient(token, base_url=peer.bot["api_url"], timeout=10)


async def refused(call: Any, **fields: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await asyncio.to_thread(call, **fields)
    return str(caught.value.response["error"])


async def test_message_is_posted_edited_and_answered_in_its_thread() -> None:
    async with client() as (peer, slack):
        first = await asyncio.to_thread(slack.chat_postMessage, channel="#songs", text="One", blocks=BLOCKS)
        assert first["channel"] == SONGS
        ts = first["ts"]
        await asyncio.to_thread(slack.chat_update, channel=SONGS, ts=ts, text="Two", blocks=BLOCKS)
        await asyncio.to_thread(slack.chat_postMessage, channel=SONGS, text="Three", thread_ts=ts)
        history = await asyncio.to_thread(slack.conversations_history, channel=SONGS)
        assert [message["text"] for message in history["messages"]] == ["Two"]
        replies = await asyncio.to_thread(slack.conversations_replies, channel=SONGS, ts=ts)
        assert [message["text"] for message in replies["messages"]] == ["Two", "Three"]
        assert peer.workspace.complaints == []


async def test_what_slack_refuses_is_refused() -> None:
    async with client() as (_, slack):
        post, update = slack.chat_postMessage, slack.chat_update
        assert await refused(post, channel="#nowhere", text="x") == "channel_not_found"
        assert await refused(post, channel="#elsewhere", text="x") == "not_in_channel"
        assert await refused(post, channel="#archived", text="x") == "is_archived"
        assert await refused(post, channel=SONGS, text="x" * 40_001) == "msg_too_long"
        assert await refused(post, channel=SONGS, text="x", thread_ts="1.2") == "thread_not_found"
        assert await refused(post, channel=SONGS, text="x", blocks=BLOCKS * 51) == "invalid_blocks"
        assert await refused(post, channel=SONGS, text="x", blocks=[{"type": "header"}]) == "invalid_blocks"
        assert await refused(update, channel=SONGS, ts="1.2", text="x") == "message_not_found"
        assert await refused(update, channel="#songs", ts="1.2", text="x") == "channel_not_found"
        assert await refused(slack.team_info) == "unknown_method"
    async with client("xoxb-wrong") as (_, slack):
        assert await refused(slack.chat_postMessage, channel=SONGS, text="x") == "invalid_auth"


async def test_file_is_uploaded_into_a_thread() -> None:
    async with client() as (peer, slack):
        posted = await asyncio.to_thread(slack.chat_postMessage, channel=OTHER, text="One")
        await asyncio.to_thread(
            slack.files_upload_v2,
            channel=OTHER,
            thread_ts=posted["ts"],
            filename="a.mp3",
            title="Night Ferry",
            content=b"ID3 sound",
        )
        [reply] = peer.workspace.replies(posted["ts"])
        assert [peer.workspace.files[ident].title for ident in reply.files] == ["Night Ferry"]
        complete = slack.files_completeUploadExternal
        assert await refused(complete, files=[{"id": "F1", "title": "x"}], channel_id=OTHER) == "file_not_found"


async def test_scope_that_is_missing_is_named() -> None:
    async with client() as (peer, slack):
        peer.workspace.scopes = {"chat:write"}
        assert await refused(slack.files_getUploadURLExternal, filename="a", length=1) == "missing_scope"


async def test_webhook_takes_a_message(tmp_path: Path) -> None:
    async with open_peer(tmp_path) as peer:
        hook = WebhookClient(peer.fields["webhook_url"], timeout=10)
        taken = await asyncio.to_thread(hook.send, text="One", blocks=BLOCKS)
        assert (taken.status_code, taken.body) == (200, "ok")
        wrong = await asyncio.to_thread(hook.send, text="One", blocks=[{"type": "header"}])
        assert (wrong.status_code, wrong.body) == (400, "invalid_blocks")
        away = await asyncio.to_thread(WebhookClient(f"{peer.url}/services/x", timeout=10).send, text="One")
        assert (away.status_code, away.body) == (404, "no_service")
        peer.answer(429, b"rate_limited", retry_after="3")
        assert (await asyncio.to_thread(hook.send, text="One")).status_code == 429
        assert len(peer.seen) == 4
        assert [said.text for said in peer.workspace.top()] == ["One"]
