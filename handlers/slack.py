"""Handler type `slack`: tells a channel about an event through an incoming webhook, as Block Kit."""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator

from handlers.text import UNTITLED, clock, is_web, mrkdwn, one_line, shorten, slack_link
from receiver.events import OWN_KINDS, Failure, Level, Via
from receiver.handler import Answer, Delivery, Event, File, Handler, PermanentFailure, Result, TargetFailure
from receiver.outbound import settle
from receiver.units import Rate, RateLimit

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
    "delivery.dead": "Handler {about} did not get an event",
    "handler.paused": "Handler {about} is paused",
    "handler.resumed": "Handler {about} works again",
    "provider.silent": "No callbacks from {provider}: is public_url right?",
    "file.expiring": "Files of {what} expire soon",
    "disk.low": "The disk is nearly full",
}
_LABELS = {"audio": "Listen", "stream": "Preview", "video": "Video", "wav": "WAV", "midi": "MIDI"}

# https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
_BROKEN = {
    "no_service": "the webhook was removed or switched off",
    "no_service_id": "the webhook's address is incomplete",
    "no_team": "the workspace is gone",
    "team_disabled": "the workspace is switched off",
    "invalid_token": "the webhook's address is wrong or revoked",
    "channel_is_archived": "the channel is archived",
    "channel_not_found": "the channel is gone",
    "action_prohibited": "the workspace forbids this webhook to post",
    "posting_to_general_channel_denied": "the workspace forbids posts to its general channel",
}
_CODE = re.compile(r"[a-z_]{3,60}\b")
# Slack fetches a picture before it takes the message, and answers one of these where it can't.
_BLOCKS_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format", "invalid_attachments"})

_BETWEEN = " · "

Block = dict[str, Any]


class Slack(Handler):
    type: Literal["slack"]
    webhook_url: SecretStr
    """The address of an incoming webhook."""
    rate: RateLimit | None = Rate(1, timedelta(seconds=1))
    """Slack takes one message a second."""

    @field_validator("webhook_url")
    @classmethod
    def _is_address(cls, value: SecretStr) -> SecretStr:
        if not is_web(value.get_secret_value()):
            raise ValueError("must be the address of a Slack webhook: https://hooks.slack.com/services/…")
        return value

    async def handle(self, delivery: Delivery) -> None:
        message = compose(delivery)
        answer = await self._post(delivery, message)
        plain = _without_pictures(message)
        if plain != message and answer.status == 400 and _code(answer) in _BLOCKS_REFUSED:
            # A cover that Slack can't fetch must not cost the whole message.
            answer = await self._post(delivery, plain)
        _judge(answer)

    async def _post(self, delivery: Delivery, message: Mapping[str, Any]) -> Answer:
        return await delivery.http.request(
            "POST", self.webhook_url.get_secret_value(), json=message, timeout=self.timeout
        )


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
    title = next((_title(result) for result in delivery.results if result.title), None)
    what = shorten(title, 100) if title else _noun(event)
    if event.kind in OWN_KINDS:
        own = _OWN.get(event.type, "{type}")
        about = shorten(one_line(event.about or "?"), 60)
        return own.format(what=what, about=about, type=event.type, provider=event.provider or "the provider")
    end = _STAGES.get(event.stage or "", "is ready")
    if title and event.kind != "music":
        return f"{_noun(event)} of {what}: {end.removeprefix('is ')}"
    return f"{what} {end}"


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
    for result in results[:_TRACKS_MOST]:
        yield from _track(delivery, result)
    if len(results) > _TRACKS_MOST:
        yield _section([f"…and {len(results) - _TRACKS_MOST} more"])
    if event.partial:
        yield _context(["Something is still missing; it follows when it comes."])


def _failure(error: Failure) -> Iterator[Block]:
    said = mrkdwn(one_line(error.message), 600)
    meaning = mrkdwn(one_line(error.meaning or ""), 600)
    lines = [
        f"*{meaning}*" if meaning else "",
        mrkdwn(one_line(error.advice or ""), 600),
        said and f"The provider: {said}",
    ]
    yield _section([line for line in lines if line] or ["The provider did not say why."])
    refund = {True: "credits refunded", False: "credits not refunded", None: ""}[error.refunded]
    yield _context([f"Code {mrkdwn(one_line(error.code), 60)}", refund])


def _problem(event: Event) -> Iterator[Block]:
    if event.error is not None:
        yield from _failure(event.error)
    raw = event.raw if isinstance(event.raw, Mapping) else {}
    facts = [(name, value) for name, value in raw.items() if isinstance(value, str | int | float) and value != ""]
    lines = [f"*{mrkdwn(one_line(str(name)), 40)}:* {mrkdwn(one_line(str(value)), 240)}" for name, value in facts[:8]]
    if lines:
        yield _section(lines)
    elif event.level is Level.PROBLEM and event.error is None:
        yield _section(["The receiver's dashboard shows more."])


def _track(delivery: Delivery, result: Result) -> Iterator[Block]:
    lines = [f"*{mrkdwn(_title(result), _TITLE_MOST)}*  {clock(result.duration)}".rstrip()]
    links, expires = _links(delivery, result)
    if links:
        lines.append(_BETWEEN.join(links))
    if result.lyrics and delivery.event.kind == "lyrics":
        verses = "\n".join(one_line(line) for line in result.lyrics.splitlines()).strip()
        lines.append(mrkdwn(verses, _LYRICS_MOST))
    section = _section(lines)
    cover = _cover(delivery, result)
    yield section | ({"accessory": cover} if cover else {})
    notes = [
        mrkdwn(one_line(result.tags or ""), 300),
        "The provider's links expire after some days." if expires else "",
    ]
    if any(notes):
        yield _context(notes)


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


def _without_pictures(message: Mapping[str, Any]) -> dict[str, Any]:
    blocks = [{name: value for name, value in block.items() if name != "accessory"} for block in message["blocks"]]
    return {**message, "blocks": blocks}


def _code(answer: Answer) -> str:
    match = _CODE.match(answer.body[:200].decode(errors="replace").strip())
    return match[0] if match else ""


def _judge(answer: Answer) -> None:
    code = _code(answer) if answer.status >= 400 else ""
    if code in _BROKEN:
        raise TargetFailure(f"Slack says {code}: {_BROKEN[code]}")
    if answer.status == 400:
        raise PermanentFailure(f"Slack refuses the message: {code or 'no reason given'}")
    # Of the body only Slack's own word: a proxy's page could repeat the secret address.
    settle(replace(answer, body=code.encode()), "Slack")
