import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from discord_handler import Discord

from receiver.handler import Answer, Delivery, Event, File, Http, Media, Result, TargetFailure, TemporaryFailure

NOW = datetime(2026, 11, 21, tzinfo=UTC)
SONG = Result(id="tr-1", title="Night *Ferry*", files=(File("audio", "https://cdn.example.com/tr-1.mp3"),))


class Answers(Http):
    """Discord, as far as this handler can tell."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status
        self.sent: list[Any] = []

    async def request(self, *args: Any, **kwargs: Any) -> Answer:
        self.sent.append(kwargs["json"])
        return Answer(status=self.status, headers={"retry-after": "3"}, body=b"")


class Nothing:
    """Notes that nobody reads."""

    async def read(self) -> dict[str, Any]:
        return {}

    async def write(self, value: dict[str, Any]) -> None:
        pass


def deliver(status: int) -> list[Any]:
    """What was sent, where Discord answers with this status."""
    http = Answers(status)
    delivery = Delivery(
        id="dlv_1",
        event=Event(id="evt_1", type="music.complete", occurred_at=NOW, received_at=NOW, results=(SONG,)),
        results=(SONG,),
        attempt=1,
        receipts={},
        http=http,
        media=Media(),
        progress=Nothing(),
        memory=Nothing(),
        link=lambda result_id, role: f"https://songs.example.com/files/{result_id}-{role}",
        now=NOW,
    )
    handler = Discord.model_validate({"type": "discord", "webhook_url": "https://discord.example/api/webhooks/1/x"})
    asyncio.run(handler.handle(delivery))
    return http.sent


def test_song_is_told_with_its_link_and_calls_nobody() -> None:
    [message] = deliver(204)
    assert message["content"] == "**music.complete**\nNight \\*Ferry\\* https://cdn.example.com/tr-1.mp3"
    assert message["allowed_mentions"] == {"parse": []}


def test_webhook_that_is_gone_pauses_the_handler() -> None:
    with pytest.raises(TargetFailure):
        deliver(404)


def test_wait_that_discord_asks_for_is_respected() -> None:
    with pytest.raises(TemporaryFailure) as caught:
        deliver(429)
    assert caught.value.retry_after is not None
    assert caught.value.retry_after.total_seconds() == 3
