"""How Slack is told: a message as Block Kit. Pure: a delivery in, what the API takes out."""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from handlers.message import EXPIRE, INCOMPLETE, SEPARATOR, Message, Reason, Track, message_of
from handlers.slack_text import SECTION_MOST, escape, sections
from handlers.templates import Markup, render
from handlers.text import is_web, mrkdwn, shorten, slack_link
from receiver.handler import Delivery

# https://docs.slack.dev/reference/block-kit/blocks: what fits into a message. Two blocks a track stay below 50.
_HEADER_MOST, _ALT_MOST, _URL_MOST, _TRACKS_MOST = 150, 2000, 3000, 20
# A title, links and a verse together stay below what a section holds.
_TITLE_MOST, _LINKS_MOST, _REASON_MOST = 300, 1600, 600
VERSES_MOST = 1000

Block = dict[str, Any]


_MARKUP = Markup(escape, slack_link)


def compose(delivery: Delivery, *, template: str | None = None, trail: str = "") -> Block:
    """The message about an event: blocks, and `text` for notifications and screen readers.

    With a `trail`, how far its submission is, small print and facts are left to the message's thread.
    """
    message = message_of(delivery)
    story = [_context([mrkdwn(trail, 300)])] if trail else []
    said = render(template, delivery, message, _MARKUP) if template else None
    if said and (pieces := sections(said)):
        blocks = [*_own_words(pieces, message.tracks), *story]
    else:
        shown = replace(message, aside=(), facts=()) if trail else message
        blocks = [
            {"type": "header", "text": {"type": "plain_text", "text": shorten(message.headline, _HEADER_MOST)}},
            *story,
            *_body(shown, verses=delivery.event.kind == "lyrics"),
            _context([mrkdwn(word, 100) for word in message.origin]),
        ]
    return _message(mrkdwn(message.headline, SECTION_MOST), blocks)


def compose_reply(headline: str, text: str) -> Block:
    """A message for a thread, of markup of any length."""
    return _message(mrkdwn(headline, SECTION_MOST), [_section([piece]) for piece in sections(text)])


def without_pictures(message: Mapping[str, Any]) -> Block:
    blocks = [{name: value for name, value in block.items() if name != "accessory"} for block in message["blocks"]]
    return {**message, "blocks": blocks}


def _message(text: str, blocks: list[Block]) -> Block:
    return {"text": text, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _own_words(pieces: Sequence[str], tracks: Sequence[Track]) -> Iterator[Block]:
    """The operator's message, and the first cover beside its beginning."""
    cover = next((cover for track in tracks if (cover := _cover(track))), None)
    first, *rest = (_section([piece]) for piece in pieces)
    yield first | ({"accessory": cover} if cover else {})
    yield from rest


def _body(message: Message, *, verses: bool) -> Iterator[Block]:
    if message.reasons:
        yield _section([_reason(reason) for reason in message.reasons])
    if message.aside:
        yield _context([mrkdwn(word, 60) for word in message.aside])
    if message.facts:
        yield _section([f"*{mrkdwn(name, 40)}:* {mrkdwn(value, 240)}" for name, value in message.facts])
    for track in message.tracks[:_TRACKS_MOST]:
        yield _track(track, verses=verses)
        if track.style:
            yield _context([mrkdwn(track.style, 300)])
    if message.style or message.expires:
        yield _context([mrkdwn(message.style, 300), EXPIRE if message.expires else ""])
    if len(message.tracks) > _TRACKS_MOST:
        yield _section([f"…and {len(message.tracks) - _TRACKS_MOST} more"])
    if message.partial:
        yield _context([INCOMPLETE])


def _reason(reason: Reason) -> str:
    text = mrkdwn(reason.text, _REASON_MOST)
    if reason.strong:
        return f"*{text}*"
    return f"{reason.label}: {text}" if reason.label else text


def _track(track: Track, *, verses: bool) -> Block:
    aside = SEPARATOR.join(filter(None, (track.place, track.length)))
    lines = [f"*{mrkdwn(track.title, _TITLE_MOST)}*  {aside}".rstrip()]
    if links := _links(track):
        lines.append(SEPARATOR.join(links))
    if track.lyrics and verses:
        lines.append(mrkdwn(track.lyrics, VERSES_MOST))
    cover = _cover(track)
    return _section(lines) | ({"accessory": cover} if cover else {})


def _links(track: Track) -> list[str]:
    """As many links as fit."""
    links: list[str] = []
    for link in track.links:
        written = slack_link(link.url, link.label)
        shown = f"{written} (expires)" if link.expires else written
        if written.startswith("<") and len(SEPARATOR.join([*links, shown])) <= _LINKS_MOST:
            links.append(shown)
    return links


def _cover(track: Track) -> Block | None:
    url = next((url for url in track.covers if _is_public(url)), None)
    if url is None:
        return None
    return {"type": "image", "image_url": url, "alt_text": shorten(f"Cover of {track.title}", _ALT_MOST)}


def _is_public(url: str) -> bool:
    """Whether Slack could fetch this, by its looks."""
    if not url.startswith("https://") or len(url) > _URL_MOST or not is_web(url) or re.search(r"[\s<>\"|]", url):
        return False
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".internal", ".invalid", ".localhost", ".test", ".lan"))


def _section(lines: Sequence[str]) -> Block:
    return {"type": "section", "text": _markup("\n".join(lines))}


def _context(parts: Sequence[str]) -> Block:
    return {"type": "context", "elements": [_markup(SEPARATOR.join(part for part in parts if part))]}


def _markup(text: str) -> Block:
    # Verbatim: a bare @channel or #name in a title stays text.
    return {"type": "mrkdwn", "text": text, "verbatim": True}
