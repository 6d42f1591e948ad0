"""What goes into the thread below a submission's message in Slack: the small print, each line of it once. Pure."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from handlers.message import SEPARATOR, Message, message_of
from handlers.slack_message import VERSES_MOST
from handlers.slack_text import escape
from handlers.text import mrkdwn, one_line
from receiver.events import OWN_KINDS
from receiver.handler import Delivery

_TRACKS_MOST, _LYRICS_MOST = 20, 12_000


@dataclass(frozen=True, slots=True)
class Detail:
    """Markup for the thread. `about` is the same wherever the same thing is told, in other words too."""

    text: str
    about: str

    @property
    def key(self) -> str:
        return hashlib.sha256(self.about.encode(errors="surrogatepass")).hexdigest()[:12]


def details(delivery: Delivery) -> list[Detail]:
    """Every detail that this event brings, facts first; what tracks share comes with each of them."""
    message = message_of(delivery)
    return [*_facts(delivery, message), *_lyrics(delivery, message)]


def _facts(delivery: Delivery, message: Message) -> Iterator[Detail]:
    if message.aside:
        text = SEPARATOR.join(mrkdwn(word, 60) for word in message.aside)
        yield Detail(text, text)
    for name, value in message.facts:
        yield _fact(name, value)
    if delivery.event.kind in OWN_KINDS:
        return
    if task := one_line(delivery.event.task_id or ""):
        yield _fact("Task", task)
    if message.style:
        yield _fact("Style", message.style)
    for result in delivery.results[:_TRACKS_MOST]:
        if model := one_line(result.model or ""):
            yield _fact("Model", model)
    for track in message.tracks[:_TRACKS_MOST]:
        # Its place among others of its title is known only when they have come.
        name = ", ".join(filter(None, (track.title, track.place)))
        yield replace(_fact(name, track.result_id), about=f"result {track.result_id}")


def _fact(name: str, value: str) -> Detail:
    text = f"*{mrkdwn(name, 100)}:* {mrkdwn(one_line(value), 300)}"
    return Detail(text, text)


def _lyrics(delivery: Delivery, message: Message) -> Iterator[Detail]:
    for track in message.tracks[:_TRACKS_MOST]:
        # Short ones of a lyrics job stand in the message itself.
        short = delivery.event.kind == "lyrics" and len(track.lyrics) <= VERSES_MOST
        if track.lyrics and not short:
            cut = track.lyrics[:_LYRICS_MOST]
            yield Detail(f"\n*Lyrics*\n{escape(cut)}{'…' if cut != track.lyrics else ''}", track.lyrics)
