"""Puts a song's sound into the thread of its message, so that it plays in Slack: streamed, once for each result."""

import logging
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from json import dumps
from typing import IO
from urllib.parse import urlsplit

from handlers.message import message_of
from handlers.slack_api import SlackApi, judge
from handlers.slack_story import Story
from handlers.slack_text import escape
from handlers.slack_thread import Thread
from handlers.sniffing import HEAD, sort_of
from handlers.text import one_line, safe_name, shorten
from receiver.handler import (
    Delivery,
    Media,
    Outcome,
    PermanentFailure,
    Result,
    TemporaryFailure,
    settle,
)

logger = logging.getLogger(__name__)

_STAGES = frozenset({"first", "complete", "updated"})
# The message has arrived: sound that can't follow within a quarter of an hour stays away.
_TRIES = 5
_BLOCK, _SPOOL_MOST, _IN_MEMORY = 2**16, 200 * 2**20, 2**20
_HOMES = ("slack.com", "slack-gov.com")


@dataclass(frozen=True, slots=True)
class _Sound:
    """Bytes on their way; `length` is how many they will be."""

    length: int
    media_type: str
    extension: str
    chunks: AsyncIterator[bytes]


class Uploads:
    """The sounds that one delivery brings."""

    def __init__(self, api: SlackApi, delivery: Delivery, thread: Thread) -> None:
        self._api = api
        self._delivery = delivery
        self._thread = thread

    def missing(self, story: Story) -> list[Result]:
        if not self._thread.is_chapter or self._delivery.event.stage not in _STAGES:
            return []
        return [result for result in self._delivery.results if result.file("audio") and result.id not in story.uploaded]

    async def send(self, story: Story) -> None:
        """Uploads what is missing. Raises TemporaryFailure as long as another try may help."""
        missing = self.missing(story)
        if not missing:
            return
        tries = int((await self._delivery.progress.read()).get("uploads", 0)) + 1
        # Noted before the work: a try that is cut off at the handler's timeout counts too.
        await self._delivery.progress.write({"uploads": tries})
        failures = [failure for result in missing if (failure := await self._try(result, story, last=tries >= _TRIES))]
        if failures:
            raise failures[0]

    async def _try(self, result: Result, story: Story, *, last: bool) -> TemporaryFailure | None:
        try:
            await self._upload(result, story)
        except TemporaryFailure as failure:
            if not last:
                return failure
            await self._give_up(result, story, failure)
        except Outcome as failure:
            await self._give_up(result, story, failure)
        return None

    async def _give_up(self, result: Result, story: Story, failure: Outcome) -> None:
        logger.warning("the sound of %s is not in Slack: %s", one_line(result.id), failure.reason)
        text = f"{escape(self._title(result))} can't be played here: {escape(failure.reason)}"
        await self._thread.reply(story, f"silent {result.id}"[:100], text)

    async def _upload(self, result: Result, story: Story) -> None:
        file = result.file("audio")
        urls = file.urls if file else ()
        for url in urls:
            try:
                async with _opened(self._delivery.media, url) as sound:
                    await self._share(result, sound, story)
                break
            except TemporaryFailure as failure:
                # Dead at this address; Slack's own failures are never stale.
                if not failure.stale or url == urls[-1]:
                    raise
        story.uploaded.append(result.id)
        await self._thread.remember(story)

    async def _share(self, result: Result, sound: _Sound, story: Story) -> None:
        """https://docs.slack.dev/messaging/working-with-files#upload."""
        title = self._title(result)
        name = f"{safe_name(title) or 'song'}.{sound.extension}"
        asked = {"filename": name, "length": str(sound.length)}
        granted = judge(await self._api.submit("files.getUploadURLExternal", asked), "files:write")
        url = str(granted.get("upload_url", ""))
        if not may_upload_to(url, self._api.url):
            raise PermanentFailure("Slack names a place for the file that is none of its own")
        headers = {"content-length": str(sound.length), "content-type": sound.media_type}
        answer = await self._delivery.http.request(
            "POST", url, headers=headers, content=sound.chunks, timeout=self._api.timeout
        )
        # Of the body nothing: it could repeat the address, which is a secret as long as it is open.
        settle(replace(answer, body=b""), "Slack's file store", broken=())
        shared = {
            "files": dumps([{"id": str(granted.get("file_id", "")), "title": shorten(title, 200)}]),
            "channel_id": story.channel,
            "thread_ts": story.ts,
        }
        judge(await self._api.submit("files.completeUploadExternal", shared), "files:write")

    def _title(self, result: Result) -> str:
        """With its place where others have the same title: Night Ferry, 2 of 2."""
        track = next(track for track in message_of(self._delivery).tracks if track.result_id == result.id)
        return ", ".join(filter(None, (track.title, track.place)))


def may_upload_to(url: str, api_url: str) -> bool:
    """Whether an address that Slack's answer names is Slack's own, so that it may be posted to without a guard.

    It is where the API is (as the operator wrote it), or over TLS on the ordinary port of a host below that one or
    below Slack's own domains. What such a name resolves to is in Slack's hands and has to show Slack's certificate,
    so no answer can lead to a private address.
    """
    try:
        there, home = urlsplit(url), urlsplit(api_url)
        port = there.port
    except ValueError:
        return False
    host = there.hostname or ""
    if "@" in there.netloc or not host.isascii() or any(char.isspace() or char == "\\" for char in url):
        return False
    if (there.scheme, host, port) == (home.scheme, home.hostname, home.port):
        return True
    below = host.endswith(tuple(f".{name}" for name in (*_HOMES, home.hostname or _HOMES[0])))
    return there.scheme == "https" and port in (None, 443) and below


@asynccontextmanager
async def _opened(media: Media, url: str) -> AsyncIterator[_Sound]:
    """The sound behind the provider's address; Slack wants its length before the first byte."""
    async with media.stream(url) as found:
        chunks = aiter(found.chunks)
        head = b""
        while len(head) < HEAD and (chunk := await anext(chunks, None)) is not None:
            head += chunk
        sort = sort_of(head, "audio", url)
        if isinstance(sort, str):
            raise TemporaryFailure(sort, stale=True)
        async with aclosing(_joined(head, chunks)) as whole:
            if found.length is not None:
                yield _Sound(found.length, sort.media_type, sort.extension, whole)
                return
            with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
                length = await _spool(whole, spool)
                async with aclosing(_blocks(spool)) as blocks:
                    yield _Sound(length, sort.media_type, sort.extension, blocks)


async def _joined(head: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    yield head
    async for chunk in rest:
        yield chunk


async def _spool(chunks: AsyncIterator[bytes], spool: IO[bytes]) -> int:
    """Writes as it comes: pieces this small go into the system's cache at once, a thread would cost more."""
    length = 0
    async for chunk in chunks:
        length += len(chunk)
        if length > _SPOOL_MOST:
            raise PermanentFailure(f"the file does not say how long it is, and is above {_SPOOL_MOST} bytes")
        spool.write(chunk)
    spool.seek(0)
    return length


async def _blocks(spool: IO[bytes]) -> AsyncGenerator[bytes]:
    while block := spool.read(_BLOCK):
        yield block
