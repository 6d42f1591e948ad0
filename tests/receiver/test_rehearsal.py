from datetime import UTC, datetime

import pytest

from receiver.events import EVENT, EVENT_TYPES, OWN_TYPES, SUBMISSION, Level, Via
from receiver.rehearsal import rehearse
from tests.support.kit import ids

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_every_type_can_be_rehearsed_and_says_that_it_is_one(type_: str) -> None:
    made = rehearse(type_, NOW, ids())
    assert (made.event.type, made.event.via) == (type_, Via.SIMULATED)
    assert EVENT.validate_json(EVENT.dump_json(made.event)) == made.event
    assert (made.submission is None) == (type_ in OWN_TYPES)
    assert made.event.submission_id == (made.submission.id if made.submission else None)
    if made.submission:
        assert made.submission.simulated
        assert SUBMISSION.validate_json(SUBMISSION.dump_json(made.submission)) == made.submission
    assert (made.event.error is None) == bool(made.event.results)


def test_nothing_that_can_not_be_fetched_is_in_it_unless_asked_for() -> None:
    (plain,) = rehearse("music.complete", NOW, ids()).event.results
    assert (plain.files, bool(plain.lyrics)) == ((), True)
    (shown,) = rehearse("music.complete", NOW, ids(), files=True).event.results
    assert {file.role for file in shown.files} == {"audio", "image"}


def test_our_own_types_have_their_level() -> None:
    levels = {type_: rehearse(type_, NOW, ids()).event.level for type_ in OWN_TYPES}
    assert {type_ for type_, level in levels.items() if level is Level.INFO} == {
        "submission.accepted",
        "handler.resumed",
    }


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("music.complet", "did you mean music.complete?"),
        ("song", "write one as music.complete"),
        ("", "write one as music.complete"),
        ("x.y.z", "write one as music.complete"),
    ],
)
def test_a_type_that_is_none_is_refused(word: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        rehearse(word, NOW, ids())
    assert str(caught.value).endswith(said)
