"""What becomes of a submission: forward only, and never half. Pure; the clock and new ids are passed in.

A decision takes the submission as it is in the transaction and returns what it becomes, with the events to emit.
Every function here may run again with the same input: a fact that is known already makes no second event.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from receiver.events import Event, Failure, Level, Result, Stage, Submission, Trust, Via
from receiver.results import has_main, merge, new_files

# For a submission whose clock starts with its first callback, or that one brought back after it had been given up.
_PATIENCE = timedelta(minutes=5)

_RANK = {Stage.TEXT: 1, Stage.FIRST: 2, Stage.COMPLETE: 3, Stage.FAILED: 3}
HALF, CONFLICT = "half", "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a callback or a status answer says. `stage` is text, first, complete or failed; None: still pending."""

    stage: Stage | None
    task_id: str | None = None
    results: tuple[Result, ...] = ()
    error: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of a submission: its new state, the events that go with it, and a word kept with the callback."""

    submission: Submission
    events: tuple[Event, ...] = ()
    remark: str = ""


# Called inside the transaction with the submission as it is, and whether this very body was kept before.
Decide = Callable[[Submission, bool], Change]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What surrounds a decision: the time, how the fact came, and where new ids come from.

    `main_role` is the file that every result must have before the operation counts as complete.
    """

    now: datetime
    new_id: Callable[[str], str]
    via: Via = Via.CALLBACK
    trust: Trust = Trust.TOKEN
    main_role: str | None = None


def replied(submission: Submission, verdict: Report, moment: Moment) -> Change:
    """The provider's reply to the submission itself: accepted, rejected or unknown.

    A callback may have come before it: then only the task id is new.
    """
    known = replace(submission, task_id=verdict.task_id or submission.task_id)
    if submission.stage is not Stage.SENDING or verdict.stage is None:
        return Change(submission=known, remark="after the callback")
    moved = replace(known, stage=verdict.stage, error=verdict.error)
    if verdict.stage is Stage.REJECTED:
        moved = replace(moved, ask_at=None)
    level = Level.INFO if verdict.stage is Stage.ACCEPTED else Level.PROBLEM
    told = own_event(moved, f"submission.{verdict.stage}", moment, level=level, error=verdict.error)
    return Change(submission=moved, events=(told,), remark=verdict.stage)


def reported(submission: Submission, report: Report, moment: Moment, *, duplicate: bool = False) -> Change:
    """A callback or a status answer that a parser understood."""
    if report.task_id and submission.task_id and report.task_id != submission.task_id:
        return unrecognised(submission, "it names another task than its submission's", moment, duplicate=duplicate)
    if duplicate and submission.stage in {Stage.COMPLETE, Stage.FAILED} and not submission.held:
        # Merged again, its addresses would come before fresher ones.
        return Change(submission=submission, remark="again")
    match report.stage:
        case Stage.TEXT | Stage.FIRST:
            return _on_early(submission, report, report.stage, moment)
        case Stage.COMPLETE:
            return _on_complete(submission, report, moment)
        case Stage.FAILED:
            return _on_failed(submission, report, moment)
        case _:
            return _on_pending(_hear(submission, report, moment), moment)


def unrecognised(submission: Submission, reason: str, moment: Moment, *, duplicate: bool = False) -> Change:
    """A body that no parser understands, or that contradicts its token: kept and shown, once."""
    error = Failure(
        code="callback.unrecognised",
        message=f"A callback was kept but not understood: {reason}.",
        advice="Look at its raw body; after an upgrade it can be parsed again.",
    )
    told = own_event(submission, "callback.unrecognised", moment, error=error)
    return Change(submission=submission, events=() if duplicate else (told,), remark=f"unrecognised: {reason}")


def too_large(submission: Submission, size: int, limit: int, moment: Moment) -> Change:
    """A body over the limit was refused: the status call is asked at once for what it said."""
    reason = f"its body of {size} bytes or more is over limits.callback_body ({limit} bytes)"
    change = unrecognised(submission, reason, moment)
    return replace(change, submission=_ask_now(submission, moment))


def answered(submission: Submission, report: Report | None, moment: Moment, *, ask_again: timedelta | None) -> Change:
    """The outcome of one status call; `report` is None where the provider gave no readable answer.

    At the deadline a half `complete` goes out partial, and what is still pending is overdue. `ask_again` is the delay
    until the next call; None: there will be none, and what is still pending then is lost.
    """
    change = reported(submission, report, moment) if report else _on_pending(submission, moment)
    after = replace(change.submission, asks=submission.asks + 1)
    if _is_settled(after, moment):
        return replace(change, submission=replace(after, ask_at=None))
    if ask_again is None:
        due = _give_up(replace(after, ask_at=None), moment)
    else:
        due = _at_deadline(replace(after, ask_at=moment.now + ask_again), moment)
    return replace(change, submission=due.submission, events=change.events + due.events)


def expired(submission: Submission, moment: Moment) -> Change:
    """The deadline of a submission without a task id: nobody can be asked."""
    return _give_up(replace(submission, ask_at=None), moment)


def own_event(
    submission: Submission, type_: str, moment: Moment, *, level: Level = Level.PROBLEM, error: Failure | None = None
) -> Event:
    """An event of ours about a submission."""
    return _event(submission, type_, moment, level=level, stage=str(submission.stage), error=error)


def _on_early(submission: Submission, report: Report, stage: Stage, moment: Moment) -> Change:
    if _RANK[stage] <= _RANK.get(submission.stage, 0):
        return Change(submission=submission, remark="late")
    heard = _hear(submission, report, moment)
    if submission.held == HALF:
        # A final callback is already kept: this one only adds to it.
        return _offer(heard, moment, remark="late")
    ask_at = heard.ask_at or moment.now + _PATIENCE
    moved = replace(heard, stage=stage, via=moment.via, error=None, ask_at=ask_at)
    return Change(submission=moved, events=(_fact(moved, stage, moment),), remark=stage)


def _on_complete(submission: Submission, report: Report, moment: Moment) -> Change:
    heard = _hear(submission, report, moment)
    if submission.stage is Stage.COMPLETE:
        return _update(submission, heard, moment)
    if submission.stage is Stage.FAILED and moment.via is not Via.STATUS and heard.task_id:
        return Change(submission=_ask_now(replace(heard, held=CONFLICT), moment), remark="held: conflict")
    return _offer(heard, moment, remark="half")


def _on_failed(submission: Submission, report: Report, moment: Moment) -> Change:
    if submission.stage is Stage.COMPLETE:
        return Change(submission=submission, remark="failed after complete")
    heard = _hear(submission, report, moment)
    if submission.held == HALF and moment.via is not Via.STATUS and heard.task_id:
        return Change(submission=_ask_now(heard, moment), remark="failed after half a complete")
    if submission.stage is Stage.FAILED:
        settled = moment.via is Via.STATUS
        return Change(submission=replace(submission, held=None) if settled else submission, remark="again")
    moved = replace(heard, stage=Stage.FAILED, via=moment.via, error=report.error, held=None, ask_at=None)
    return Change(submission=moved, events=(_fact(moved, Stage.FAILED, moment),), remark=Stage.FAILED)


def _on_pending(submission: Submission, moment: Moment) -> Change:
    """Nothing new; but a `complete` that came after `failed` wins unless the status call says failed."""
    if submission.held == CONFLICT and moment.via is Via.STATUS:
        return _offer(submission, moment, remark="half")
    return Change(submission=submission, remark="pending")


def _offer(submission: Submission, moment: Moment, *, remark: str) -> Change:
    """Complete where every result has its main file, else held as half and asked for at once."""
    if is_whole(submission, moment):
        return _complete(submission, moment)
    return Change(submission=_ask_now(replace(submission, held=HALF), moment), remark=remark)


def _complete(submission: Submission, moment: Moment, *, partial: bool = False) -> Change:
    moved = replace(
        submission,
        stage=Stage.COMPLETE,
        via=moment.via,
        error=None,
        held=None,
        partial=partial,
        ask_at=submission.ask_at if partial else None,
    )
    return Change(submission=moved, events=(_fact(moved, Stage.COMPLETE, moment),), remark=Stage.COMPLETE)


def _update(before: Submission, merged: Submission, moment: Moment) -> Change:
    """Files that come after `complete` make an update; new links to known files do not."""
    partial = before.partial and not is_whole(merged, moment)
    moved = replace(merged, partial=partial, ask_at=before.ask_at if partial else None)
    if not new_files(before.results, merged.results):
        return Change(submission=moved, remark="again")
    moved = replace(moved, revision=before.revision + 1)
    return Change(submission=moved, events=(_fact(moved, "updated", moment),), remark="updated")


def _at_deadline(submission: Submission, moment: Moment) -> Change:
    if submission.deadline_at is None or moment.now < submission.deadline_at:
        return Change(submission=submission)
    if submission.held == HALF:
        return _complete(submission, moment, partial=True)
    if submission.overdue or submission.stage is Stage.COMPLETE:
        return Change(submission=submission)
    error = Failure(
        code="submission.overdue",
        message="No final callback has come by the deadline, and a status call did not show it done.",
        advice="Nothing to do yet: the provider is asked again until it answers or a day has passed.",
    )
    late = replace(submission, overdue=True)
    return Change(submission=late, events=(own_event(late, "submission.overdue", moment, error=error),))


def _give_up(submission: Submission, moment: Moment) -> Change:
    if submission.held == HALF:
        return _complete(submission, moment, partial=True)
    if submission.stage in {Stage.COMPLETE, Stage.FAILED, Stage.REJECTED}:
        return Change(submission=submission)
    return _lost(submission, moment)


def _lost(submission: Submission, moment: Moment) -> Change:
    error = Failure(
        code="submission.lost",
        message="No final callback has come, and the provider can't tell what became of it.",
        advice="Look for it at the provider before you submit again: it may have been billed.",
    )
    gone = replace(submission, stage=Stage.LOST, ask_at=None)
    return Change(submission=gone, events=(own_event(gone, "submission.lost", moment, error=error),))


def is_whole(submission: Submission, moment: Moment) -> bool:
    """Whether every result has its main file; a song without any result is not whole."""
    if moment.main_role is None:
        return True
    return bool(submission.results) and all(has_main(result, moment.main_role) for result in submission.results)


def _is_settled(submission: Submission, moment: Moment) -> bool:
    if submission.held:
        return False
    if submission.stage is Stage.COMPLETE:
        return not submission.partial
    return submission.stage in {Stage.FAILED, Stage.REJECTED, Stage.LOST}


def _hear(submission: Submission, report: Report, moment: Moment) -> Submission:
    """The submission with what a report brings. A URL that was made ahead has no deadline until it is used."""
    starts = submission.deadline_at is None and moment.via is not Via.STATUS
    return replace(
        submission,
        task_id=submission.task_id or report.task_id,
        deadline_at=moment.now + _PATIENCE if starts else submission.deadline_at,
        results=merge(submission.results, report.results),
    )


def _ask_now(submission: Submission, moment: Moment) -> Submission:
    return replace(submission, ask_at=moment.now) if submission.task_id else submission


def _fact(submission: Submission, stage: str, moment: Moment) -> Event:
    return _event(submission, f"{submission.kind}.{stage}", moment, stage=str(stage), error=submission.error)


def _event(submission: Submission, type_: str, moment: Moment, **fields: Any) -> Event:
    return Event(
        id=moment.new_id("evt"),
        type=type_,
        operation=submission.operation,
        partial=submission.partial,
        provider=submission.provider,
        task_id=submission.task_id,
        submission_id=submission.id,
        client=submission.client,
        labels=submission.labels,
        occurred_at=moment.now,
        received_at=moment.now,
        via=Via.SIMULATED if submission.simulated else moment.via,
        trust=moment.trust,
        results=submission.results,
        **fields,
    )
