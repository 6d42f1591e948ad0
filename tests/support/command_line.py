"""Commands inside this process, and a database with something in it for them to show."""

import json
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from receiver.app import fresh_id, open_database
from receiver.cli import main
from receiver.events import Event, Kind, Stage, Submission, utc_now
from receiver.intake import Intake
from receiver.routing import Plan
from receiver.settings import load
from receiver.stages import Change
from receiver.store.base import Store
from receiver.store.records import Dead, Delivered, Terms

LEASE = timedelta(minutes=1)


def run_main(*arguments: str) -> int:
    """Runs `receiver …` here; its exit code."""
    with patch.object(sys, "argv", ["receiver", *arguments]):
        try:
            main()
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else 0
    return 0


async def fill(config: Path, titles: Sequence[str] = ("one", "two", "three")) -> list[str]:
    """Submissions with an event each, whose deliveries to `log` are delivered, dead, dead …; ids, oldest first."""
    store = await open_database(load(config, {}))
    try:
        return [await _add(store, title, dead=number > 0) for number, title in enumerate(titles)]
    finally:
        await store.close()


async def call_back(config: Path, body: Any) -> None:
    """A callback of `suno`, for a submission of its own."""
    settings = load(config, {})
    store = await open_database(settings)
    try:
        intake = Intake(store=store, providers=settings.providers, new_id=fresh_id, callback_limit=1024)
        submission = intake.expect("suno", settings.providers["suno"].operation("generate"))
        await store.add(submission)
        await intake.receive(submission.id, {}, json.dumps(body).encode())
    finally:
        await store.close()


async def _add(store: Store, title: str, *, dead: bool) -> str:
    now = utc_now()
    submission = Submission(
        id=fresh_id("sub"),
        provider="suno",
        operation="generate",
        kind=Kind.MUSIC,
        stage=Stage.COMPLETE,
        created_at=now,
        client="app",
        labels={"title": title},
        task_id=f"task-{title}",
    )
    event = Event(
        id=fresh_id("evt"),
        type="music.complete",
        stage="complete",
        provider="suno",
        operation="generate",
        client="app",
        labels={"title": title},
        submission_id=submission.id,
        occurred_at=now,
        received_at=now,
    )
    await store.change(submission, lambda current, _: Change(submission=current, events=(event,)))
    await store.route([(event, [Plan(handler="log")])])
    (claim,) = await store.claim("test", LEASE, {"log": Terms(concurrency=9)}, 1)
    await store.end(claim, Dead(error="The target said no.") if dead else Delivered())
    return submission.id
