"""What the pictures in docs/pictures show: invented songs, told by the handler to the pretend Slack.

Each picture is `scene(name)` as a browser shows it, 760 pixels wide.
"""

from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any

from receiver.events import Failure, Level, Result
from receiver.handler import ArchivedFile, Receipt
from receiver.simulator.jpeg import encode
from tests.support.deliveries import MP3, FakeMedia, make_file, make_track, make_web
from tests.support.slack_bot import Bot, open_bot
from tests.support.slack_page import page
from tests.support.slack_workspace import Said

_SUBMISSION = "sub_0197f3a25c1e7b0a9d44c2e81f0a93bc"
_LINKS = "https://songs.example.com/files"
_LYRICS = "[Verse]\nThe pier lights fold into the rain\nA whistle calls the night by name\n\n[Chorus]\nCarry me over"
_FIELDS: dict[str, Any] = {
    "submission_id": _SUBMISSION,
    "task_id": "7c1d0e52a9b84f6e",
    "labels": {"project": "podcast"},
}


async def scene(name: str) -> str:
    """The channel after what the scene is about, as a page."""
    async with open_bot(upload=True) as bot:
        await SCENES[name](bot)
        return page([_shown(bot, said) for said in bot.peer.workspace.top()], "songs")


async def _complete(bot: Bot) -> None:
    first, second = _track("tr-1", 198.4), _track("tr-2", 183.0)
    bot.world.media = FakeMedia(make_web(first, second))
    text = make_track("tr-1", "Night Ferry", make_file("image"), lyrics=_LYRICS, tags=first.tags, model="V5")
    await bot.tell("submission.accepted", **_FIELDS)
    await bot.tell("music.text", text, **_FIELDS)
    await bot.tell("music.first", first, **_FIELDS)
    await bot.tell("music.complete", first, second, receipts={"archive": _receipt(first, second)}, **_FIELDS)


async def _failed(bot: Bot) -> None:
    error = Failure(
        code="413",
        message="Uploaded audio matches existing work of art",
        meaning="The provider found a known recording in the audio.",
        advice="Send audio that you own the rights to.",
        refunded=True,
    )
    await bot.tell("submission.accepted", **_FIELDS)
    await bot.tell("music.failed", error=error, **_FIELDS | {"operation": "upload_cover"})


async def _problem(bot: Bot) -> None:
    error = Failure(
        code="handler.paused",
        message="the bucket my-songs refuses the key: AccessDenied",
        advice="Its deliveries wait and lose no try; it is probed until it answers again.",
    )
    raw = {"handler": "archive", "delivery_id": "dlv_0197f3a26e07"}
    await bot.tell("handler.paused", about="archive", level=Level.PROBLEM, error=error, raw=raw, **_FIELDS)
    late = Failure(
        code="submission.overdue",
        message="no callback for 5 minutes, and the provider says that it still works on it",
        advice="It is asked again until the result is there.",
    )
    await bot.tell("submission.overdue", level=Level.PROBLEM, error=late, **_FIELDS)


SCENES: dict[str, Callable[[Bot], Awaitable[None]]] = {"complete": _complete, "failed": _failed, "problem": _problem}


def _track(ident: str, duration: float) -> Result:
    files = (make_file("audio", f"{_LINKS}/{ident}.mp3"), make_file("image", f"{_LINKS}/{ident}.jpeg"))
    return make_track(
        ident,
        "Night Ferry",
        *files,
        duration=duration,
        tags="indie folk, harbour, brushed drums",
        model="V5",
        lyrics=_LYRICS,
    )


def _receipt(*tracks: Result) -> Receipt:
    files = [
        ArchivedFile(
            result_id=track.id,
            role=role,
            key="k",
            size=len(MP3),
            sha256="0" * 64,
            media_type="audio/mpeg",
            link=f"{_LINKS}/{track.id}-{role}",
        )
        for track in tracks
        for role in ("audio", "image")
    ]
    return Receipt(files=tuple(files))


def _shown(bot: Bot, said: Said) -> dict[str, Any]:
    names = [bot.peer.workspace.files[ident].name for ident in said.files]
    replies = [_shown(bot, reply) for reply in bot.peer.workspace.replies(said.ts)]
    return {
        "text": said.text,
        "blocks": [_pictured(block) for block in said.blocks],
        "files": names,
        "replies": replies,
    }


def _pictured(block: dict[str, Any]) -> dict[str, Any]:
    """The block with a cover that needs no network."""
    if "accessory" not in block:
        return block
    seed = b"\x9c\x60\x0a\x07\x04" if "tr-1" in block["accessory"]["image_url"] else b"\x08\x60\x0c\x05\x05"
    cover = "data:image/jpeg;base64," + b64encode(encode(seed)).decode()
    return block | {"accessory": block["accessory"] | {"image_url": cover}}
