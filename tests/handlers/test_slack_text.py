import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.slack import Slack
from handlers.slack_message import compose
from handlers.slack_text import escape, sections
from handlers.text import slack_link
from tests.support.deliveries import make_delivery, make_event, make_track
from tests.support.slack import LINK, judge, lines

LONG = slack_link("https://cdn.example.com/" + "x" * 2950, "Listen")
markup = st.lists(st.one_of(st.text(max_size=900).map(escape), st.just(LONG), st.just("\n"), st.just("x" * 5000)))


@settings(deadline=None, max_examples=50)
@given(markup)
def test_pieces_fit_and_break_nothing(parts: list[str]) -> None:
    for piece in sections(" ".join(parts)):
        assert 0 < len(piece.encode("utf-16-le")) // 2 <= 3000
        assert not set("<>") & set(LINK.sub("", piece))
        assert not re.search(r"&(?!amp;|lt;|gt;)", piece)


def test_text_is_cut_between_lines() -> None:
    line = "x" * 999
    assert sections("\n".join([line] * 4)) == ["\n".join([line] * 3), line]


def test_line_that_is_too_long_is_cut_before_what_must_stay_whole() -> None:
    start = "x" * 2997
    assert sections(f"{start}&amp;y") == [start, "&amp;y"]
    assert sections(f"{start}<https://a.example/|Listen>") == [start, "<https://a.example/|Listen>"]


def test_more_than_a_message_holds_is_cut_with_a_sign() -> None:
    pieces = sections("\n".join(["x" * 3000] * 20))
    assert len(pieces) == 12
    assert pieces[-1] == "…"


def test_link_that_no_piece_holds_is_told_by_its_label() -> None:
    assert sections(f"<https://a.example/{'x' * 3000}|Listen>") == ["Listen"]


@pytest.mark.parametrize("text", ["", "\n \n", "\u200b"])
def test_nothing_to_see_is_no_piece(text: str) -> None:
    assert sections(text) == []


def own_words(template: str) -> list[str]:
    Slack.model_validate({"type": "slack", "webhook_url": "https://hooks.slack.com/x", "template": template})
    track = make_track("tr-1", "A & B <!channel>", lyrics="One\n<two>")
    delivery = make_delivery(event=make_event("music.complete"), results=[track])
    message = compose(delivery, template=template)
    judge(message)
    assert message["text"] == "A &amp; B &lt;!channel&gt; is ready"
    assert message["blocks"][0]["accessory"]["alt_text"] == "Cover of A & B <!channel>"
    return lines(message)


def test_message_is_told_in_the_operators_own_words() -> None:
    template = "*{{ title }}*\n{{ tracks[0].urls.audio | link('Play it') }}\n> {{ tracks[0].lyrics }}"
    assert own_words(template.replace("> ", "")) == [
        "*A &amp; B &lt;!channel&gt;*",
        "<https://cdn.example.com/tr-1.mp3|Play it>",
        "One",
        "&lt;two&gt;",
    ]


@pytest.mark.parametrize("template", ["{{ error.advice }}", "{{ 1 // 0 }}", "\u200b{{ error }}"])
def test_template_that_says_nothing_gives_way_to_our_message(template: str) -> None:
    assert own_words_fall_back(template)[0] == "Night Ferry is ready"


def own_words_fall_back(template: str) -> list[str]:
    return lines(compose(make_delivery(), template=template))


def test_path_of_a_submission_stands_below_the_operators_words() -> None:
    message = compose(make_delivery(), template="Come and listen", trail="asked for → ready")
    judge(message)
    assert lines(message) == ["Come and listen", "asked for → ready"]
