"""What holds for every order of callbacks, replies and status answers."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from receiver.events import Stage, Via
from receiver.stages import Report, answered, replied, reported
from tests.support.stages import DEADLINE, complete, failed, first, half, moment, pending, submission, text

SOON = timedelta(seconds=30)
LATER = DEADLINE + timedelta(seconds=1)


@given(st.lists(st.sampled_from(["text", "first", "half", "complete", "failed", "pending", "reply"]), max_size=8))
def test_what_is_not_settled_is_always_asked_for_some_day(steps: list[str]) -> None:
    reports = {"text": text(), "first": first(), "half": half(), "complete": complete(), "failed": failed()}
    for task_id in (None, "task-1"):
        state = replace(submission(Stage.SENDING, None), ask_at=None, deadline_at=None)
        for step in steps:
            if step == "reply":
                state = replied(state, Report(stage=Stage.ACCEPTED, task_id=task_id), moment()).submission
            else:
                report = replace(reports.get(step, pending()), task_id=task_id)
                state = reported(state, report, moment()).submission
        settled = state.stage in {Stage.COMPLETE, Stage.FAILED} and not state.held
        assert settled == (state.ask_at is None) or not steps


@given(st.lists(st.sampled_from(["text", "first", "half", "complete", "failed", "status", "no answer"]), max_size=12))
def test_whatever_comes_in_whatever_order_no_fact_is_told_twice(steps: list[str]) -> None:
    reports = {"text": text(), "first": first(), "half": half(), "complete": complete(), "failed": failed()}
    state, told = submission(Stage.SENDING, None), list[str]()
    for step in steps:
        if step in reports:
            change = reported(state, reports[step], moment())
        else:
            answer = complete() if step == "status" else None
            change = answered(state, answer, moment(Via.STATUS, LATER), ask_again=SOON)
        state = change.submission
        told += [kind for kind in [event.type for event in change.events] if kind != "music.updated"]
    assert len(told) == len(set(told))
    finals = [kind for kind in told if kind in {"music.complete", "music.failed"}]
    assert finals in (["music.complete"], ["music.failed"], ["music.failed", "music.complete"], [])
    if "music.complete" in finals:
        assert state.stage is Stage.COMPLETE
