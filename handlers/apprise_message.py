"""What a service behind apprise is told: plain text, which apprise turns into each service's markup. Pure."""

from collections.abc import Iterator

from apprise import NotifyType

from handlers.message import EXPIRE, INCOMPLETE, SEPARATOR, Message, Reason, Track
from handlers.templates import Markup, render
from handlers.text import shorten
from receiver.events import Level, Stage
from receiver.handler import Delivery, Event

_TITLE_MOST, _REASON_MOST, _LYRICS_MOST, _TRACKS_MOST = 200, 600, 2000, 20
# An invisible space: apprise escapes what a service would take for markup, but not what calls people (@everyone,
# <@123>), nor Markdown where the service reads it in plain text too.
_GAP = "\u200b"


def harmless(text: str) -> str:
    """The text with nothing in it that calls people or hides where a link leads."""
    return text.replace("@", f"@{_GAP}").replace("](", f"]{_GAP}(")


MARKUP = Markup(harmless, lambda url, label: url if label == url else f"{harmless(label)}: {url}")


def title_of(message: Message) -> str:
    return harmless(shorten(message.headline, _TITLE_MOST))


def body_of(template: str | None, delivery: Delivery, message: Message) -> str:
    said = render(template, delivery, message, MARKUP) if template else None
    return said or "\n\n".join(filter(None, map("\n".join, _paragraphs(message, verses=_sings(delivery.event)))))


def type_of(event: Event) -> NotifyType:
    """How a service colours it."""
    if event.stage == Stage.FAILED:
        return NotifyType.FAILURE
    if event.level is Level.PROBLEM:
        return NotifyType.WARNING
    return NotifyType.SUCCESS if event.stage in (Stage.COMPLETE, "updated") else NotifyType.INFO


def _sings(event: Event) -> bool:
    return event.kind == "lyrics"


def _paragraphs(message: Message, *, verses: bool) -> Iterator[list[str]]:
    yield [*map(_reason, message.reasons), *_joined(*message.aside)]
    yield [f"{harmless(shorten(name, 40))}: {harmless(shorten(value, 240))}" for name, value in message.facts]
    for track in message.tracks[:_TRACKS_MOST]:
        yield list(_track(track, verses=verses))
    if len(message.tracks) > _TRACKS_MOST:
        yield [f"…and {len(message.tracks) - _TRACKS_MOST} more"]
    yield [
        *_joined(shorten(message.style, 300)),
        *([INCOMPLETE] if message.partial else []),
        *([EXPIRE] if message.expires else []),
    ]
    yield list(_joined(*(shorten(word, 100) for word in message.origin)))


def _joined(*words: str) -> Iterator[str]:
    if said := SEPARATOR.join(filter(None, words)):
        yield harmless(said)


def _reason(reason: Reason) -> str:
    text = harmless(shorten(reason.text, _REASON_MOST))
    return f"{reason.label}: {text}" if reason.label else text


def _track(track: Track, *, verses: bool) -> Iterator[str]:
    yield harmless(SEPARATOR.join(filter(None, (shorten(track.title, _TITLE_MOST), track.place, track.length))))
    yield from _joined(shorten(track.style, 300))
    for link in track.links:
        yield MARKUP.link(link.url, link.label)
    if verses and track.lyrics:
        yield harmless(shorten(track.lyrics, _LYRICS_MOST))
