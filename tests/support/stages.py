"""Submissions, reports and moments for tests of what becomes of a submission."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from receiver.events import Failure, File, Kind, Result, Stage, Submission, Via
from receiver.stages import Moment, Report

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DEADLINE = NOON + timedelta(minutes=5)


def numbered() -> Callable[[str], str]:
    """Ids that count up: evt_1, evt_2, …"""
    count = itertools.count(1)
    return lambda prefix: f"{prefix}_{next(count):032x}"


def moment(via: Via = Via.CALLBACK, now: datetime = NOON) -> Moment:
    return Moment(now=now, new_id=numbered(), via=via, main_role="audio")


def submission(stage: Stage = Stage.ACCEPTED, task_id: str | None = "task-1") -> Submission:
    return Submission(
        id="sub_" + "0" * 32,
        provider="suno",
        operation="generate",
        kind=Kind.MUSIC,
        stage=stage,
        created_at=NOON,
        task_id=task_id,
        deadline_at=DEADLINE,
        ask_at=DEADLINE,
    )


def track(ident: str, audio: str | None = "https://cdn.example/a.mp3", image: str | None = None) -> Result:
    files = [File("audio", audio)] if audio else []
    files += [File("image", image)] if image else []
    return Result(id=ident, title=f"Song {ident}", files=tuple(files))


def text() -> Report:
    return Report(stage=Stage.TEXT, task_id="task-1", results=(track("a", None), track("b", None)))


def first() -> Report:
    return Report(stage=Stage.FIRST, task_id="task-1", results=(track("a"), track("b", None)))


def complete(*tracks: Result) -> Report:
    return Report(stage=Stage.COMPLETE, task_id="task-1", results=tracks or (track("a"), track("b")))


def half() -> Report:
    return complete(track("a"), track("b", None))


def failed() -> Report:
    return Report(stage=Stage.FAILED, task_id="task-1", error=Failure(code="501", message="it broke"))


def pending() -> Report:
    return Report(stage=None, task_id="task-1")
