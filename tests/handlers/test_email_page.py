import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from handlers.email_page import own_words, plain, write_page, write_subject, write_text
from handlers.message import EXPIRE, INCOMPLETE, message_of
from receiver.events import Failure, Level
from receiver.handler import Delivery
from tests.support.deliveries import HOSTILE_TITLES, make_delivery, make_event, make_file, make_track

VOID = {"meta", "img", "br"}
FAILURE = Failure(
    code="413", message="no artists", meaning="A name is not allowed.", advice="Take it out.", refunded=True
)


class Page(HTMLParser):
    """Reads a page: its links, pictures and words; complains where tags don't match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.pictures: list[str] = []
        self.words: list[str] = []
        self.seen: set[str] = set()
        self.feed(html)
        self.close()
        assert self.tags == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.seen.add(tag)
        assert not any(name.startswith("on") for name in named)
        if tag == "a":
            self.links.append((named["href"] or "", ""))
        if tag == "img":
            self.pictures.append(named["src"] or "")
        if tag not in VOID:
            self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.tags.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.tags and data.strip():
            self.words.append(data.strip())
        if "a" in self.tags:
            address, label = self.links[-1]
            self.links[-1] = (address, label + data)


def page_of(delivery: Delivery, covers: dict[str, str] | None = None, body: str | None = None) -> Page:
    return Page(write_page(message_of(delivery), delivery.event, covers or {}, body))


def text_of(delivery: Delivery) -> str:
    return write_text(message_of(delivery), verses=delivery.event.kind == "lyrics")


def test_song_has_its_cover_its_facts_and_a_large_link() -> None:
    files = (make_file("audio"), make_file("video"))
    page = page_of(make_delivery(results=[make_track("tr-1", "Night Ferry", *files)]), {"tr-1": "cid:c@x"})
    assert page.pictures == ["cid:c@x"]
    assert page.links == [
        ("https://cdn.example.com/audio", "▶\ufe0e\u2002Listen"),
        ("https://cdn.example.com/video", "Video"),
    ]
    for words in ("Night Ferry is ready", "indie folk", "3:18", EXPIRE):
        assert words in page.words
    assert "podcast" in page.words[-1]


def test_song_is_told_in_text_too() -> None:
    assert text_of(make_delivery()) == (
        "Night Ferry is ready\n\nindie folk\n\nNight Ferry · 3:18\n"
        "Listen (expires): https://cdn.example.com/tr-1.mp3\n\n"
        f"{EXPIRE}\n\n-- \nsuno · generate · project: podcast · sub_{'2' * 32}\n"
    )


def test_failure_says_what_it_means_and_what_to_do() -> None:
    delivery = make_delivery(event=make_event("music.failed", error=FAILURE), results=[])
    page = page_of(delivery)
    for words in ("A name is not allowed.", "Take it out.", "The provider: no artists", "Code 413 · credits refunded"):
        assert words in page.words
        assert words in text_of(delivery)


@pytest.mark.parametrize(
    ("kind", "level", "colour"),
    [
        ("music.complete", Level.INFO, "#0e7a63"),
        ("music.updated", Level.INFO, "#0e7a63"),
        ("handler.resumed", Level.INFO, "#0e7a63"),
        ("music.first", Level.INFO, "#4653d0"),
        ("submission.accepted", Level.INFO, "#4653d0"),
        ("music.failed", Level.INFO, "#c0332b"),
        ("handler.paused", Level.PROBLEM, "#b45f06"),
    ],
)
def test_colour_says_how_it_went(kind: str, level: Level, colour: str) -> None:
    delivery = make_delivery(event=make_event(kind, level=level))
    assert f'bgcolor="{colour}"' in write_page(message_of(delivery), delivery.event, {})


@pytest.mark.parametrize("colour", ["#0e7a63", "#4653d0", "#c0332b", "#b45f06"])
def test_white_on_every_colour_can_be_read(colour: str) -> None:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    assert 1.05 / (light + 0.05) >= 4.5


def test_lyrics_are_shown_where_they_are_what_was_asked_for() -> None:
    track = make_track(lyrics="[Verse]\n<One>\n\nTwo", tags=None)
    for kind, shown in (("lyrics.complete", True), ("music.complete", False)):
        delivery = make_delivery(event=make_event(kind), results=[track])
        assert ("<One>" in page_of(delivery).words) == shown
        assert ("[Verse]\n<One>\n\nTwo" in text_of(delivery)) == shown


def test_alarm_has_its_facts() -> None:
    raw = {"handler_id": "team", "delivery_id": "dlv_9"}
    delivery = make_delivery(event=make_event("delivery.dead", level=Level.PROBLEM, raw=raw), results=[])
    assert "dlv_9" in page_of(delivery).words
    assert "Delivery: dlv_9" in text_of(delivery)


def test_what_is_missing_still_is_said() -> None:
    delivery = make_delivery(event=make_event(partial=True))
    assert INCOMPLETE in page_of(delivery).words
    assert INCOMPLETE in text_of(delivery)


def test_many_tracks_and_links_stay_bounded() -> None:
    files = [
        make_file("audio"),
        *(make_file(f"stem-{n}") for n in range(90)),
        make_file("x", "https://x.org/" + "y" * 9000),
    ]
    tracks = [make_track(f"tr-{n}", f"T{n}", *files, lyrics="la\n" * 9000) for n in range(30)]
    delivery = make_delivery(event=make_event("lyrics.complete"), results=tracks)
    page = page_of(delivery)
    assert len(page.links) == 20 * 40
    assert "…and 10 more" in page.words
    assert "…and 10 more" in text_of(delivery)
    assert len(text_of(delivery)) < 300_000


@pytest.mark.parametrize("title", HOSTILE_TITLES.values(), ids=HOSTILE_TITLES)
def test_hostile_text_stays_text(title: str) -> None:
    nasty = title + "\"'><script src=//x></script><img src=x onerror=y>"
    track = make_track(
        "tr-1", nasty, make_file("audio", f"https://cdn.example.com/?{nasty}\n"), tags=nasty, lyrics=nasty
    )
    error = Failure(code=nasty, message=nasty, meaning=nasty, advice=nasty)
    event = make_event("lyrics.failed", error=error, labels={nasty: nasty}, raw={nasty: nasty})
    delivery = make_delivery(event=event, results=[track, replace(track, id=nasty)])
    page = page_of(delivery, {"tr-1": "cid:a"})
    assert not {"script", "iframe"} & page.seen
    assert set(page.pictures) <= {"cid:a"}
    assert all(address.startswith("https://cdn.example.com/?") for address, _ in page.links)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e\ud800-\udfff]", text_of(delivery) + "".join(page.words))
    assert not any(re.search(r"[\s<>\"]", address) for address, _ in page.links)
    assert all(
        "\n" not in write_subject(template, delivery, message_of(delivery)) for template in (None, "{{ title }}")
    )


def test_own_words_keep_lines_and_links_and_nothing_else() -> None:
    delivery = make_delivery(results=[make_track("tr-1", "</a>\ue000x\ue001y\ue002")])
    template = """{{ title }}
  {{ tracks[0].urls.audio | link('<go>') }} {{ 'javascript:x' | link('no') }} \x07{{ 'https://x.org/"' | link }}"""
    words = own_words(template, delivery, message_of(delivery))
    assert words is not None
    audio, other = "https://cdn.example.com/tr-1.mp3", "https://x.org/%22"
    assert plain(words) == f'</a>xy\n  <go>: {audio} no https://x.org/": {other}\n'
    page = page_of(delivery, body=words)
    assert page.links == [(audio, "<go>"), (other, 'https://x.org/"')]
    assert page.pictures == []


def test_own_words_that_say_nothing_are_left_to_us() -> None:
    delivery = make_delivery()
    assert own_words("{{ error.message }}", delivery, message_of(delivery)) is None
    assert own_words(None, delivery, message_of(delivery)) is None
    assert write_subject("{{ error.message }}", delivery, message_of(delivery)) == "Night Ferry is ready"


def test_endless_own_words_are_cut() -> None:
    delivery = make_delivery()
    words = own_words(
        "{% for n in range(30000) %}{{ 'https://x.org' | link(n) }}{% endfor %}", delivery, message_of(delivery)
    )
    assert words is not None
    assert len(words) <= 100_000
    assert not set("\ue000\ue001\ue002") & set(plain(words))
