from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from receiver.units import (
    Duration,
    Rate,
    RateLimit,
    Secrets,
    Section,
    Size,
    format_duration,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
    suggestion,
)

DURATIONS = [
    ("250ms", 0.25),
    ("30s", 30),
    ("1.5s", 1.5),
    ("5m", 300),
    ("2h", 7200),
    ("3d", 259200),
    ("1h30m", 5400),
    ("1h 30m", 5400),
    ("0s", 0),
]


@pytest.mark.parametrize(("text", "seconds"), DURATIONS, ids=[row[0] for row in DURATIONS])
def test_a_duration_is_read_from_text(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "30", "s", "30 seconds", "-5s", "5m!", "1e3s", "5M", "soon", "9" * 400 + "d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration"):
        parse_duration(text)


@given(st.integers(0, 10**7))
def test_a_written_duration_reads_back_in_at_most_two_units(seconds: int) -> None:
    value = timedelta(seconds=seconds)
    assert abs(parse_duration(format_duration(value)) - value) < timedelta(hours=1)
    if seconds < 3600:
        assert parse_duration(format_duration(value)) == value


SIZES = [("500", 500), ("1B", 1), ("500kB", 500_000), ("1MiB", 2**20), ("1.5 KiB", 1536), ("2GB", 2 * 10**9)]


@pytest.mark.parametrize(("text", "size"), SIZES, ids=[row[0] for row in SIZES])
def test_a_size_is_read_from_text(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "big", "-1B", "1 TB", "1mib", "MiB", "9" * 400])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"for a size|is not a size"):
        parse_size(text)


@given(st.integers(0, 2**50))
def test_a_written_size_reads_back(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_a_size_is_written_in_its_largest_unit() -> None:
    assert [format_size(size) for size in (0, 1, 1024, 8 * 2**20, 2**31)] == ["0B", "1B", "1KiB", "8MiB", "2GiB"]


def test_a_rate_is_read_from_text() -> None:
    assert parse_rate("20/10s") == Rate(20, timedelta(seconds=10))


@pytest.mark.parametrize("text", ["", "20", "20/", "/10s", "0/10s", "-1/10s", "²/10s", "20/0s", "20/10"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a (rate|duration)"):
        parse_rate(text)


class Sample(Section):
    time: Duration = timedelta(seconds=90)
    size: Size = 8 * 2**20
    rate: RateLimit | None = None
    secrets: Secrets = ()


def test_a_section_reads_and_writes_the_same_text() -> None:
    written = {"time": "1m30s", "size": "8MiB", "rate": "20/10s"}
    assert Sample.model_validate(written).model_dump(exclude={"secrets"}) == written


SECRETS = [
    ("a,b", ["a", "b"]),
    (" a , b ,", ["a", "b"]),
    (["a", "b"], ["a", "b"]),
    ("", []),
]


@pytest.mark.parametrize(("written", "expected"), SECRETS, ids=["commas", "spaces", "list", "nothing"])
def test_secrets_are_split(written: object, expected: list[str]) -> None:
    found: tuple[SecretStr, ...] = Sample.model_validate({"secrets": written}).secrets
    assert [secret.get_secret_value() for secret in found] == expected


def test_a_section_refuses_unknown_keys_and_hides_values() -> None:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate({"tiem": "canary-1", "time": "canary-2"})
    assert caught.value.error_count() == 2
    assert "canary" not in str(caught.value)


def test_a_suggestion_is_the_nearest_word_or_all_of_them() -> None:
    assert suggestion("slak", ["slack", "log"]) == "did you mean slack?"
    assert suggestion("zzz", ["slack", "log"]) == "known are log, slack"
    assert suggestion("zzz", []) == "there is none yet"
