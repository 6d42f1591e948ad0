import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.slack_message import compose
from receiver.events import Failure, Kind, Level, Via
from receiver.handler import ArchivedFile, Delivery, Receipt
from tests.support.deliveries import HOSTILE_TITLES, make_delivery, make_event, make_file, make_track
from tests.support.slack import header, judge, lines, texts

anything = st.text(st.characters(exclude_categories=()), max_size=200)
urls = st.one_of(anything, anything.map(lambda text: f"https://cdn.example.com/{text}"))


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
        ("music.complete", None, "Song (generate …22222222) is ready"),
        ("music.updated", "Night Ferry", "Night Ferry has something new"),
        ("music.failed", None, "Song (generate …22222222) failed"),
        ("stems.complete", "Night Ferry", "Stems of Night Ferry: ready"),
        ("wav.failed", "Night Ferry", "WAV of Night Ferry: failed"),
        ("lyrics.complete", None, "Lyrics (generate …22222222) is ready"),
        ("other.complete", None, "Generate (…22222222) is ready"),
        ("submission.overdue", "Night Ferry", "Night Ferry is late"),
        ("submission.lost", None, "Generate (…22222222) is lost"),
        ("handler.paused", None, "Handler team is paused"),
        ("delivery.dead", "Night Ferry", "Handler team did not get Night Ferry"),
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
    assert lines(message)[1:3] == ["*Reason:* Slack says no_service", "*Attempts:* 3"]
    assert "hidden" not in texts(message)


ALARM = {"handler": "team", "delivery_id": "dlv_1", "event_id": "evt_1"}


def alarm(type_: str, advice: str) -> list[str]:
    error = Failure(code=type_, message="Slack says no_service", advice=advice)
    event = make_event(type_, about="team", raw=ALARM, level=Level.PROBLEM, error=error)
    message = compose(make_delivery(event=event, results=[make_track()]))
    judge(message)
    return lines(message)[:-1]


def test_dead_letter_is_told_in_words_with_the_command_that_brings_it_back() -> None:
    assert alarm("delivery.dead", "Mend the cause, then: receiver redeliver dlv_1") == [
        "Handler team did not get Night Ferry",
        "What happened: Slack says no_service",
        "Mend the cause, then: receiver redeliver dlv_1",
        "*Event:* evt_1",
    ]


def test_paused_handler_is_told_in_words() -> None:
    assert alarm("handler.paused", "It is probed until it answers again.") == [
        "Handler team is paused",
        "What happened: Slack says no_service",
        "It is probed until it answers again.",
        "*Delivery:* dlv_1",
        "*Event:* evt_1",
    ]


@pytest.mark.parametrize(
    ("code", "shown"),
    [("402", ["The provider's code: 402"]), ("no_answer", []), ("submission.rejected", []), ("²", [])],
)
def test_alarm_shows_the_code_of_the_provider_and_none_of_our_own(code: str, shown: list[str]) -> None:
    error = Failure(code=code, message="no", meaning="Too few credits", advice="Buy some")
    event = make_event("submission.rejected", level=Level.PROBLEM, error=error)
    message = compose(make_delivery(event=event, results=[]))
    judge(message)
    assert lines(message)[1:-1] == ["*Too few credits*", "What happened: no", "Buy some", *shown]


def test_alarm_without_any_words_is_still_told() -> None:
    bare = make_event("disk.low", level=Level.PROBLEM, error=Failure(code="disk.low", message=""))
    assert "No reason is known." in lines(compose(make_delivery(event=bare, results=[])))
    silent = compose(make_delivery(event=make_event("disk.low", level=Level.PROBLEM), results=[]))
    assert "The receiver's log and `receiver events` show more." in lines(silent)


@pytest.mark.parametrize(
    ("title", "labels", "operation", "submission_id", "shown"),
    [
        ("Ferry at night", {"title": "Ours"}, "generate", "sub_0123456789", "Ferry at night failed"),
        (None, {"project": "x", "title": "Ours"}, "generate", "sub_0123456789", "Ours failed"),
        (None, {"song": "Ours"}, "generate", "sub_0123456789", "Ours failed"),
        (" \u200b", {"song": " "}, "upload_cover", "sub_0123456789", "Song (upload cover …23456789) failed"),
        (None, {}, "extend", None, "Song (extend) failed"),
        (None, {}, None, None, "Song failed"),
    ],
)
def test_failed_song_without_results_is_named(
    title: str | None, labels: dict[str, str], operation: str | None, submission_id: str | None, shown: str
) -> None:
    event = make_event("music.failed", labels=labels, operation=operation, submission_id=submission_id)
    message = compose(replace(make_delivery(event=event, results=[]), title=title))
    judge(message)
    assert header(message) == shown


def test_operation_that_is_the_kind_is_said_once() -> None:
    message = compose(make_delivery(event=make_event("wav.failed", operation="wav"), results=[]))
    assert header(message) == "WAV (…22222222) failed"


def test_tracks_of_one_title_are_numbered_and_share_their_notes() -> None:
    message = compose(make_delivery(results=[make_track("a"), make_track("b", "Other"), make_track("c")]))
    judge(message)
    assert [line for line in lines(message) if line.startswith("*")] == [
        "*Night Ferry*  1 of 2 · 3:18",
        "*Other*  3:18",
        "*Night Ferry*  2 of 2 · 3:18",
    ]
    assert lines(message)[-2] == "indie folk · The provider's links expire after some days."
    assert texts(message).count("indie folk") == texts(message).count("links expire") == 1


def test_one_link_that_expires_is_enough_for_the_note() -> None:
    receipt = Receipt(files=(archived("audio", "https://songs.example.com/a"),))
    tracks = [make_track("tr-2", "Other"), make_track("tr-1")]
    message = compose(make_delivery(results=tracks, receipts={"archive": receipt}))
    assert "links expire" in lines(message)[-2]


def test_tracks_of_different_styles_have_each_its_own() -> None:
    tracks = [make_track("a"), make_track("b", "Other", tags="techno"), make_track("c", "Third", tags=None)]
    message = compose(make_delivery(results=tracks))
    judge(message)
    told = [block["elements"][0]["text"] for block in message["blocks"] if block["type"] == "context"]
    assert told[:-1] == ["indie folk", "techno", "The provider's links expire after some days."]


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
