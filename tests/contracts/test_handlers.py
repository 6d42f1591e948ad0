"""One suite over every handler type of the table, each with its target on loopback."""

import asyncio
import itertools
import logging
import re
import types
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from typing import Any

import pytest

from handlers import TYPES, handler_class
from handlers.notifier import Notifier
from receiver.handler import Delivery, Handler, Outcome, PermanentFailure, Receipt, TargetFailure, TemporaryFailure
from tests.support.deliveries import (
    HOSTILE_TITLES,
    MP3,
    FakeMedia,
    World,
    make_event,
    make_file,
    make_track,
)
from tests.support.targets import MANUAL, SECRET, Target, answering, documented, reach, section

CASES = [*TYPES, "slack with a token"]
REACHING = [name for name in CASES if name not in {"file", "log"}]
STATUSES = [*range(200, 206), *range(300, 309), *range(400, 432), 451, *range(500, 512), 599]
REPLIES = [421, 450, 451, 452, 454, 530, 534, 535, 538, 550, 551, 552, 553, 554]

every_type = pytest.mark.parametrize("name", TYPES)
every_case = pytest.mark.parametrize("name", CASES)
every_reaching = pytest.mark.parametrize("name", REACHING)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def outcome_of(handler: Handler, delivery: Delivery) -> Outcome | None:
    try:
        await handler.handle(delivery)
    except Outcome as outcome:
        return outcome
    return None


@every_type
def test_type_is_documented_with_yaml_that_loads(name: str) -> None:
    assert handler_class(name).model_validate(documented(name)).type == name


@every_type
def test_every_key_is_documented(name: str) -> None:
    cls = handler_class(name)
    own = {field.alias or key for key, field in cls.model_fields.items() if key not in Handler.model_fields}
    assert own <= set(re.findall(r"^    (\w+):", section(name), re.MULTILINE))
    assert all(f"`{field}`" in MANUAL for field in set(Handler.model_fields) - {"type"})
    assert all(field.description for key, field in cls.model_fields.items() if key not in Handler.model_fields)


@every_type
def test_unknown_key_is_an_error_that_shows_no_value(name: str) -> None:
    with pytest.raises(ValueError) as caught:
        handler_class(name).model_validate(documented(name) | {"colour": SECRET})
    assert "colour" in str(caught.value)
    assert SECRET not in str(caught.value)


@every_case
async def test_ordinary_event_is_delivered(name: str, tmp_path: Path) -> None:
    async with reach(name, tmp_path) as target:
        receipt = await target.handler.handle(target.delivery())
        assert receipt is None or isinstance(receipt, Receipt)
        assert came(target)


def came(target: Target) -> bool:
    """Whether the target was told; one that has none needs no telling."""
    if target.peer is None:
        return True
    return bool(target.peer.objects() if hasattr(target.peer, "objects") else target.peer.seen)


@every_case
@pytest.mark.parametrize(
    "kind",
    ["music.text", "music.failed", "lyrics.complete", "submission.lost", "delivery.dead", "disk.low", "new.word"],
)
async def test_event_without_results_is_delivered(name: str, kind: str, tmp_path: Path) -> None:
    event = make_event(kind, submission_id=None, provider=None, operation=None, client=None, labels={}, raw=None)
    async with reach(name, tmp_path) as target:
        await target.handler.handle(target.delivery(event=event, results=[]))
        # An archive keeps what there is, and here is nothing.
        assert came(target) or name == "s3"


@every_case
@pytest.mark.parametrize("title", HOSTILE_TITLES.values(), ids=HOSTILE_TITLES)
async def test_hostile_title_does_no_harm(
    name: str, title: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    track = make_track("tr-1", title, make_file("audio", "https://cdn.example.com/a"), tags=title, lyrics=title)
    async with reach(name, tmp_path / "here") as target:
        target.world = World(media=FakeMedia({"https://cdn.example.com/a": MP3}))
        await target.handler.handle(target.delivery(results=[track]))
        assert came(target)
        if name == "file":
            assert {path.parent.parent for path in files_below(tmp_path)} == {tmp_path / "here" / "songs"}
    lines = [record.getMessage() for record in caplog.records if record.name.startswith(("handlers", "receiver"))]
    assert all("\n" not in line and "\0" not in line and "\u202e" not in line for line in lines)


@every_case
async def test_same_delivery_twice_does_no_harm(name: str, tmp_path: Path) -> None:
    async with reach(name, tmp_path) as target:
        first = await target.handler.handle(target.delivery())
        before = kept(target, tmp_path)
        assert await target.handler.handle(target.delivery(attempt=2)) == first
        assert kept(target, tmp_path) == before


def kept(target: Target, folder: Path) -> Any:
    """What stays at the target, each thing once: told twice, it may be there twice, but not in two forms."""
    if target.peer is None:
        return {path: path.read_bytes() for path in files_below(folder)}
    if hasattr(target.peer, "objects"):
        return target.peer.objects(manifests=True)
    if hasattr(target.handler, "token") and target.handler.edits:
        return [(said.text, said.thread_ts) for said in target.peer.workspace.said]
    return set(target.peer.seen)


def for_http(status: int) -> type[Outcome] | type[None]:
    if 200 <= status < 300:
        return type(None)
    if status in {401, 403, 404, 410}:
        return TargetFailure
    return TemporaryFailure if status in {408, 425, 429} or status >= 500 else PermanentFailure


def for_webhook(status: int) -> type[Outcome] | type[None]:
    if 200 <= status < 300:
        return type(None)
    return TargetFailure if status == 410 else TemporaryFailure


def for_s3(status: int) -> type[Outcome] | type[None]:
    if status in {408, 409, 412, 425, 429} or status >= 500:
        return TemporaryFailure
    broken = {*range(300, 309), 401, 402, 403, 404, 405, 410, 411}
    return TargetFailure if status in broken else PermanentFailure


def for_mail(code: int) -> type[Outcome] | type[None]:
    if code in {530, 534, 535, 538}:
        return TargetFailure
    return TemporaryFailure if code < 500 else PermanentFailure


def for_bot(status: int) -> type[Outcome] | type[None]:
    """An answer without Slack's own words is not Slack's, whatever its status says."""
    return TemporaryFailure if status < 300 else for_http(status)


TABLES: dict[str, Callable[[int], type[Outcome] | type[None]]] = {
    "apprise": for_http,
    "email": for_mail,
    "s3": for_s3,
    "slack": for_http,
    "slack with a token": for_bot,
    "webhook": for_webhook,
}
ROWS = [
    (name, status)
    for name in TABLES
    for status in (REPLIES if name == "email" else STATUSES)
    # A bucket's success has a body that the answer of this table lacks.
    if not (name == "s3" and status < 300)
]


def test_every_type_with_a_target_has_its_table() -> None:
    assert set(TABLES) == set(REACHING)


@pytest.mark.parametrize(("name", "status"), ROWS)
async def test_every_status_has_its_outcome(name: str, status: int, tmp_path: Path) -> None:
    async with answering(name, status, tmp_path) as target:
        outcome = await outcome_of(target.handler, target.delivery())
    assert isinstance(outcome, TABLES[name](status))
    if outcome is not None:
        assert SECRET not in outcome.reason
        assert len(outcome.reason.splitlines()) == 1
    if isinstance(outcome, TemporaryFailure) and status >= 300 and name not in {"apprise", "email", "s3"}:
        assert outcome.retry_after is not None
        assert outcome.retry_after.total_seconds() == 7


@every_reaching
async def test_a_target_that_is_not_there_is_tried_again(name: str, tmp_path: Path) -> None:
    async with reach(name, tmp_path) as target:
        fields, delivery = dict(target.handler), target.delivery()
        nowhere = {"endpoint": "http://127.0.0.1:9", "port": 9, "url": "http://127.0.0.1:9/x"}
        nowhere |= {"api_url": "http://127.0.0.1:9/api/", "webhook_url": "http://127.0.0.1:9/x"}
        if name == "apprise":
            nowhere["url"] = "json://127.0.0.1:9/"
        gone = {key: value for key, value in nowhere.items() if fields.get(key)}
        moved = target.handler.model_dump(by_alias=True) | gone
        handler = type(target.handler).model_validate(moved)
        async with handler.open():
            outcome = await outcome_of(handler, delivery)
    assert isinstance(outcome, TemporaryFailure)
    assert len(outcome.reason.splitlines()) == 1


@every_reaching
async def test_secret_shows_nowhere(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = []
    for status in (535, 451, 550) if name == "email" else (302, 400, 403, 404, 429, 500):
        async with answering(name, status, tmp_path) as target:
            handler = target.handler
            shown += [repr(handler), str(handler), handler.model_dump_json()]
            shown.append(repr(await outcome_of(handler, target.delivery())))
    async with reach(name, tmp_path / "whole") as target:
        handler = target.handler
        shown.append(repr(await handler.handle(target.delivery())))
        preview = await handler.preview(target.delivery())
        shown.append(f"{preview}")
        assert handler.secrets()
        secrets = [SECRET, *handler.secrets()]
    # moto's own client and server, and the peers themselves, log what they exchange.
    ours = [
        record.getMessage() for record in caplog.records if record.name.startswith(("handlers", "receiver", "http"))
    ]
    assert [secret for secret in secrets if secret in "".join([*shown, *ours])] == []


@every_case
async def test_a_notifier_can_be_previewed_and_sends_nothing_then(name: str, tmp_path: Path) -> None:
    async with reach(name, tmp_path) as target:
        preview = await target.handler.preview(target.delivery())
        if isinstance(target.handler, Notifier) or name == "webhook":
            assert preview is not None
            assert "Night Ferry" in preview.text
        else:
            assert preview is None
        assert target.peer is None or hasattr(target.peer, "objects") or target.peer.seen == []


@every_case
async def test_cancelled_at_any_await_it_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    at = 0
    async with reach(name, tmp_path) as target:
        while await _cancelled_at(at, target, tmp_path):
            at += 1
    assert name == "log" or at > 0


async def _cancelled_at(at: int, target: Target, folder: Path) -> bool:
    """Cancels the work where it waits for the nth time; False where it was done before."""
    media = FakeMedia(target.world.media._web) if isinstance(target.world.media, FakeMedia) else FakeMedia({})
    target.world = World(media=media)
    before = asyncio.all_tasks()
    work: asyncio.Task[Any] = asyncio.ensure_future(
        _watch(target.handler.handle(target.delivery()), lambda waits: waits == at and work.cancel())
    )
    await asyncio.wait((work,))
    await _calm(before)
    assert media.open == 0
    assert [path for path in files_below(folder) if path.name.endswith(".partial")] == []
    if work.cancelled():
        # What is left must not stop the next attempt.
        await target.handler.handle(target.delivery(attempt=2))
    return work.cancelled()


async def _calm(before: set[asyncio.Task[Any]]) -> None:
    """No task of the handler's is left; the peer's own may need a moment to see that a connection has ended."""
    async with asyncio.timeout(5):
        while [task for task in asyncio.all_tasks() - before if "peer" not in repr(task)]:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0)


async def _watch(work: Coroutine[Any, Any, Any], look: Callable[[int], object]) -> Any:
    return await _watched(work, look)


@types.coroutine
def _watched(work: Coroutine[Any, Any, Any], look: Callable[[int], object]) -> Generator[Any, Any, Any]:
    """Runs a coroutine, calling `look` with a number whenever it waits."""
    step, value = work.send, None
    for waits in itertools.count():
        try:
            awaited = step(value)
        except StopIteration as done:
            return done.value
        look(waits)
        try:
            step, value = work.send, (yield awaited)
        except BaseException as raised:  # noqa: BLE001 - what was awaited may have failed in any way
            step, value = work.throw, raised
    return None
