"""What holds for every order of callbacks, replies and status answers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.events import Stage, Submission, Via
from receiver.stages import Change, Report, answered, doubted, replied, reported
from tests.support.stages import DEADLINE, complete, failed, first, half, moment, pending, submission, text

Step = Callable[[Submission], Change]
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


def callback_of(report: Report) -> Step:
    return lambda state: reported(state, report, moment())


def status_of(report: Report | None, *, last: bool = False) -> Step:
    at = moment(Via.STATUS, LATER)
    return lambda state: answered(state, report, at, ask_again=None if last else SOON)


def reply_of(stage: Stage) -> Step:
    return lambda state: replied(state, Report(stage=stage, task_id="task-1"), moment())


EVERY: dict[str, Step] = {
    "text": callback_of(text()),
    "first": callback_of(first()),
    "half": callback_of(half()),
    "complete": callback_of(complete()),
    "failed": callback_of(failed()),
    "accepted": reply_of(Stage.ACCEPTED),
    "unknown": reply_of(Stage.UNKNOWN),
    "rejected": reply_of(Stage.REJECTED),
    "status pending": status_of(pending()),
    "status complete": status_of(complete()),
    "status half": status_of(half()),
    "status failed": status_of(failed()),
    "no status": status_of(None),
    "the last status": status_of(None, last=True),
    "doubted": lambda state: doubted(state, "its signature is missing", moment()),
}


REPLIES = {"accepted", "unknown", "rejected"}


def answered_once(steps: list[str]) -> list[str]:
    """A submission is sent once, and so it has one answer: the first."""
    first_reply = next((place for place, step in enumerate(steps) if step in REPLIES), None)
    return [step for place, step in enumerate(steps) if step not in REPLIES or place == first_reply]


@given(st.lists(st.sampled_from(sorted(EVERY)), max_size=14))
@settings(max_examples=600, deadline=None)
def test_every_order_of_reply_callbacks_and_status_answers_ends_right(steps: list[str]) -> None:
    steps = answered_once(steps)
    state, told = submission(Stage.SENDING, None), list[str]()
    for step in steps:
        change = EVERY[step](state)
        state = change.submission
        # The store keeps a fact once; a stage that is heard again after `lost` is the same fact.
        told += [event.type for event in change.events if event.type not in {*told, "music.updated"}]
        again = EVERY[step](state)
        assert [event.type for event in again.events if event.type not in told] == []
    finals = [kind for kind in told if kind in {"music.complete", "music.failed"}]
    assert finals in ([], ["music.complete"], ["music.failed"], ["music.failed", "music.complete"])
    # What a provider has finished stays finished, whatever else it says.
    if "complete" in steps and "failed" not in steps and "status failed" not in steps:
        assert state.stage is Stage.COMPLETE or state.held
    if not {"text", "first", "half", "complete", "failed"} & set(steps) and not [s for s in steps if "status" in s]:
        assert finals == []
