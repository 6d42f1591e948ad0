"""Events that never happened, to try a handler with: each says so, and is marked `via: simulated`. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from receiver.events import EVENT_TYPES, OWN_KINDS, Event, Failure, File, Kind, Level, Result, Stage, Submission, Via
from receiver.units import suggestion

TITLE = "A test of the receiver"
_LYRICS = "[Verse]\nthis is a test of the line\nnobody sang it, and all is fine"
_REASON = "This is a test: nothing went wrong."
_STAGES = {"text": Stage.TEXT, "first": Stage.FIRST, "failed": Stage.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A submission that nobody made, and an event of it. An event of our own belongs to none."""

    event: Event
    submission: Submission | None


def rehearse(type_: str, now: datetime, new_id: Callable[[str], str], *, files: bool = False) -> Rehearsal:
    """An event of this type. With `files` its result has addresses, which lead nowhere: for looking at, not to archive.

    Raises ValueError where there is no such type.
    """
    if type_ not in EVENT_TYPES:
        near = suggestion(type_, EVENT_TYPES)
        raise ValueError(f"is no type of event; {near if near.startswith('did') else 'write one as music.complete'}")
    kind, _, stage = type_.partition(".")
    own = kind in OWN_KINDS
    failed = own or stage == "failed"
    results = () if failed else (_result(files=files),)
    submission = None if own else _submission(new_id("sub"), Kind(kind), _STAGES.get(stage, Stage.COMPLETE), now)
    event = Event(
        id=new_id("evt"),
        type=type_,
        level=Level.PROBLEM if own and type_ not in {"submission.accepted", "handler.resumed"} else Level.INFO,
        operation="test",
        stage=None if own else stage,
        provider=submission.provider if submission else None,
        submission_id=submission.id if submission else None,
        occurred_at=now,
        received_at=now,
        via=Via.SIMULATED,
        results=results,
        error=_failure(type_) if failed else None,
        about="a-handler" if own and kind != "submission" else None,
    )
    return Rehearsal(event=event, submission=submission)


def _submission(ident: str, kind: Kind, stage: Stage, now: datetime) -> Submission:
    return Submission(
        id=ident,
        provider="test",
        operation="test",
        kind=kind,
        stage=stage,
        created_at=now,
        simulated=True,
        title=TITLE,
    )


def _result(*, files: bool) -> Result:
    there = "https://files.example.com/test"
    addresses = (File("audio", f"{there}.mp3"), File("image", f"{there}.jpeg")) if files else ()
    return Result(
        id="test", title=TITLE, duration=198.4, tags="indie folk, warm, acoustic", lyrics=_LYRICS, files=addresses
    )


def _failure(type_: str) -> Failure:
    return Failure(code=type_, message=_REASON, meaning="This is what a problem looks like", advice="Nothing to do.")
