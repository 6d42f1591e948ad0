from typing import Any

import pytest

from receiver.cli.times import moment
from receiver.cli.waiting import left, worth_waiting

DUE = "2026-11-21T12:00:30.000Z"


def row(state: str, **changes: Any) -> dict[str, Any]:
    plain = {
        "id": "dlv_1",
        "handler": "team",
        "state": state,
        "waiting_for": None,
        "attempts": 0,
        "due_at": None,
        "error": None,
    }
    return plain | changes


PAUSED = row("waiting", waiting_for="pause")
NEEDY = row("waiting", waiting_for="need")
FAILED = row("pending", attempts=1, due_at=DUE, error="no answer.")


@pytest.mark.parametrize(
    ("rows", "worth"),
    [
        ([], False),
        ([row("delivered"), row("dead"), row("discarded")], False),
        ([row("running", attempts=3)], True),
        ([row("pending")], True),
        ([FAILED], False),
        ([PAUSED, NEEDY], False),
        ([NEEDY, row("running")], True),
    ],
    ids=["none", "ended", "running", "first try", "a retry ahead", "paused", "needed one runs"],
)
def test_only_what_ends_by_itself_before_long_is_worth_a_wait(rows: list[dict[str, Any]], worth: bool) -> None:
    assert worth_waiting(rows) is worth


@pytest.mark.parametrize(
    ("left_row", "said"),
    [
        (row("delivered"), []),
        (row("discarded", error="superseded by music.complete"), []),
        (row("dead", error="no."), ["team did not get it: no; see `receiver deliveries dlv_1`."]),
        (
            PAUSED | {"error": "it is gone."},
            ["team is paused: it is gone; it gets the song when its target answers again."],
        ),
        (NEEDY, ["team waits for the handlers that it needs."]),
        (FAILED, [f"team failed once: no answer; it is tried again at {moment(DUE, '%H:%M:%S')}."]),
        (
            FAILED | {"attempts": 3},
            [f"team failed 3 times: no answer; it is tried again at {moment(DUE, '%H:%M:%S')}."],
        ),
        (row("running", attempts=1), ["team has it not yet: see `receiver deliveries dlv_1`."]),
    ],
    ids=["delivered", "superseded", "dead", "paused", "needy", "failed", "failed again", "running"],
)
def test_whoever_has_it_not_is_said_with_the_reason(left_row: dict[str, Any], said: list[str]) -> None:
    assert list(left([left_row], {})) == said


def test_the_reason_of_a_pause_that_another_delivery_met_is_known_too() -> None:
    assert list(left([PAUSED], {"team": "the webhook is revoked"})) == [
        "team is paused: the webhook is revoked; it gets the song when its target answers again."
    ]


def test_the_oldest_is_said_first() -> None:
    rows = [row("dead", handler="second", error="no"), row("dead", handler="first", error="no")]
    assert [line.split()[0] for line in left(rows, {})] == ["first", "second"]
