import re

import pytest

from tests.support.deliveries import HOSTILE_TITLES, make_track
from tests.support.slack_bot import open_bot
from tests.support.slack_page import page
from tests.support.slack_scenes import SCENES, scene

TEXT = {"type": "mrkdwn", "text": "*Bold* <https://a.example/?a=1&amp;b=2|Li &amp; nk> &lt;b&gt; `code`"}
IMAGE = {"type": "image", "image_url": "https://a.example/i.png", "alt_text": 'A "cover"'}
BLOCKS = [
    {"type": "header", "text": {"type": "plain_text", "text": "<Head>"}},
    {"type": "section", "text": TEXT, "accessory": IMAGE},
    {"type": "context", "elements": [{"type": "plain_text", "text": "<small>"}, IMAGE]},
    {**IMAGE, "alt_text": "Large"},
]


def test_every_block_is_shown() -> None:
    reply = {"text": "A reply", "blocks": [], "files": ["Night Ferry.mp3"]}
    told = page([{"text": "x", "blocks": BLOCKS, "replies": [reply]}], "songs")
    assert "<h2>&lt;Head&gt;</h2>" in told
    assert '<b>Bold</b> <a href="https://a.example/?a=1&amp;b=2">Li &amp; nk</a> &lt;b&gt; <code>code</code>' in told
    assert told.count("<img ") == 3
    assert 'alt="A &quot;cover&quot;"' in told
    assert "<span>&lt;small&gt;</span>" in told
    assert "1 reply" in told
    assert "▶ Night Ferry.mp3" in told
    assert "A reply" in told


def test_block_that_is_not_known_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="of type poll"):
        page([{"text": "x", "blocks": [{"type": "poll"}]}], "songs")


@pytest.mark.parametrize("title", HOSTILE_TITLES.values(), ids=HOSTILE_TITLES)
async def test_page_has_no_markup_of_others(title: str) -> None:
    async with open_bot() as bot:
        await bot.tell("music.complete", make_track("tr-1", title, tags=title))
        told = page([bot.only.shown()], "songs")
    tags = set(re.findall(r"<(\w+)", told))
    assert tags <= {"html", "meta", "title", "style", "body", "div", "span", "i", "h2", "p", "b", "a", "img", "code"}


@pytest.mark.parametrize("name", SCENES)
async def test_every_scene_becomes_a_page_of_its_own(name: str) -> None:
    told = await scene(name)
    assert told.startswith("<!doctype html>")
    assert "<script" not in told
    assert re.findall(r'(?:src|href)="(?!https://songs\.example\.com/|data:image/jpeg)', told) == []
