import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from receiver.events import Event, Failure, Level, Stage, Submission, Via
from receiver.stages import Change, Report, answered, expired, replied, reported, too_large, unrecognised
from tests.support.stages import (
    DEADLINE,
    NOON,
    complete,
    failed,
    first,
    half,
    moment,
    pending,
    submission,
    text,
    track,
)

SOON = timedelta(seconds=30)
LATER = DEADLINE + timedelta(seconds=1)


def types(change: Change) -> list[str]:
    return [event.type for event in change.events]


def after(*reports: Report, start: Submission | None = None) -> tuple[Submission, list[Event]]:
    """The submission after these callbacks in this order, and every event that they made."""
    state, events = start or submission(), list[Event]()
    for report in reports:
        change = reported(state, report, moment())
        state = change.submission
        events += change.events
    return state, events


@pytest.mark.parametrize(
    ("stage", "type_", "level"),
    [
        (Stage.ACCEPTED, "submission.accepted", Level.INFO),
        (Stage.REJECTED, "submission.rejected", Level.PROBLEM),
        (Stage.UNKNOWN, "submission.unknown", Level.PROBLEM),
    ],
)
def test_each_reply_moves_the_submission_and_says_so(stage: Stage, type_: str, level: Level) -> None:
    error = None if stage is Stage.ACCEPTED else Failure(code="x", message="why")
    verdict = Report(stage=stage, task_id="task-1", error=error)
    change = replied(submission(Stage.SENDING, None), verdict, moment())
    assert (change.submission.stage, change.submission.task_id) == (stage, "task-1")
    assert (change.submission.ask_at is None) == (stage is Stage.REJECTED)
    assert [(event.type, event.level, event.error) for event in change.events] == [(type_, level, error)]


def test_reply_after_the_callback_only_adds_the_task_id() -> None:
    arrived, _ = after(text(), start=submission(Stage.SENDING, None))
    change = replied(replace(arrived, task_id=None), Report(stage=Stage.ACCEPTED, task_id="task-1"), moment())
    assert (change.submission.stage, change.submission.task_id, types(change)) == (Stage.TEXT, "task-1", [])


def test_callbacks_in_order_make_one_event_each() -> None:
    state, events = after(text(), first(), complete())
    assert [event.type for event in events] == ["music.text", "music.first", "music.complete"]
    assert state.stage is Stage.COMPLETE
    assert state.ask_at is None
    assert not state.partial


def test_callback_before_the_reply_names_the_task() -> None:
    state, events = after(first(), start=submission(Stage.SENDING, None))
    assert (state.stage, state.task_id, len(events)) == (Stage.FIRST, "task-1", 1)


@pytest.mark.parametrize("late", [text(), first()], ids=["text", "first"])
@pytest.mark.parametrize("final", [complete(), failed()], ids=["complete", "failed"])
def test_late_lower_stage_changes_nothing(late: Report, final: Report) -> None:
    state, _ = after(final)
    change = reported(state, late, moment())
    assert (change.submission, types(change), change.remark) == (state, [], "late")


@pytest.mark.parametrize("order", list(itertools.permutations([text(), first(), complete()])))
def test_every_order_ends_complete_with_one_complete_event(order: tuple[Report, ...]) -> None:
    state, events = after(*order, *order)
    assert state.stage is Stage.COMPLETE
    assert [event.type for event in events].count("music.complete") == 1
    assert len({event.type for event in events}) == len(events)


def test_half_a_complete_is_held_and_asked_for_at_once() -> None:
    state, events = after(half())
    assert (state.stage, state.held, state.ask_at, events) == (Stage.ACCEPTED, "half", NOON, [])


@pytest.mark.parametrize("empty", [complete(track("a", None)), Report(stage=Stage.COMPLETE, task_id="task-1")])
def test_complete_without_any_audio_is_half(empty: Report) -> None:
    state, events = after(empty)
    assert (state.held, events) == ("half", [])


@pytest.mark.parametrize("rest", [complete(), complete(track("b"))], ids=["both again", "only the missing one"])
def test_half_becomes_whole_by_a_later_callback(rest: Report) -> None:
    state, events = after(half(), rest)
    assert (state.stage, state.held, state.partial) == (Stage.COMPLETE, None, False)
    assert [(event.type, event.partial, len(event.results)) for event in events] == [("music.complete", False, 2)]


def test_late_first_can_fill_a_half_complete() -> None:
    filling = Report(stage=Stage.FIRST, task_id="task-1", results=(track("b"),))
    state, events = after(half(), filling)
    assert (state.stage, [event.type for event in events]) == (Stage.COMPLETE, ["music.complete"])


def test_half_goes_out_partial_at_the_deadline() -> None:
    held, _ = after(half())
    change = answered(held, None, moment(Via.STATUS, LATER), ask_again=SOON)
    assert [(event.type, event.partial) for event in change.events] == [("music.complete", True)]
    assert (change.submission.partial, change.submission.ask_at) == (True, LATER + SOON)


def test_half_without_a_task_id_goes_out_partial_at_the_deadline() -> None:
    nameless = Report(stage=Stage.COMPLETE, results=(track("a"), track("b", None)))
    held, _ = after(nameless, start=submission(task_id=None))
    change = expired(held, moment(Via.STATUS, LATER), look_again=SOON)
    assert [(event.type, event.partial) for event in change.events] == [("music.complete", True)]


def test_files_after_a_partial_complete_make_an_update() -> None:
    held, _ = after(half())
    partial = answered(held, None, moment(Via.STATUS, LATER), ask_again=SOON).submission
    change = reported(partial, complete(), moment())
    assert types(change) == ["music.updated"]
    assert (change.submission.revision, change.submission.partial, change.submission.ask_at) == (1, False, None)


def test_the_missing_file_of_a_partial_complete_is_asked_for_on() -> None:
    held, _ = after(half())
    partial = answered(held, None, moment(Via.STATUS, LATER), ask_again=SOON).submission
    again = answered(partial, pending(), moment(Via.STATUS, LATER), ask_again=SOON)
    assert (types(again), again.submission.ask_at) == ([], LATER + SOON)
    given_up = answered(partial, pending(), moment(Via.STATUS, LATER), ask_again=None)
    assert (types(given_up), given_up.submission.stage) == ([], Stage.COMPLETE)


def test_a_repeated_half_keeps_asking_for_the_rest_of_a_partial_complete() -> None:
    held, _ = after(half())
    partial = answered(held, None, moment(Via.STATUS, LATER), ask_again=SOON).submission
    for change in (reported(partial, half(), moment()), replied(partial, Report(stage=Stage.ACCEPTED), moment())):
        assert (types(change), change.submission.ask_at) == ([], LATER + SOON)


def test_a_new_track_without_audio_does_not_make_a_complete_partial() -> None:
    state, _ = after(complete())
    bare = complete(track("c", None, "https://cdn.example/c.jpeg"))
    state, events = after(bare, start=state)
    assert ([event.type for event in events], state.partial, state.ask_at) == (["music.updated"], False, None)


def test_updates_are_numbered() -> None:
    state, _ = after(complete(track("a"), track("b")))
    more = complete(track("a", image="https://cdn.example/a.jpeg"))
    most = complete(track("b", image="https://cdn.example/b.jpeg"))
    state, events = after(more, most, start=state)
    assert ([event.type for event in events], state.revision) == (["music.updated"] * 2, 2)


def test_new_links_to_known_files_make_no_event() -> None:
    state, _ = after(complete())
    change = reported(state, complete(track("a", "https://new.example/a.mp3")), moment(Via.STATUS))
    audio = change.submission.results[0].file("audio")
    assert types(change) == []
    assert audio is not None
    assert audio.urls == ("https://new.example/a.mp3", "https://cdn.example/a.mp3")


def test_the_same_complete_again_does_not_bring_old_links_back() -> None:
    state, _ = after(complete())
    fresh = reported(state, complete(track("a", "https://new.example/a.mp3")), moment(Via.STATUS)).submission
    change = reported(fresh, complete(), moment(), duplicate=True)
    assert (change.submission, types(change)) == (fresh, [])


def test_failure_is_an_event_with_its_error() -> None:
    state, events = after(text(), failed())
    assert (state.stage, state.ask_at) == (Stage.FAILED, None)
    assert events[-1].type == "music.failed"
    assert events[-1].error == failed().error


def test_failed_after_complete_is_kept_without_event() -> None:
    state, _ = after(complete())
    change = reported(state, failed(), moment())
    assert (change.submission, types(change), change.remark) == (state, [], "failed after complete")


def test_complete_after_failed_waits_for_one_status_call() -> None:
    state, events = after(failed(), complete())
    assert (state.stage, state.held, state.ask_at) == (Stage.FAILED, "conflict", NOON)
    assert [event.type for event in events] == ["music.failed"]


@pytest.mark.parametrize("answer", [complete(), pending(), None], ids=["complete", "pending", "no answer"])
def test_complete_wins_over_failed_unless_the_status_says_failed(answer: Report | None) -> None:
    held, _ = after(failed(), complete())
    change = answered(held, answer, moment(Via.STATUS), ask_again=SOON)
    assert (change.submission.stage, change.submission.held) == (Stage.COMPLETE, None)
    assert (types(change), change.submission.error, change.submission.ask_at) == (["music.complete"], None, None)


def test_failed_stays_where_the_status_says_failed() -> None:
    held, _ = after(failed(), complete())
    change = answered(held, failed(), moment(Via.STATUS), ask_again=SOON)
    assert (change.submission.stage, change.submission.held, types(change)) == (Stage.FAILED, None, [])


def test_complete_after_failed_without_a_task_id_wins_at_once() -> None:
    bare = submission(task_id=None)
    state, events = after(replace(failed(), task_id=None), replace(complete(), task_id=None), start=bare)
    assert state.stage is Stage.COMPLETE
    assert [event.type for event in events] == ["music.failed", "music.complete"]


def test_failed_after_half_a_complete_lets_the_status_decide() -> None:
    state, events = after(half(), failed())
    assert (state.held, events) == ("half", [])
    change = answered(state, failed(), moment(Via.STATUS), ask_again=SOON)
    assert (change.submission.stage, types(change)) == (Stage.FAILED, ["music.failed"])


@pytest.mark.parametrize("stage", [Stage.UNKNOWN, Stage.REJECTED, Stage.LOST])
def test_any_valid_callback_moves_an_open_end_on(stage: Stage) -> None:
    state, events = after(complete(), start=replace(submission(stage), ask_at=None))
    assert (state.stage, [event.type for event in events]) == (Stage.COMPLETE, ["music.complete"])


def test_a_lost_submission_that_comes_back_is_looked_after_again() -> None:
    state, _ = after(text(), start=replace(submission(Stage.LOST), ask_at=None))
    assert state.ask_at is not None


def test_another_tasks_id_is_unrecognised_and_never_adopted() -> None:
    change = reported(submission(), replace(complete(), task_id="task-2"), moment())
    assert (types(change), change.submission) == (["callback.unrecognised"], submission())


def test_the_same_unrecognised_body_is_told_once() -> None:
    assert types(unrecognised(submission(), "odd", moment())) == ["callback.unrecognised"]
    assert types(unrecognised(submission(), "odd", moment(), duplicate=True)) == []


def test_a_body_over_the_limit_is_recorded_and_asked_for() -> None:
    change = too_large(submission(), "its body is too large", moment())
    assert (types(change), change.submission.ask_at) == (["callback.unrecognised"], NOON)


@pytest.mark.parametrize("answer", [pending(), None], ids=["pending", "no answer"])
def test_overdue_is_told_once_and_asking_goes_on(answer: Report | None) -> None:
    late = answered(submission(), answer, moment(Via.STATUS, LATER), ask_again=SOON)
    assert (types(late), late.submission.ask_at, late.submission.asks) == (["submission.overdue"], LATER + SOON, 1)
    again = answered(late.submission, answer, moment(Via.STATUS, LATER + SOON), ask_again=SOON)
    assert (types(again), again.submission.asks) == ([], 2)


def test_asking_before_the_deadline_is_no_problem() -> None:
    early = answered(submission(), pending(), moment(Via.STATUS), ask_again=SOON)
    assert (types(early), early.submission.ask_at) == ([], NOON + SOON)


def test_status_answer_settles_like_a_callback() -> None:
    change = answered(submission(), complete(), moment(Via.STATUS, LATER), ask_again=SOON)
    assert [(event.type, event.via) for event in change.events] == [("music.complete", Via.STATUS)]
    assert change.submission.ask_at is None


def test_what_nobody_answers_for_is_lost_in_the_end() -> None:
    change = answered(submission(), pending(), moment(Via.STATUS, LATER), ask_again=None)
    assert (change.submission.stage, change.submission.ask_at) == (Stage.LOST, None)
    assert types(change) == ["submission.lost"]


def test_without_a_task_id_the_deadline_is_the_end() -> None:
    change = expired(submission(Stage.UNKNOWN, None), moment(Via.STATUS, LATER), look_again=SOON)
    assert (change.submission.stage, types(change)) == (Stage.LOST, ["submission.lost"])


def test_a_finished_submission_is_not_lost_by_its_deadline() -> None:
    done, _ = after(complete())
    change = expired(replace(done, ask_at=LATER), moment(Via.STATUS, LATER), look_again=SOON)
    assert (change.submission.stage, types(change)) == (Stage.COMPLETE, [])


def test_before_the_deadline_nobody_is_lost() -> None:
    change = expired(submission(Stage.ACCEPTED, None), moment(Via.STATUS), look_again=SOON)
    assert (change.submission.stage, change.submission.ask_at, types(change)) == (Stage.ACCEPTED, NOON + SOON, [])


def test_a_reply_that_is_still_out_keeps_a_short_deadline_waiting() -> None:
    hasty = replace(submission(Stage.SENDING, None), deadline_at=NOON + timedelta(seconds=1))
    change = expired(hasty, moment(Via.STATUS, NOON + SOON), look_again=SOON)
    assert (change.submission.stage, types(change)) == (Stage.SENDING, [])
    change = expired(hasty, moment(Via.STATUS, NOON + timedelta(minutes=3)), look_again=SOON)
    assert (change.submission.stage, types(change)) == (Stage.LOST, ["submission.lost"])


@pytest.mark.parametrize(
    ("verdict", "stage", "asked"),
    [
        (Stage.ACCEPTED, Stage.ACCEPTED, True),
        (Stage.REJECTED, Stage.REJECTED, False),
        (Stage.UNKNOWN, Stage.LOST, False),
    ],
)
def test_a_reply_to_what_was_given_up_brings_it_back(verdict: Stage, stage: Stage, asked: bool) -> None:
    gone = replace(submission(Stage.LOST, None), ask_at=None)
    change = replied(gone, Report(stage=verdict, task_id="task-1"), moment())
    assert (change.submission.stage, change.submission.ask_at is not None) == (stage, asked)


def test_a_refused_reply_does_not_undo_a_half_song() -> None:
    held, _ = after(replace(half(), task_id=None), start=submission(Stage.SENDING, None))
    change = replied(held, Report(stage=Stage.REJECTED), moment())
    assert (change.submission.held, change.submission.ask_at, types(change)) == ("half", DEADLINE, [])


@pytest.mark.parametrize("early", [text(), first()], ids=["text", "first"])
def test_complete_wins_over_failed_where_the_status_is_behind(early: Report) -> None:
    held, _ = after(failed(), complete())
    change = answered(held, early, moment(Via.STATUS), ask_again=SOON)
    assert (change.submission.stage, types(change)) == (Stage.COMPLETE, ["music.complete"])


def test_a_conflict_that_nobody_can_settle_is_won_by_the_song() -> None:
    held, _ = after(failed(), complete())
    change = expired(held, moment(Via.STATUS), look_again=SOON)
    assert (change.submission.stage, change.submission.partial, types(change)) == (
        Stage.COMPLETE,
        False,
        ["music.complete"],
    )


def test_a_half_song_on_a_url_made_ahead_goes_out_at_its_deadline() -> None:
    ahead = replace(submission(task_id=None), deadline_at=None, ask_at=None)
    held, _ = after(replace(half(), task_id=None), start=ahead)
    assert held.ask_at == held.deadline_at == NOON + timedelta(minutes=5)
    change = expired(held, moment(Via.STATUS, LATER), look_again=SOON)
    assert [(event.type, event.partial) for event in change.events] == [("music.complete", True)]


def test_a_word_nobody_knows_still_starts_the_clock() -> None:
    ahead = replace(submission(), deadline_at=None, ask_at=None)
    state, events = after(pending(), start=ahead)
    assert (state.ask_at, events) == (NOON + timedelta(minutes=5), [])


def test_files_of_a_pending_answer_are_told_too() -> None:
    held, _ = after(half())
    rest = Report(stage=None, task_id="task-1", results=(track("b"),))
    whole = answered(held, rest, moment(Via.STATUS), ask_again=SOON)
    assert [(event.type, event.partial) for event in whole.events] == [("music.complete", False)]
    partial = answered(held, None, moment(Via.STATUS, LATER), ask_again=SOON).submission
    updated = answered(partial, rest, moment(Via.STATUS, LATER), ask_again=SOON)
    assert (types(updated), updated.submission.partial) == (["music.updated"], False)


def test_a_rehearsal_is_never_asked_for() -> None:
    rehearsal = replace(submission(), simulated=True, ask_at=None)
    for report in (half(), failed()):
        state, _ = after(report, complete(), start=rehearsal)
        assert state.ask_at is None
    held, _ = after(half(), start=rehearsal)
    assert held.ask_at == DEADLINE
