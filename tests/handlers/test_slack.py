import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import slackblocks
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block
from slack_sdk.models.blocks.basic_components import MarkdownTextObject, PlainTextObject

from handlers.slack import Slack, compose
from receiver.events import Failure, Kind, Level, Via
from receiver.handler import ArchivedFile, Delivery, PermanentFailure, Receipt, TargetFailure, TemporaryFailure
from receiver.outbound import Http
from receiver.units import Rate
from tests.support.deliveries import (
    HOSTILE_TITLES,
    FakeHttp,
    World,
    make_answer,
    make_delivery,
    make_event,
    make_file,
    make_track,
)
from tests.support.peers import answer, serve

WEBHOOK = "https://hooks.slack.com/services/T0/B0/s3cr3t"
# What may stand in angle brackets: links of ours, and nothing that Slack would act upon.
LINK = re.compile(r"<https?://[^\s<>|]+\|[^<>|]+>")

anything = st.text(st.characters(exclude_categories=()), max_size=200)
urls = st.one_of(anything, anything.map(lambda text: f"https://cdn.example.com/{text}"))


def make_slack(url: str = WEBHOOK) -> Slack:
    return Slack.model_validate({"type": "slack", "webhook_url": url})


def judge(message: dict[str, Any]) -> None:
    """Slack's own rules, as its SDK, a second library and its documentation state them."""
    json.dumps(message, ensure_ascii=False).encode()  # no half characters
    assert message["text"].strip()
    assert 1 <= len(message["blocks"]) <= 50
    for block in Block.parse_all(message["blocks"]):
        block.validate_json()
    for block in message["blocks"]:
        _judge_block(block)


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


def archived(role: str, link: str) -> ArchivedFile:
    return ArchivedFile(
        result_id="tr-1", role=role, key="k", size=1, sha256="0" * 64, media_type="audio/mpeg", link=link
    )


def test_finished_song_is_told_with_length_links_cover_and_tags() -> None:
    message = compose(make_delivery())
    judge(message)
    assert header(message) == "Night Ferry is ready"
    assert message["text"] == "Night Ferry is ready"
    [section] = [block for block in message["blocks"] if block["type"] == "section"]
    assert section["text"]["text"] == "*Night Ferry*  3:18\n<https://cdn.example.com/tr-1.mp3|Listen> (expires)"
    assert section["accessory"]["image_url"] == "https://cdn.example.com/tr-1.jpeg"
    assert "indie folk · The provider's links expire after some days." in texts(message)
    assert "suno · generate · project: podcast · sub_" in texts(message)


def test_archived_links_replace_the_providers() -> None:
    files = (archived("audio", "https://songs.example.com/a"), archived("image", "https://songs.example.com/i"))
    message = compose(make_delivery(receipts={"archive": Receipt(files=files)}))
    judge(message)
    assert "<https://songs.example.com/a|Listen>" in texts(message)
    assert "https://songs.example.com/i" in texts(message)
    assert "cdn.example.com" not in texts(message)
    assert "expire" not in texts(message)


@pytest.mark.parametrize(
    ("kind", "title", "shown"),
    [
        ("music.text", "Night Ferry", "Night Ferry is on its way"),
        ("music.first", "Night Ferry", "Night Ferry is on its way"),
        ("music.complete", None, "Song is ready"),
        ("music.updated", "Night Ferry", "Night Ferry has something new"),
        ("music.failed", None, "Song failed"),
        ("stems.complete", "Night Ferry", "Stems of Night Ferry: ready"),
        ("wav.failed", "Night Ferry", "WAV of Night Ferry: failed"),
        ("lyrics.complete", None, "Lyrics is ready"),
        ("other.complete", None, "Generate is ready"),
        ("submission.overdue", "Night Ferry", "Night Ferry is late"),
        ("submission.lost", None, "Generate is lost"),
        ("handler.paused", None, "Handler team is paused"),
        ("handler.{odd}", None, "handler.{odd}"),
        ("provider.silent", None, "No callbacks from suno: is public_url right?"),
    ],
)
def test_header_says_what_happened(kind: str, title: str | None, shown: str) -> None:
    results = [make_track("tr-1", title)] if title else []
    message = compose(make_delivery(event=make_event(kind, about="team"), results=results))
    judge(message)
    assert header(message) == shown


def test_failure_says_what_it_means_and_what_to_do() -> None:
    error = Failure(
        code="430", message="too fast <x>", meaning="The provider is busy", advice="Wait a minute", refunded=True
    )
    message = compose(make_delivery(event=make_event("music.failed", error=error), results=[]))
    judge(message)
    assert "*The provider is busy*\\nWait a minute\\nThe provider: too fast &lt;x&gt;" in texts(message)
    assert "Code 430 · credits refunded" in texts(message)


def test_failure_without_any_words_is_still_told() -> None:
    message = compose(make_delivery(event=make_event("music.failed", error=Failure(code="", message="")), results=[]))
    judge(message)
    assert "The provider did not say why." in texts(message)


def test_problem_shows_what_it_is_about() -> None:
    raw = {"reason": "Slack says no_service", "attempts": 3, "nested": {"hidden": 1}, "empty": ""}
    event = make_event("handler.paused", about="team", raw=raw, level=Level.PROBLEM)
    message = compose(make_delivery(event=event, results=[]))
    judge(message)
    assert "*reason:* Slack says no_service\\n*attempts:* 3" in texts(message)
    assert "hidden" not in texts(message)


def test_partial_and_simulated_events_say_so() -> None:
    track = make_track()
    message = compose(make_delivery(event=make_event(partial=True, via=Via.SIMULATED), results=[track]))
    judge(message)
    assert "Something is still missing" in texts(message)
    assert "simulated · suno" in texts(message)


def test_lyrics_are_quoted_and_cut() -> None:
    lyrics = make_track("ly-1", "Ferry", make_file("text"), lyrics="One & two\n\n<three>\n" + "la " * 2000)
    message = compose(make_delivery(event=make_event("lyrics.complete"), results=[lyrics]))
    judge(message)
    assert "One &amp; two\\n\\n&lt;three&gt;\\nla la" in texts(message)
    assert 900 < len(message["blocks"][1]["text"]["text"]) < 1200


def test_more_tracks_than_fit_are_counted() -> None:
    tracks = [make_track(f"tr-{n}") for n in range(30)]
    message = compose(make_delivery(results=tracks))
    judge(message)
    assert "…and 10 more" in texts(message)
    assert texts(message).count("*Night Ferry*") == 20


def test_more_links_than_fit_are_left_out() -> None:
    files = [make_file(f"stem {n}", f"https://cdn.example.com/{n}?{'s' * 300}") for n in range(40)]
    message = compose(make_delivery(results=[make_track("tr-1", "x" * 5000, *files)]))
    judge(message)
    assert 3 <= texts(message).count("(expires)") <= 6


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://cdn.example.com/i.jpeg", True),
        ("https://8.8.8.8/i.jpeg", True),
        ("http://cdn.example.com/i.jpeg", False),
        ("https://127.0.0.1/i.jpeg", False),
        ("https://[::1]/i.jpeg", False),
        ("https://localhost/i.jpeg", False),
        ("https://songs.internal/i.jpeg", False),
        ("https://cdn.example.com/i j.jpeg", False),
        ("https://cdn.example.com/" + "x" * 3000, False),
        ("https://[/", False),
    ],
)
def test_cover_is_shown_only_where_slack_can_fetch_it(url: str, shown: bool) -> None:
    message = compose(make_delivery(results=[make_track("tr-1", "x", make_file("image", url))]))
    judge(message)
    assert ("accessory" in message["blocks"][1]) is shown


@pytest.mark.parametrize("title", HOSTILE_TITLES.values(), ids=HOSTILE_TITLES)
@pytest.mark.parametrize("kind", ["music.complete", "lyrics.complete", "music.failed", "provider.silent"])
def test_hostile_title_stays_text(title: str, kind: str) -> None:
    message = compose(make_hostile(kind, title, f"https://cdn.example.com/{title}"))
    judge(message)
    # The header is plain text, where Slack reads no mentions.
    assert "<!channel>" not in json.dumps([message["text"], *message["blocks"][1:]])


def make_hostile(kind: str, text: str, url: str) -> Delivery:
    error = Failure(code=text, message=text, meaning=text, advice=text)
    files = (make_file("audio", url), make_file("image", url), make_file(text, url))
    track = make_track(text, text, *files, tags=text, lyrics=text)
    event = make_event(
        kind, error=error, about=text, operation=text, provider=text, labels={text: text}, raw={text: text}
    )
    return make_delivery(event=event, results=[track])


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from([*(f"{kind}.complete" for kind in Kind), "music.failed", "delivery.dead", "disk.low"]),
    text=anything,
    url=urls,
)
def test_any_text_makes_a_message_that_slack_takes(kind: str, text: str, url: str) -> None:
    judge(compose(make_hostile(kind, text, url)))


def test_rate_is_what_slack_allows_and_a_bad_address_is_refused_unseen() -> None:
    assert make_slack().rate == Rate(1, timedelta(seconds=1))
    with pytest.raises(ValueError, match="must be the address of a Slack webhook") as caught:
        make_slack("hooks/s3cr3t")
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "outcome", "reason"),
    [
        (400, b"invalid_payload", PermanentFailure, "invalid_payload"),
        (400, b"user_not_found", PermanentFailure, "user_not_found"),
        (400, b"<html>bad</html>", PermanentFailure, "no reason given"),
        (403, b"invalid_token", TargetFailure, "invalid_token: the webhook's address is wrong"),
        (403, b"action_prohibited", TargetFailure, "action_prohibited"),
        (404, b"no_service", TargetFailure, "no_service"),
        (404, b"channel_not_found", TargetFailure, "channel_not_found"),
        (404, b"whatever", TargetFailure, "404 Not Found"),
        (410, b"channel_is_archived", TargetFailure, "the channel is archived"),
        (429, b"rate_limited", TemporaryFailure, "429"),
        (500, b"rollup_error", TemporaryFailure, "500"),
        (302, b"", PermanentFailure, "redirects"),
    ],
)
async def test_answer_of_slack_decides_the_outcome(status: int, body: bytes, outcome: type, reason: str) -> None:
    http = FakeHttp(make_answer(status, body))
    with pytest.raises(outcome, match=re.escape(reason)) as caught:
        await make_slack().handle(make_delivery(World(http=http), results=[]))
    assert "/services/" not in str(caught.value)
    assert len(http.sent) == 1


async def test_wait_that_slack_asks_for_is_passed_on() -> None:
    http = FakeHttp(make_answer(429, b"rate_limited", retry_after="30"))
    with pytest.raises(TemporaryFailure) as caught:
        await make_slack().handle(make_delivery(World(http=http)))
    assert caught.value.retry_after == timedelta(seconds=30)


async def test_cover_that_slack_cannot_fetch_does_not_cost_the_message() -> None:
    http = FakeHttp(make_answer(400, b"invalid_blocks"), make_answer(200, b"ok"))
    await make_slack().handle(make_delivery(World(http=http)))
    first, second = (sent.json for sent in http.sent)
    assert "accessory" in json.dumps(first)
    assert "accessory" not in json.dumps(second)
    judge(second)


async def test_message_that_slack_refuses_without_pictures_too_is_dead() -> None:
    http = FakeHttp(make_answer(400, b"invalid_blocks"))
    with pytest.raises(PermanentFailure, match="invalid_blocks"):
        await make_slack().handle(make_delivery(World(http=http)))
    assert len(http.sent) == 2


async def test_message_goes_over_a_real_connection() -> None:
    async with serve(answer(b"ok")) as peer:
        http = Http()
        try:
            delivery = replace(make_delivery(), http=http)
            await make_slack(f"{peer.url}/services/T0/B0/s3cr3t").handle(delivery)
        finally:
            await http.close()
    [seen] = peer.seen
    assert (seen.method, seen.target) == ("POST", "/services/T0/B0/s3cr3t")
    assert seen.headers["content-type"].startswith("application/json")
    assert seen.json() == compose(delivery)
