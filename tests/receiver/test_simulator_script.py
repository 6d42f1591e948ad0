from typing import Any

import pytest

from receiver.simulator.script import Script, adapt
from receiver.simulator.tasks import OPERATIONS, Step, plan

GENERATE = OPERATIONS["/api/v1/generate"]
REPLACE_SECTION = OPERATIONS["/api/v1/generate/replace-section"]
FAST = Script(text_after=1, first_after=3, complete_after=6, whole_after=2)


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        pytest.param(
            {},
            [
                Step(1, "text", False, ("text",)),
                Step(2, "first", False, ("first",)),
                Step(3, "complete", True, ("complete",)),
            ],
            id="in order",
        ),
        pytest.param(
            {"lose": ["text", "complete"]},
            [Step(1, "text", False, ()), Step(2, "first", False, ("first",)), Step(3, "complete", True, ())],
            id="lost stages are still reached",
        ),
        pytest.param(
            {"duplicates": 2, "lose": ["first"]},
            [
                Step(1, "text", False, ("text", "text")),
                Step(2, "first", False, ()),
                Step(3, "complete", True, ("complete", "complete")),
            ],
            id="duplicates",
        ),
        pytest.param(
            {"reorder": True},
            [
                Step(1, "text", False, ()),
                Step(2, "first", False, ()),
                Step(3, "complete", True, ("complete", "first", "text")),
            ],
            id="the last stage first",
        ),
        pytest.param(
            {"half": "callback", "lose": ["text", "first"]},
            [
                Step(1, "text", False, ()),
                Step(2, "first", False, ()),
                Step(3, "complete", False, ("complete",)),
                Step(2, "complete", True, ("complete",)),
            ],
            id="half, then whole by callback",
        ),
        pytest.param(
            {"half": "status", "lose": ["text", "first"]},
            [
                Step(1, "text", False, ()),
                Step(2, "first", False, ()),
                Step(3, "complete", False, ("complete",)),
                Step(2, "complete", True, ()),
            ],
            id="half, then whole by status only",
        ),
        pytest.param({"fail": 501}, [Step(1, "failed", False, ("failed",))], id="failed"),
        pytest.param({"fail": 501, "lose": ["failed"]}, [Step(1, "failed", False, ())], id="failed unheard"),
        pytest.param(
            {"text_after": 9, "first_after": 0},
            [
                Step(9, "text", False, ("text",)),
                Step(0, "first", False, ("first",)),
                Step(0, "complete", True, ("complete",)),
            ],
            id="no stage overtakes an earlier one",
        ),
    ],
)
def test_plan_follows_the_script(changes: dict[str, Any], steps: list[Step]) -> None:
    assert plan(adapt(FAST, changes), GENERATE) == steps


def test_replace_section_is_called_back_once() -> None:
    assert plan(FAST, REPLACE_SECTION) == [Step(6, "complete", True, ("complete",))]


def test_request_overrides_only_what_it_names() -> None:
    adapted = adapt(Script(tracks=3, fail=400), {"fail": None, "lose": ["text"], "text_after": 0})
    assert adapted == Script(tracks=3, lose=frozenset({"text"}), text_after=0)


@pytest.mark.parametrize(
    ("wanted", "mistake"),
    [
        pytest.param("fail", "simulate: must be an object of the script's keys", id="no object"),
        pytest.param({"tracks": 1, "lost": 1, "explode": 2}, "simulate: unknown 'explode', 'lost'", id="unknown keys"),
        pytest.param({"fail": 200}, "simulate: fail: Input should be greater than or equal to 201", id="no failure"),
        pytest.param({"tracks": 0}, "simulate: tracks: Input should be greater than or equal to 1", id="no tracks"),
        pytest.param({"text_after": -1}, "simulate: text_after: Input should be greater than or equal to 0", id="past"),
        pytest.param(
            {"reply": "boom"},
            "simulate: reply: Input should be 'ok', 'refuse', 'html', 'hang', 'reset' or 'slow'",
            id="unknown word",
        ),
    ],
)
def test_script_that_can_not_be_used_is_refused_by_name(wanted: Any, mistake: str) -> None:
    with pytest.raises(ValueError) as caught:
        adapt(Script(), wanted)
    assert str(caught.value) == mistake
