from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from receiver.errors import Outcome, PermanentFailure, TargetFailure, TemporaryFailure
from receiver.outbound import Answer, redact, settle, url_parts

BROKEN = (401, 403, 404, 410)
AGAIN = (408, 425, 429)


def an_answer(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    return Answer(status=status, headers={name.replace("_", "-"): text for name, text in headers.items()}, body=body)


def expected(status: int) -> type[Outcome] | None:
    if 200 <= status < 300:
        return None
    if status in BROKEN:
        return TargetFailure
    if status < 200 or status >= 500 or status in AGAIN:
        return TemporaryFailure
    return PermanentFailure


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_has_its_outcome(status: int) -> None:
    answer = an_answer(status)
    outcome = expected(status)
    if outcome is None:
        assert settle(answer, "slack") is answer
        return
    with pytest.raises(Outcome, match=f"^slack answered {status}") as caught:
        settle(answer, "slack")
    assert type(caught.value) is outcome


def test_target_says_which_statuses_mean_that_it_is_broken() -> None:
    with pytest.raises(PermanentFailure):
        settle(an_answer(404), "hook", broken=())
    with pytest.raises(TargetFailure):
        settle(an_answer(429), "hook", broken=(429,))
    assert settle(an_answer(204), "hook", broken=(204,)).status == 204


@pytest.mark.parametrize("status", range(100, 600))
def test_patient_caller_has_no_permanent_failure(status: int) -> None:
    answer = an_answer(status, retry_after="3")
    if 200 <= status < 300:
        assert settle(answer, "hook", patient=True) is answer
        return
    with pytest.raises(Outcome, match=f"^hook answered {status}") as caught:
        settle(answer, "hook", broken=(410,), patient=True)
    assert type(caught.value) is (TargetFailure if status == 410 else TemporaryFailure)
    if isinstance(caught.value, TemporaryFailure):
        assert caught.value.retry_after == timedelta(seconds=3)
    assert ("write the final address" in caught.value.reason) == (300 <= status < 400)


def test_redirect_says_what_to_write() -> None:
    with pytest.raises(PermanentFailure, match="write the final address in the config"):
        settle(an_answer(302, location="https://secret.example/"), "hook")


def test_retry_after_travels_with_the_failure() -> None:
    with pytest.raises(TemporaryFailure) as caught:
        settle(an_answer(429, retry_after="17"), "slack")
    assert caught.value.retry_after == timedelta(seconds=17)


EXCERPTS = [
    ("text/plain", b"no_service", "404 Not Found: no_service"),
    ("text/html; charset=utf-8", b"invalid_token", "404 Not Found: invalid_token"),
    ("text/html", b"  <!doctype html><p>Oops", "404 Not Found"),
    ("application/json", b'{"error": "gone"}', '404 Not Found: {"error": "gone"}'),
    ("application/problem+json", b'{"title":"x"}', '404 Not Found: {"title":"x"}'),
    ("application/octet-stream", b"abc", "404 Not Found"),
    ("text/plain", b"\nfirst\nsecond", "404 Not Found: first"),
    ("text/plain", b"a\x1b[31m\x00b\tc \xff", "404 Not Found: a [31m b c \ufffd"),
    ("text/plain", "a\u202eb\u200bc".encode(), "404 Not Found: a b c"),
    ("text/plain", b"see https://hooks.example/T0/s3cret for more", "404 Not Found: see [address] for more"),
    ("text/plain", b"", "404 Not Found"),
    ("text/plain", b" \n ", "404 Not Found"),
    ("text/plain", b"x" * 5000, "404 Not Found: " + "x" * 200),
]


@pytest.mark.parametrize(("kind", "body", "text"), EXCERPTS)
def test_reason_quotes_one_clean_line_of_the_body(kind: str, body: bytes, text: str) -> None:
    with pytest.raises(PermanentFailure) as caught:
        settle(an_answer(404, body, content_type=kind), "hook", broken=())
    assert caught.value.reason == f"hook answered {text}"


DATE = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def at(seconds: float) -> str:
    return format_datetime(DATE + timedelta(seconds=seconds), usegmt=True)


RETRY_AFTER = [
    ("0", 0),
    ("30", 30),
    (" 30 ", 30),
    ("1.5", 1.5),
    ("-5", 0),
    ("9999999999", 9999999999),
    (at(90), 90),
    (at(-90), 0),
    ("Sat, 21 Nov 2026 12:01:00 -0000", 60),
    ("Sat, 21 Nov 2026 13:01:00 +0100", 60),
    ("", None),
    ("soon", None),
    ("99999999999999999999", None),
    ("١٢", None),
    ("1e3", None),
    ("nan", None),
    ("Sat, 99 Nov 2026 12:01:00 GMT", None),
    ("Fri, 31 Dec 9999 23:59:59 -2359", None),
]


@pytest.mark.parametrize(("value", "seconds"), RETRY_AFTER)
def test_retry_after_is_read_in_both_forms(value: str, seconds: float | None) -> None:
    asked = an_answer(429, retry_after=value, date=at(0)).retry_after
    assert asked == (None if seconds is None else timedelta(seconds=seconds))


def test_retry_after_is_absent_where_the_header_is() -> None:
    assert an_answer(429).retry_after is None


@pytest.mark.parametrize("date", ["", "nonsense"])
def test_retry_after_without_a_date_is_taken_from_our_own_clock(date: str) -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    asked = an_answer(429, retry_after=then, date=date).retry_after
    assert asked is not None
    assert timedelta(minutes=59) < asked <= timedelta(hours=1)


def test_json_is_read_and_nonsense_is_a_value_error() -> None:
    assert an_answer(body=b'{"ok": true}').json() == {"ok": True}
    with pytest.raises(ValueError, match="Expecting value"):
        an_answer(body=b"<html>").json()


REDACTED = [
    ("token sk-123456 here", ["sk-123456"], "token [redacted] here"),
    ("abcdef abcd", ["abcd", "abcdef"], "[redacted] [redacted]"),
    ("abc a", ["abc", "a", ""], "abc a"),
    ("x redacted y", ["redacted", "x redacted"], "[redacted] y"),
    ("a+b/c= a%2Bb%2Fc%3D a%2bb%2fc%3d a%2Bb/c%3D", ["a+b/c="], "[redacted] [redacted] [redacted] [redacted]"),
    ("pass+word pass%20word", ["pass word"], "[redacted] [redacted]"),
    (".*.* abcd", [".*.*"], "[redacted] abcd"),
    ("nothing", [], "nothing"),
    ("\ud800abc", ["\ud800abc"], "[redacted]"),
]


@pytest.mark.parametrize(("text", "secrets", "redacted"), REDACTED)
def test_secrets_are_redacted_longest_first_and_also_where_quoted(text: str, secrets: list[str], redacted: str) -> None:
    assert redact(text, secrets) == redacted


PARTS = [
    (
        "https://me:pass%20word@host.example:81/a/tok%2Fen?k=v%26w#frag",
        {
            "me",
            "pass%20word",
            "pass word",
            "host.example",
            "81",
            "a",
            "tok%2Fen",
            "tok/en",
            "k",
            "v%26w",
            "v&w",
            "frag",
        },
    ),
    ("https://host.example", {"host.example"}),
    ("nothing", set()),
]


@pytest.mark.parametrize(("url", "parts"), PARTS)
def test_url_comes_apart_as_it_is_written_and_as_it_is_meant(url: str, parts: set[str]) -> None:
    assert set(url_parts(url)) == parts
