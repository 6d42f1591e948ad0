"""One attempt of a delivery: what the handler gets, and what its outcome means for the delivery."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from receiver.errors import Outcome, PermanentFailure, TargetFailure, TemporaryFailure
from receiver.events import Event, Failure, Level, Via
from receiver.handler import Delivery, Handler, Receipt
from receiver.outbound import Http, Media, redact
from receiver.retries import next_delay, probe_delay
from receiver.store.base import Store
from receiver.store.records import Again, Claim, Dead, Delivered, Ended, Paused, Released
from receiver.tokens import file_id
from receiver.units import format_duration

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What every delivery is handed. `link` turns the id of an archived file into its lasting address."""

    store: Store
    http: Http
    media: Media
    link: Callable[[str], str]
    new_id: Callable[[str], str]
    jitter: Callable[[], float]
    free_disk: int = 0


@dataclass(frozen=True, slots=True)
class _Progress:
    store: Store
    claim: Claim

    async def read(self) -> dict[str, Any]:
        return dict(self.claim.progress)

    async def write(self, value: dict[str, Any]) -> None:
        await self.store.save_progress(self.claim, value)


@dataclass(frozen=True, slots=True)
class _Memory:
    store: Store
    handler: str
    submission_id: str

    async def read(self) -> dict[str, Any]:
        return await self.store.recall(self.handler, self.submission_id)

    async def write(self, value: dict[str, Any]) -> None:
        await self.store.remember(self.handler, self.submission_id, value)


async def attempt(claim: Claim, handler: Handler, tools: Tools) -> Ended:
    """Runs the handler once; whatever happens in it, the answer says what becomes of the delivery."""
    outcome: Receipt | Outcome | None
    limit = handler.timeout.total_seconds()
    try:
        async with asyncio.timeout(limit):
            outcome = await handler.handle(_delivery(claim, tools))
    except Outcome as raised:
        outcome = raised
    except TimeoutError:
        outcome = TemporaryFailure(f"it took longer than {format_duration(handler.timeout)}")
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) and task.cancelling():
            return Released()
        outcome = TemporaryFailure("something that it waited for was cancelled")
    except Exception as error:  # one handler's defect must not stop the others
        logger.exception("handler %s failed on %s", claim.handler, claim.id)
        outcome = TemporaryFailure(f"{type(error).__name__}: {error}")
    return settle(claim, handler, outcome, tools)


def settle(claim: Claim, handler: Handler, outcome: Receipt | Outcome | None, tools: Tools) -> Ended:
    """What an outcome means for the delivery."""
    reason = redact(outcome.reason, handler.secrets()) if isinstance(outcome, Outcome) else ""
    match outcome:
        case TargetFailure():
            return Paused(reason, probe_delay(claim.probes), _alarm(claim, "handler.paused", reason, tools))
        case PermanentFailure():
            return _dead(claim, handler, reason, tools)
        case TemporaryFailure() if claim.probe and not outcome.stale:
            return Paused(reason, probe_delay(claim.probes))
        case TemporaryFailure():
            delay = next_delay(claim.failures + 1, handler.retry, outcome.retry_after, tools.jitter())
            if delay is None:
                return _dead(claim, handler, reason, tools)
            # Where the provider's link is dead, our target is well: a probe that meets one resumes its handler.
            return Again(delay, reason, outcome.stale, _resumed(claim, tools))
        case Outcome():
            raise AssertionError(f"an outcome that nothing stands for: {outcome!r}")
        case receipt:
            return Delivered(receipt, _resumed(claim, tools), handler.edits)


def _delivery(claim: Claim, tools: Tools) -> Delivery:
    submission_id = claim.event.submission_id or ""
    return Delivery(
        id=claim.id,
        event=claim.event,
        results=claim.submission.results if claim.submission else claim.event.results,
        attempt=claim.attempt,
        receipts=claim.receipts,
        http=tools.http,
        media=tools.media,
        progress=_Progress(tools.store, claim),
        memory=_Memory(tools.store, claim.handler, submission_id),
        link=lambda result_id, role: tools.link(file_id(claim.handler, submission_id, result_id, role)),
        now=tools.store.now(),
        files=claim.files,
        title=claim.submission.title if claim.submission else None,
        free_disk=tools.free_disk,
        callback=claim.callback,
        client_callback=claim.submission.client_callback if claim.submission else None,
    )


def _dead(claim: Claim, handler: Handler, reason: str, tools: Tools) -> Dead:
    alarm = _alarm(claim, "delivery.dead", reason, tools)
    return Dead(reason, alarm, _resumed(claim, tools), handler.fallback)


def _resumed(claim: Claim, tools: Tools) -> Event | None:
    if not claim.probe:
        return None
    return _own_event(claim, "handler.resumed", Level.INFO, None, tools)


def _alarm(claim: Claim, type_: str, reason: str, tools: Tools) -> Event | None:
    """The problem event that goes with an outcome. The delivery of an alarm makes none, nor does a simulated one."""
    if claim.event.level is Level.PROBLEM or claim.event.via is Via.SIMULATED:
        return None
    advice = {
        "delivery.dead": f"Mend the cause, then: receiver redeliver {claim.id}",
        "handler.paused": "Its deliveries wait and lose no try; it is probed until it answers again.",
    }[type_]
    return _own_event(claim, type_, Level.PROBLEM, Failure(code=type_, message=reason, advice=advice), tools)


def _own_event(claim: Claim, type_: str, level: Level, error: Failure | None, tools: Tools) -> Event:
    now = tools.store.now()
    about: Mapping[str, str] = {"handler": claim.handler, "delivery_id": claim.id, "event_id": claim.event.id}
    return Event(
        id=tools.new_id("evt"),
        type=type_,
        level=level,
        operation=claim.event.operation,
        stage=claim.event.stage,
        provider=claim.event.provider,
        task_id=claim.event.task_id,
        submission_id=claim.event.submission_id,
        client=claim.event.client,
        labels=claim.event.labels,
        occurred_at=now,
        received_at=now,
        via=claim.event.via,
        trust=claim.event.trust,
        error=error,
        raw=dict(about),
        about=claim.handler,
    )
