"""What Slack is told about an event, as Block Kit. Pure: a delivery in, a message out."""

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from handlers.text import UNTITLED, clock, is_web, mrkdwn, one_line, shorten, slack_link
from receiver.events import OWN_KINDS, Failure, Level, Via
from receiver.handler import Delivery, Event, File, Result

# https://docs.slack.dev/reference/block-kit/blocks: what fits into a message. Two blocks a track stay below 50.
_HEADER_MOST, _SECTION_MOST, _ALT_MOST, _URL_MOST, _TRACKS_MOST = 150, 3000, 2000, 3000, 20
# A title, links and a verse together stay below what a section holds.
_TITLE_MOST, _LINKS_MOST, _LYRICS_MOST = 300, 1600, 1000

_NOUNS = {
    "music": "Song",
    "lyrics": "Lyrics",
    "wav": "WAV",
    "stems": "Stems",
    "midi": "MIDI",
    "video": "Video",
    "cover_image": "Cover image",
    "voice_phrase": "Voice phrase",
    "voice": "Voice",
    "recovery": "Recovery",
    "timestamps": "Timestamps",
    "persona": "Persona",
    "style": "Style",
}
_STAGES = {"text": "is on its way", "first": "is on its way", "failed": "failed", "updated": "has something new"}
_OWN = {
    "submission.accepted": "{what} is on its way",
    "submission.rejected": "{what} was refused",
    "submission.unknown": "{what}: no clear answer yet",
    "submission.overdue": "{what} is late",
    "submission.lost": "{what} is lost",
    "callback.unrecognised": "A callback that nobody understands",
    "delivery.dead": "Handler {about} did not get {what}",
    "handler.paused": "Handler {about} is paused",
    "handler.resumed": "Handler {about} works again",
    "provider.silent": "No callbacks from {provider}: is public_url right?",
    "file.expiring": "Files of {what} expire soon",
    "disk.low": "The disk is nearly full",
}
_LABELS = {"audio": "Listen", "stream": "Preview", "video": "Video", "wav": "WAV", "midi": "MIDI"}
# Labels that may say what the client calls the thing.
_TITLE_LABELS = ("title", "song")
_EXPIRE = "The provider's links expire after some days."
_BETWEEN = " · "

Block = dict[str, Any]


def compose(delivery: Delivery) -> dict[str, Any]:
    """The message about an event: blocks, and `text` for notifications and screen readers."""
    event = delivery.event
    headline = one_line(_headline(delivery))
    body = _problem(event) if event.kind in OWN_KINDS else _news(delivery)
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": shorten(headline, _HEADER_MOST)}},
        *body,
        _context(_origin(event)),
    ]
    return {"text": mrkdwn(headline, _SECTION_MOST), "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _headline(delivery: Delivery) -> str:
    event = delivery.event
    title = _called(delivery)
    what = shorten(title, 100) or _unnamed(event)
    if event.kind in OWN_KINDS:
        own = _OWN.get(event.type, "{type}")
        about = shorten(one_line(event.about or "?"), 60)
        return own.format(what=what, about=about, type=event.type, provider=event.provider or "the provider")
    end = _STAGES.get(event.stage or "", "is ready")
    if title and event.kind != "music":
        return f"{_noun(event)} of {what}: {end.removeprefix('is ')}"
    return f"{what} {end}"


def _called(delivery: Delivery) -> str:
    """What people know it by; empty where nobody gave it a name."""
    labels = (delivery.event.labels.get(name) for name in _TITLE_LABELS)
    names = (*(result.title for result in delivery.results), delivery.title, *labels)
    return next((title for name in names if (title := one_line(name or ""))), "")


def _unnamed(event: Event) -> str:
    """The operation, and the end of the submission's id to tell it from its neighbours: Song (generate …1f0a93bc)."""
    noun, operation = _noun(event), _words(event.operation or "").lower()
    told = operation if operation != noun.lower() else ""
    short = f"…{event.submission_id[-8:]}" if event.submission_id else ""
    detail = " ".join(filter(None, (told, short)))
    return f"{noun} ({detail})" if detail else noun


def _noun(event: Event) -> str:
    return _NOUNS.get(event.kind) or _words(event.operation or "") or "A submission"


def _words(name: str) -> str:
    return one_line(name.replace("_", " ")).capitalize()


def _title(result: Result) -> str:
    return one_line(result.title or "") or UNTITLED


def _news(delivery: Delivery) -> Iterator[Block]:
    event, results = delivery.event, delivery.results
    if event.error is not None:
        yield from _failure(event.error)
    yield from _tracks(delivery)
    if len(results) > _TRACKS_MOST:
        yield _section([f"…and {len(results) - _TRACKS_MOST} more"])
    if event.partial:
        yield _context(["Something is still missing; it follows when it comes."])


def _failure(error: Failure) -> Iterator[Block]:
    said = mrkdwn(one_line(error.message), 600)
    lines = [*_meaning(error), said and f"The provider: {said}"]
    yield _section([line for line in lines if line] or ["The provider did not say why."])
    code = mrkdwn(one_line(error.code), 60)
    refund = {True: "credits refunded", False: "credits not refunded", None: ""}[error.refunded]
    if code or refund:
        yield _context([code and f"Code {code}", refund])


def _problem(event: Event) -> Iterator[Block]:
    error = event.error
    if error is not None:
        said = mrkdwn(one_line(error.message), 600)
        meaning, advice = _meaning(error)
        # A word is a name of our own; a number is the provider's, and its support will ask for it.
        code = f"The provider's code: {error.code}" if error.code.isascii() and error.code.isdigit() else ""
        lines = [meaning, said and f"What happened: {said}", advice, shorten(code, 60)]
        yield _section([line for line in lines if line] or ["No reason is known."])
    facts = _facts(event)
    if facts:
        yield _section(facts)
    elif event.level is Level.PROBLEM and error is None:
        yield _section(["The receiver's log and `receiver events` show more."])


def _meaning(error: Failure) -> tuple[str, str]:
    meaning = mrkdwn(one_line(error.meaning or ""), 600)
    return f"*{meaning}*" if meaning else "", mrkdwn(one_line(error.advice or ""), 600)


def _facts(event: Event) -> list[str]:
    """What an event of our own is about, but for what the headline and the advice say already."""
    raw = event.raw if isinstance(event.raw, Mapping) else {}
    told = {event.about, *(event.error.advice or "").split()} if event.error else {event.about}
    facts = [
        (_words(str(name).removesuffix("_id")), one_line(str(value)))
        for name, value in raw.items()
        if isinstance(value, str | int | float) and str(value) not in told
    ]
    return [f"*{mrkdwn(name, 40)}:* {mrkdwn(value, 240)}" for name, value in facts if name and value][:8]


def _tracks(delivery: Delivery) -> Iterator[Block]:
    """A section each; what is the same for all of them stands once, below."""
    shown = delivery.results[:_TRACKS_MOST]
    styles = [mrkdwn(one_line(result.tags or ""), 300) for result in shown]
    shared = styles[0] if len(set(styles)) == 1 else ""
    expires = False
    for result, style, place in zip(shown, styles, _places(delivery.results), strict=False):
        links, dies = _links(delivery, result)
        expires = expires or dies
        yield _track(delivery, result, place, links)
        if style and not shared:
            yield _context([style])
    if shared or expires:
        yield _context([shared, _EXPIRE if expires else ""])


def _places(results: Sequence[Result]) -> Iterator[str]:
    """`1 of 2` for each result whose title another one has too."""
    totals = Counter(map(_title, results))
    seen: Counter[str] = Counter()
    for title in map(_title, results):
        seen[title] += 1
        yield f"{seen[title]} of {totals[title]}" if totals[title] > 1 else ""


def _track(delivery: Delivery, result: Result, place: str, links: Sequence[str]) -> Block:
    aside = _BETWEEN.join(filter(None, (place, clock(result.duration))))
    lines = [f"*{mrkdwn(_title(result), _TITLE_MOST)}*  {aside}".rstrip()]
    if links:
        lines.append(_BETWEEN.join(links))
    if result.lyrics and delivery.event.kind == "lyrics":
        verses = "\n".join(one_line(line) for line in result.lyrics.splitlines()).strip()
        lines.append(mrkdwn(verses, _LYRICS_MOST))
    cover = _cover(delivery, result)
    return _section(lines) | ({"accessory": cover} if cover else {})


def _links(delivery: Delivery, result: Result) -> tuple[list[str], bool]:
    """Links to the files of a result, as many as fit, and whether one of them will expire."""
    links: list[str] = []
    expires = False
    for file in _worth_a_link(result.files):
        archived = delivery.archived(result.id, file.role)
        label = _LABELS.get(file.role) or _words(file.role) or "File"
        link = slack_link(archived or file.url, shorten(label, 40))
        shown = link if archived else f"{link} (expires)"
        if link.startswith("<") and len(_BETWEEN.join([*links, shown])) <= _LINKS_MOST:
            links.append(shown)
            expires = expires or not archived
    return links, expires


def _worth_a_link(files: Sequence[File]) -> Iterator[File]:
    finished = any(file.role == "audio" for file in files)
    return (file for file in files if file.role != "image" and not (finished and file.role == "stream"))


def _cover(delivery: Delivery, result: Result) -> Block | None:
    image = result.file("image")
    urls = (delivery.archived(result.id, "image"), image.url if image else None)
    url = next((url for url in urls if url and _is_public(url)), None)
    return (
        {"type": "image", "image_url": url, "alt_text": shorten(f"Cover of {_title(result)}", _ALT_MOST)}
        if url
        else None
    )


def _is_public(url: str) -> bool:
    """Whether Slack could fetch this, by its looks."""
    if not url.startswith("https://") or len(url) > _URL_MOST or not is_web(url) or re.search(r"[\s<>\"|]", url):
        return False
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".internal", ".invalid", ".localhost", ".test", ".lan"))


def _origin(event: Event) -> list[str]:
    labels = [f"{name}: {value}" for name, value in event.labels.items()]
    told = "simulated" if event.via is Via.SIMULATED else None
    words = [told, event.provider, event.operation, *labels[:5], event.submission_id or event.id]
    return [mrkdwn(one_line(word), 100) for word in words if word]


def _section(lines: Sequence[str]) -> Block:
    return {"type": "section", "text": _markup("\n".join(lines))}


def _context(parts: Sequence[str]) -> Block:
    return {"type": "context", "elements": [_markup(_BETWEEN.join(part for part in parts if part))]}


def _markup(text: str) -> Block:
    # Verbatim: a bare @channel or #name in a title stays text.
    return {"type": "mrkdwn", "text": text, "verbatim": True}
