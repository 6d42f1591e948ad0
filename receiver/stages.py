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
# No answer to a submission takes longer than this: the gateway waits for less.
_SENDING = timedelta(minutes=2)

_RANK = {Stage.TEXT: 1, Stage.FIRST: 2, Stage.COMPLETE: 3, Stage.FAILED: 3}
_OPEN = frozenset({Stage.SENDING, Stage.UNKNOWN, Stage.ACCEPTED, Stage.TEXT, Stage.FIRST})
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
    """The provider's reply to the submission itself: accepted, rejected or unknown; complete where it made it at once.

    A callback may have come before it: then only the task id is new. What was given up meanwhile comes back.
    """
    task_id = verdict.task_id or submission.task_id
    waited = submission.stage is Stage.SENDING or (
        submission.stage is Stage.LOST and verdict.stage is not Stage.UNKNOWN
    )
    if submission.held or not waited or verdict.stage is None:
        return Change(submission=_move(submission, moment, task_id=task_id), remark="after the callback")
    if verdict.stage is Stage.COMPLETE:
        made = replace(submission, task_id=task_id, results=verdict.results)
        # Nothing is missing in what came at once, whatever it is.
        return _complete(made, replace(moment, main_role=None))
    moved = _move(submission, moment, task_id=task_id, stage=verdict.stage, error=verdict.error)
    level = Level.INFO if verdict.stage is Stage.ACCEPTED else Level.PROBLEM
    told = own_event(moved, f"submission.{verdict.stage}", moment, level=level, error=verdict.error)
    return Change(submission=moved, events=(told,), remark=verdict.stage)


def reported(submission: Submission, report: Report, moment: Moment, *, duplicate: bool = False) -> Change:
    """A callback or a status answer that a parser understood."""
    if report.task_id and submission.task_id and report.task_id != submission.task_id:
        return unrecognised(submission, "it names another task than its submission's", moment, duplicate=duplicate)
    if duplicate and submission.stage in {Stage.COMPLETE, Stage.FAILED}:
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
            return _on_pending(submission, report, moment)


def asked_at_once(change: Change, moment: Moment) -> Change:
    """The same, with a status call now: what it waits for may have come long ago."""
    submission = change.submission
    due = submission.stage is Stage.ACCEPTED and _can_be_asked(submission)
    return replace(change, submission=replace(submission, ask_at=moment.now)) if due else change


def doubted(submission: Submission, reason: str, moment: Moment, *, task_id: str | None = None) -> Change:
    """A callback that is kept and believed only when a status call agrees, which is asked for at once.

    `task_id` is what it names, where that much of it is believed. Where nobody can be asked its deadline is the end.
    """
    if _is_settled(submission):
        return Change(submission=submission, remark=f"held: {reason}")
    deadline_at = submission.deadline_at or moment.now + _PATIENCE
    heard = replace(submission, task_id=submission.task_id or task_id, deadline_at=deadline_at)
    ask_at = moment.now if _can_be_asked(heard) else heard.ask_at or deadline_at
    return Change(submission=replace(heard, ask_at=ask_at), remark=f"held: {reason}")


def unrecognised(submission: Submission, reason: str, moment: Moment, *, duplicate: bool = False) -> Change:
    """A body that no parser understands, or that contradicts its token: kept and shown, once."""
    error = Failure(
        code="callback.unrecognised",
        message=f"A callback was kept but not understood: {reason}.",
        advice="Look at its raw body; after an upgrade it can be parsed again.",
    )
    told = own_event(submission, "callback.unrecognised", moment, error=error)
    return Change(submission=submission, events=() if duplicate else (told,), remark=f"unrecognised: {reason}")


def too_large(submission: Submission, reason: str, moment: Moment, *, duplicate: bool = False) -> Change:
    """A body over the limit was refused: the status call is asked at once for what it said."""
    change = unrecognised(submission, reason, moment, duplicate=duplicate)
    asked = replace(submission, ask_at=moment.now) if _can_be_asked(submission) else submission
    return replace(change, submission=asked)


def answered(
    submission: Submission,
    report: Report | None,
    moment: Moment,
    *,
    ask_again: timedelta | None,
    duplicate: bool = False,
) -> Change:
    """The outcome of one status call; `report` is None where the provider gave no readable answer.

    At the deadline a half `complete` goes out partial, and what is still pending is overdue. `ask_again` is the delay
    until the next call; None: there will be none, and what is still pending then is lost.
    """
    change = reported(submission, report, moment) if report else _unanswered(submission, moment)
    if duplicate and change.remark.startswith("unrecognised"):
        # The same wrong answer, asked for again and again, is told once.
        change = replace(change, events=())
    after = replace(change.submission, asks=submission.asks + 1, ask_at=moment.now + ask_again if ask_again else None)
    if _is_settled(after):
        return replace(change, submission=replace(after, ask_at=None))
    due = _at_deadline(after, moment) if ask_again else _give_up(after, moment)
    return replace(change, submission=due.submission, events=change.events + due.events)


def expired(submission: Submission, moment: Moment, *, look_again: timedelta) -> Change:
    """The time to ask about a submission that nobody can be asked about; before its deadline, it is put off."""
    if _is_settled(submission):
        return Change(submission=replace(submission, ask_at=None))
    end = submission.deadline_at or moment.now
    if submission.stage is Stage.SENDING:
        # Its answer, with the task id, may still be on its way.
        end = max(end, submission.created_at + _SENDING)
    if moment.now < end and submission.held != CONFLICT:
        return Change(submission=replace(submission, ask_at=min(end, moment.now + look_again)))
    return _give_up(replace(submission, ask_at=None), moment)


def own_event(
    submission: Submission, type_: str, moment: Moment, *, level: Level = Level.PROBLEM, error: Failure | None = None
) -> Event:
    """An event of ours about a submission."""
    return _event(submission, type_, moment, level=level, stage=str(submission.stage), error=error)


def _on_early(submission: Submission, report: Report, stage: Stage, moment: Moment) -> Change:
    if _RANK[stage] <= _RANK.get(submission.stage, 0) and not _is_resolved(submission, moment):
        return Change(submission=submission, remark="late")
    heard = _hear(submission, report, moment)
    if submission.held:
        # A final callback is already kept: this one only adds to it.
        return _offer(heard, moment)
    moved = _move(heard, moment, stage=stage, via=moment.via, error=None)
    return Change(submission=moved, events=(_fact(moved, stage, moment),), remark=stage)


def _on_complete(submission: Submission, report: Report, moment: Moment) -> Change:
    heard = _hear(submission, report, moment)
    if submission.stage is Stage.COMPLETE:
        return _update(submission, heard, moment)
    if submission.stage is Stage.FAILED and moment.via is not Via.STATUS and _can_be_asked(heard):
        return Change(submission=_move(heard, moment, held=CONFLICT), remark="held: conflict")
    return _offer(heard, moment)


def _on_failed(submission: Submission, report: Report, moment: Moment) -> Change:
    if submission.stage is Stage.COMPLETE:
        return Change(submission=submission, remark="failed after complete")
    heard = _hear(submission, report, moment)
    if submission.held == HALF and moment.via is not Via.STATUS and _can_be_asked(heard):
        return Change(submission=_move(heard, moment), remark="failed after half a complete")
    if submission.stage is Stage.FAILED:
        settled = moment.via is Via.STATUS
        return Change(submission=replace(submission, held=None) if settled else submission, remark="again")
    moved = replace(heard, stage=Stage.FAILED, via=moment.via, error=report.error, held=None, ask_at=None)
    return Change(submission=moved, events=(_fact(moved, Stage.FAILED, moment),), remark=Stage.FAILED)


def _on_pending(submission: Submission, report: Report, moment: Moment) -> Change:
    """No stage that we know; but it may bring files."""
    heard = _hear(submission, report, moment)
    if submission.stage is Stage.COMPLETE:
        return _update(submission, heard, moment)
    if submission.held == HALF or _is_resolved(submission, moment):
        return _offer(heard, moment)
    return Change(submission=_move(heard, moment), remark="pending")


def _unanswered(submission: Submission, moment: Moment) -> Change:
    return _offer(submission, moment) if _is_resolved(submission, moment) else Change(submission=submission)


def _offer(submission: Submission, moment: Moment) -> Change:
    """Complete where every result has its main file, else held as half and asked for at once."""
    if is_whole(submission, moment):
        return _complete(submission, moment)
    return Change(submission=_move(submission, moment, held=HALF), remark="half")


def _complete(submission: Submission, moment: Moment) -> Change:
    partial = not is_whole(submission, moment)
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


def _update(before: Submission, heard: Submission, moment: Moment) -> Change:
    """Files that come after `complete` make an update; new links to known files do not."""
    partial = before.partial and not is_whole(heard, moment)
    ask_at = before.ask_at if partial or not before.partial else None
    moved = replace(heard, partial=partial, ask_at=ask_at)
    if not new_files(before.results, heard.results):
        return Change(submission=moved, remark="again")
    moved = replace(moved, revision=before.revision + 1)
    return Change(submission=moved, events=(_fact(moved, "updated", moment),), remark="updated")


def _at_deadline(submission: Submission, moment: Moment) -> Change:
    if submission.deadline_at is None or moment.now < submission.deadline_at:
        return Change(submission=submission)
    if submission.held:
        return _complete(submission, moment)
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
    if submission.held:
        return _complete(submission, moment)
    if submission.stage not in _OPEN:
        return Change(submission=submission)
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


def _is_settled(submission: Submission) -> bool:
    return not submission.held and not submission.partial and submission.stage not in _OPEN


def _is_resolved(submission: Submission, moment: Moment) -> bool:
    """A `complete` that came after `failed` wins, unless the one status call says failed too."""
    return submission.held == CONFLICT and moment.via is Via.STATUS


def _can_be_asked(submission: Submission) -> bool:
    """Whether a status call can tell more; a rehearsal's task is none of the provider's."""
    return submission.task_id is not None and not submission.simulated


def _hear(submission: Submission, report: Report, moment: Moment) -> Submission:
    """The submission with what a report brings. A URL that was made ahead has no deadline until it is used."""
    starts = submission.deadline_at is None and moment.via is not Via.STATUS
    return replace(
        submission,
        task_id=submission.task_id or report.task_id,
        deadline_at=moment.now + _PATIENCE if starts else submission.deadline_at,
        results=merge(submission.results, report.results),
    )


def _move(submission: Submission, moment: Moment, **changes: Any) -> Submission:
    """The submission with these changes, and with the time when the provider is asked next."""
    moved = replace(submission, **changes)
    ask_at = _ask_at(moved, moment)
    return moved if ask_at == moved.ask_at else replace(moved, ask_at=ask_at)


def _ask_at(submission: Submission, moment: Moment) -> datetime | None:
    """What is held is asked for at once, what is open at its deadline; of the rest only fresh links are asked for."""
    if submission.held and _can_be_asked(submission):
        return moment.now
    if submission.held or submission.stage in _OPEN:
        return submission.ask_at or max(submission.deadline_at or moment.now + _PATIENCE, moment.now)
    return submission.ask_at if submission.stage is Stage.COMPLETE else None


def _fact(submission: Submission, stage: str, moment: Moment) -> Event:
    forward = submission.forward and not submission.simulated
    type_ = f"{submission.kind}.{stage}"
    return _event(submission, type_, moment, stage=str(stage), error=submission.error, forward=forward)


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
