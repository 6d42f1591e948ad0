import logging
from html import escape
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from handlers.message import message_of
from handlers.templates import Markup, TemplateText, render
from handlers.text import mrkdwn, slack_link
from receiver.events import Failure
from receiver.handler import Delivery
from tests.support.deliveries import HOSTILE_TITLES, make_delivery, make_event, make_track

SLACK = Markup(lambda text: mrkdwn(text, 3000), slack_link)
HTML = Markup(escape, lambda url, label: f'<a href="{escape(url)}">{escape(label)}</a>')


def rendered(text: str, delivery: Delivery | None = None, markup: Markup = SLACK) -> str | None:
    delivery = delivery or make_delivery()
    return render(text, delivery, message_of(delivery), markup)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ headline }}", "Night Ferry is ready"),
        ("{{ title }} by {{ labels.project }}", "Night Ferry by podcast"),
        ("{{ event.type }} {{ event.provider }}", "music.complete suno"),
        ("{{ results[0].duration | round | int }} s", "198 s"),
        ("{% for track in tracks %}{{ track.title }} {{ track.length }}{% endfor %}", "Night Ferry 3:18"),
        ("{{ tracks[0].urls.audio | link('Listen') }}", "<https://cdn.example.com/tr-1.mp3|Listen>"),
        ("{{ tracks[0].urls.audio | link }}", "<https://cdn.example.com/tr-1.mp3|https://cdn.example.com/tr-1.mp3>"),
        ("{{ tracks[0].urls.midi | link('MIDI <b>') }}", "MIDI &lt;b&gt;"),
        ("{{ message.style }}", "indie folk"),
        ("*{{ '<b>' | raw }}*", "*<b>*"),
        ("a < b {{ '<' }}", "a < b &lt;"),
        ("{{ error.advice }}{{ results[7].title }}{{ event.error.code }}{{ none }}-", "-"),
        ("  {% if error %}no{% else %}yes{% endif %}\n", "yes"),
    ],
)
def test_a_template_says_what_it_names(text: str, said: str) -> None:
    assert rendered(text) == said


@pytest.mark.parametrize("title", HOSTILE_TITLES.values(), ids=HOSTILE_TITLES)
def test_what_comes_from_outside_is_escaped_for_its_target(title: str) -> None:
    delivery = make_delivery(results=[make_track("tr-1", title, tags=title)])
    for text in ("{{ results[0].title }}", "{{ title }}", "{{ results[0].tags ~ '!' }}", "{{ [results[0].title] }}"):
        said = rendered(text, delivery, HTML) or ""
        assert not set("<>\"'") & set(said)
    linked = rendered("{{ tracks[0].urls.audio | link(title) }}", delivery, HTML) or ""
    assert linked.count("<") == 2


def test_a_failure_is_told_with_its_advice() -> None:
    failed = make_event("music.failed", error=Failure(code="430", message="no", advice="Wait & retry"))
    assert rendered("{{ error.advice }}", make_delivery(event=failed, results=[])) == "Wait &amp; retry"


@pytest.mark.parametrize(
    "text",
    [
        "{{ 1 / 0 }}",
        "{{ results | sum }}",
        "{{ ''.__class__() }}",
        "{{ results.append(1) }}",
        "{{ event.__init__.__globals__['x']() }}",
        "{% for n in range(10**9) %}x{% endfor %}",
        "{{ title.no_such() }}",
    ],
)
def test_a_template_that_fails_leaves_the_default(text: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    assert rendered(text) is None
    assert "a template failed on dlv_" in caplog.text


@pytest.mark.parametrize("text", ["  {{ error }} ", "{{ ''.__class__ }}", "{{ event.__init__.__globals__ }}"])
def test_a_template_that_says_nothing_leaves_the_default(text: str) -> None:
    assert rendered(text) is None


class Words(BaseModel):
    template: TemplateText


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ tilte }}", "knows no tilte; did you mean title?"),
        ("{{ a }}{{ b }}", "knows no a; known are error, event"),
        ("one\n{% if title %}", "mend its line 2"),
        ("{{ title | shout }}", "No filter named 'shout'"),
        ("", "is empty"),
        (" \n", "is empty"),
    ],
)
def test_a_template_with_a_mistake_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Words(template=text)
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["{% set x = title %}{{ x }}", "{{ range(3) | join }}", "plain", "{# note #} x"])
def test_ordinary_templates_are_taken(text: str) -> None:
    assert Words(template=text).template == text


def test_the_same_template_is_compiled_once_for_a_target() -> None:
    calls: list[Any] = []

    def note(text: str) -> str:
        calls.append(text)
        return text

    markup = Markup(note, slack_link)
    for _ in range(3):
        assert rendered("{{ title }}", markup=markup) == "Night Ferry"
    assert calls == ["Night Ferry"] * 3
