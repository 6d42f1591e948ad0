"""A bot that is stopped at any moment, and tried again, leaves one message, one thread and every song."""

import asyncio
import hashlib
import json as json_text
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from handlers.slack import Slack
from receiver.handler import Answer, Delivery
from receiver.outbound import Http
from tests.support.deliveries import FakeMedia, World, make_answer, make_delivery, make_event, make_track, make_web
from tests.support.slack_workspace import TOKEN, Workspace

API = "https://slack.com/api/"
FILES = "https://files.slack.com"
TRACK = make_track(lyrics="One\ntwo", model="V5")


class Direct(Http):
    """Reaches a pretend workspace without a network, waiting once before Slack acts and once after it."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterator[bytes] | None = None,
        json: Any = None,
        timeout: timedelta = timedelta(seconds=30),
    ) -> Answer:
        await asyncio.sleep(0)
        answer = await self._act(url, content, json)
        await asyncio.sleep(0)
        return answer

    async def _act(self, url: str, content: bytes | AsyncIterator[bytes] | None, json: Any) -> Answer:
        if url.startswith(FILES):
            assert isinstance(content, AsyncIterator)
            body = b"".join([chunk async for chunk in content])
            taken = self.workspace.receive(url.rpartition("/")[2], len(body), hashlib.sha256(body).hexdigest())
            return make_answer(200 if taken else 404)
        fields = dict(parse_qsl(content.decode())) if isinstance(content, bytes) else json
        return make_answer(200, json_text.dumps(self.workspace.call(url.removeprefix(API), TOKEN, fields)).encode())


async def stopped_at(step: int, slack: Slack, delivery: Delivery) -> bool:
    """Stops the handler after so many turns of the loop; False where it was done before."""
    work = asyncio.ensure_future(slack.handle(delivery))
    for _ in range(step):
        await asyncio.sleep(0)
    work.cancel()
    await asyncio.wait((work,))
    return work.cancelled()


def a_delivery(workspace: Workspace, world: World, kind: str) -> Delivery:
    return replace(make_delivery(world, event=make_event(kind), results=[TRACK]), http=Direct(workspace))


@pytest.mark.parametrize("before", [[], ["music.text"]], ids=["new", "edited"])
async def test_stopped_at_any_moment_it_tells_all_once(before: list[str]) -> None:
    slack = Slack.model_validate({"type": "slack", "token": TOKEN, "channel": "#songs", "upload": True})
    stopped, step = True, 0
    while stopped:
        workspace = Workspace(FILES)
        media = FakeMedia(make_web(TRACK))
        world = World(media=media)
        for kind in before:
            await slack.handle(a_delivery(workspace, world, kind))
        tasks = asyncio.all_tasks()
        stopped = await stopped_at(step, slack, a_delivery(workspace, world, "music.complete"))
        assert media.open == 0
        assert asyncio.all_tasks() == tasks
        await slack.handle(replace(a_delivery(workspace, world, "music.complete"), attempt=2))
        [song] = workspace.top()
        told = workspace.replies(song.ts)
        assert len([said for said in told if said.blocks]) == 1
        # Sharing a file has no id of ours: stopped between Slack's answer and the note of it, it comes twice.
        assert 1 <= len([said for said in told if said.files]) <= 2
        assert workspace.complaints == []
        step += 1
    assert step > 20
