"""Slack's own rules for a message, and its parts in the order in which they are read."""

import json
import re
from typing import Any

import pytest
import slackblocks
from slack_sdk.models.blocks import Block
from slack_sdk.models.blocks.basic_components import MarkdownTextObject, PlainTextObject

# What may stand in angle brackets: links of ours, and nothing that Slack would act upon.
LINK = re.compile(r"<https?://[^\s<>|]+\|[^<>|]+>")


def judge(message: dict[str, Any]) -> None:
    """Slack's own rules, as its SDK, a second library and its documentation state them."""
    json.dumps(message, ensure_ascii=False).encode()  # no half characters
    assert message["text"].strip()
    assert 1 <= len(message["blocks"]) <= 50
    for block in Block.parse_all(message["blocks"]):
        block.validate_json()
    for block in message["blocks"]:
        _judge_block(block)
    # Neither of the two libraries sees this one.
    actions = re.findall(r'"action_id": "([^"]*)"', json.dumps(message["blocks"]))
    assert len(actions) == len(set(actions))


def _judge_block(block: dict[str, Any]) -> None:
    match block:
        case {"type": "header", "text": {"text": text}}:
            slackblocks.HeaderBlock(text)
            PlainTextObject(text=text).validate_json()
            assert 1 <= len(text.encode("utf-16-le")) // 2 <= 150
        case {"type": "section", "text": text}:
            slackblocks.SectionBlock(text["text"])
            _judge_markup(text)
            _judge_image(block.get("accessory"))
        case {"type": "context", "elements": elements}:
            assert 1 <= len(elements) <= 10
            for element in elements:
                _judge_markup(element)
        case _:
            pytest.fail(f"an unexpected block: {block}")


def _judge_markup(text: dict[str, Any]) -> None:
    assert text["type"] == "mrkdwn"
    assert text["verbatim"] is True
    MarkdownTextObject(text=text["text"]).validate_json()
    assert text["text"].strip()
    assert len(text["text"].encode("utf-16-le")) // 2 <= 3000
    assert not set("<>") & set(LINK.sub("", text["text"]))
    assert not re.search(r"&(?!amp;|lt;|gt;)", text["text"])


def _judge_image(image: dict[str, Any] | None) -> None:
    if image is not None:
        slackblocks.Image(image["alt_text"], image["image_url"])
        assert 1 <= len(image["alt_text"]) <= 2000
        assert image["image_url"].startswith("https://")
        assert len(image["image_url"]) <= 3000


def texts(message: dict[str, Any]) -> str:
    return json.dumps(message["blocks"], ensure_ascii=False)


def header(message: dict[str, Any]) -> str:
    return str(message["blocks"][0]["text"]["text"])


def lines(message: dict[str, Any]) -> list[str]:
    """The texts of all blocks, as they stand one below the other."""
    found = []
    for block in message["blocks"]:
        parts = block.get("elements") or [block["text"]]
        found += [line for part in parts for line in part["text"].splitlines()]
    return found
