"""What a mail says: a message as plain text and as a page, and the operator's own words in both. Pure."""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup as Html

from handlers.message import EXPIRE, INCOMPLETE, SEPARATOR, Link, Message, Track
from handlers.templates import Markup, render
from handlers.text import is_web, one_line, shorten, web_address
from receiver.events import Level
from receiver.handler import Delivery, Event

_TRACKS_MOST, _LINKS_MOST, _TITLE_MOST, _LYRICS_MOST, _REASON_MOST = 20, 40, 300, 6000, 1000
_URL_MOST = 4000
_BODY_MOST = 100_000
_GOOD, _ON_ITS_WAY, _BAD, _ODD = "#0e7a63", "#4653d0", "#c0332b", "#b45f06"
_MAIN_ROLES = ("audio", "stream", "video")
# Around a link in the operator's words, until it is written as text or for the page: no text has these characters.
_OPEN, _MIDDLE, _CLOSE = "\ue000", "\ue001", "\ue002"
_MARKS = dict.fromkeys(map(ord, (_OPEN, _MIDDLE, _CLOSE)))
_MARKED = re.compile(f"{_OPEN}(.*?){_MIDDLE}(.*?){_CLOSE}")


def write_text(message: Message, *, verses: bool) -> str:
    """The message as plain text."""
    return "\n\n".join(filter(None, _paragraphs(message, verses=verses))) + "\n"


def write_page(message: Message, event: Event, covers: Mapping[str, str], body: str | None = None) -> str:
    """The message as HTML. `covers` are addresses of pictures by result; `body` are the operator's words instead."""
    return _layout().render(
        message=message,
        headline=message.headline,
        tone=_tone(event),
        preheader=shorten(SEPARATOR.join(_summary(message)), 200) if body is None else "",
        body=None if body is None else _linked(body),
        tracks=[_bounded(track) for track in message.tracks[:_TRACKS_MOST]],
        more=max(0, len(message.tracks) - _TRACKS_MOST),
        covers={track.result_id: covers.get(track.result_id) for track in message.tracks},
        verses=has_verses(event),
        expire=EXPIRE,
        incomplete=INCOMPLETE,
        origin=SEPARATOR.join(shorten(word, 100) for word in message.origin),
    )


def own_words(template: str | None, delivery: Delivery, message: Message) -> str | None:
    """What the operator's template says, with links marked; None where there is none or it says nothing."""
    said = render(template, delivery, message, _OWN) if template else None
    if said is None:
        return None
    clean = "\n".join(_clean(line) for line in shorten(said, _BODY_MOST).splitlines()).strip()
    return clean or None


def plain(words: str) -> str:
    """The operator's words as text: `Listen: https://…`."""
    said = _MARKED.sub(lambda match: f"{match[2]}: {match[1]}" if match[2] != match[1] else match[1], words)
    return _plainly(said) + "\n"


def write_subject(template: str | None, delivery: Delivery, message: Message) -> str:
    """One line that a header can hold."""
    said = render(template, delivery, message, _AS_LINE) if template else None
    return shorten(one_line(said or "") or message.headline, 150)


def has_verses(event: Event) -> bool:
    return event.kind == "lyrics"


def _plainly(text: str) -> str:
    return text.translate(_MARKS)


def _mark(url: str, label: str) -> str:
    url, label = one_line(_plainly(url)), one_line(_plainly(label))
    return f"{_OPEN}{web_address(url)}{_MIDDLE}{label}{_CLOSE}" if is_web(url) else label


_OWN = Markup(_plainly, _mark)
_AS_LINE = Markup(one_line, lambda _url, label: one_line(label))


def _clean(line: str) -> str:
    """The line without characters that deceive, its indentation kept."""
    indent = len(line) - len(line.lstrip(" "))
    return " " * min(indent, 40) + one_line(line)


def _linked(words: str) -> Html:
    linked = _MARKED.sub(r'<a class="link" href="\1" style="color:#344054">\2</a>', html.escape(words))
    indented = re.sub("^ +", lambda match: "&nbsp;" * len(match[0]), _plainly(linked), flags=re.MULTILINE)
    return Html(indented.replace("\n", "<br>\n"))  # noqa: S704 - escaped above


def _paragraphs(message: Message, *, verses: bool) -> Iterator[str]:
    yield message.headline
    yield shorten(message.style, _TITLE_MOST)
    told = (f"{reason.label}: {reason.text}" if reason.label else reason.text for reason in message.reasons)
    yield "\n".join(shorten(text, _REASON_MOST) for text in told)
    yield SEPARATOR.join(message.aside)
    yield "\n".join(f"{name}: {value}" for name, value in message.facts)
    for track in map(_bounded, message.tracks[:_TRACKS_MOST]):
        yield "\n".join(_lines(track))
        yield track.lyrics if verses else ""
    if len(message.tracks) > _TRACKS_MOST:
        yield f"…and {len(message.tracks) - _TRACKS_MOST} more"
    yield INCOMPLETE if message.partial else ""
    yield EXPIRE if message.expires else ""
    # https://www.rfc-editor.org/rfc/rfc3676#section-4.3: mail programs set apart what follows this line.
    yield "-- \n" + SEPARATOR.join(shorten(word, 100) for word in message.origin)


def _lines(track: Track) -> Iterator[str]:
    yield SEPARATOR.join(filter(None, (track.title, track.place, track.length)))
    if track.style:
        yield track.style
    for link in track.links:
        yield f"{link.label}{' (expires)' if link.expires else ''}: {link.url}"


def _bounded(track: Track) -> Track:
    links = [link for link in track.links if len(link.url) <= _URL_MOST][:_LINKS_MOST]
    return replace(
        track,
        title=shorten(track.title, _TITLE_MOST),
        style=shorten(track.style, _TITLE_MOST),
        lyrics=shorten(track.lyrics, _LYRICS_MOST),
        links=tuple(replace(link, url=web_address(link.url)) for link in links),
    )


def _summary(message: Message) -> Iterator[str]:
    """What stands beside the subject in a list of mails."""
    yield from (reason.text for reason in message.reasons)
    for track in message.tracks[:_TRACKS_MOST]:
        yield " ".join(filter(None, (track.title, track.place, track.length)))


def _tone(event: Event) -> str:
    if event.stage == "failed":
        return _BAD
    if event.level is Level.PROBLEM:
        return _ODD
    return _GOOD if event.stage in ("complete", "updated") or event.type == "handler.resumed" else _ON_ITS_WAY


def _main(links: Sequence[Link]) -> Link:
    return next((link for role in _MAIN_ROLES for link in links if link.role == role), links[0])


def _broken(text: str) -> Html:
    return Html("<br>\n").join(text.splitlines())


@lru_cache(maxsize=1)
def _layout() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"lines": _broken, "main": _main, "short": shorten}
    return environment.get_template("email_page.html.jinja")
