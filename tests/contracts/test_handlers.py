"""One suite over every handler type of the table."""

import asyncio
import itertools
import logging
import re
import types
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from handlers import TYPES, handler_class
from receiver.errors import Unreachable
from receiver.handler import Delivery, Handler, Outcome, PermanentFailure, Receipt, TargetFailure, TemporaryFailure
from tests.support.deliveries import (
    HOSTILE_TITLES,
    MP3,
    FakeHttp,
    FakeMedia,
    World,
    make_answer,
    make_delivery,
    make_event,
    make_file,
    make_track,
    make_web,
)

MANUAL = (Path(__file__).parents[2] / "docs" / "handlers.md").read_text()
SECRET = "s3cr3t-v4lue"
# Types that speak HTTP to their target; the others must not ask.
SPEAKS_HTTP = {"slack"}
STATUSES = [*range(200, 206), *range(300, 309), *range(400, 432), 451, *range(500, 512), 599]

every_type = pytest.mark.parametrize("name", TYPES)
every_http_type = pytest.mark.parametrize("name", sorted(SPEAKS_HTTP & set(TYPES)))


def documented(name: str) -> dict[str, Any]:
    """The YAML block in the section of a type; every variable in it becomes an address with a secret."""
    section = re.search(rf"^## `{name}`$(.*?)(?=^## |\Z)", MANUAL, re.DOTALL | re.MULTILINE)
    assert section, f"docs/handlers.md has no section on {name}"
    block = re.search(r"```yaml\n(.*?)```", section[1], re.DOTALL)
    assert block, f"the section on {name} has no YAML block"
    text = re.sub(r"\$\{\w+\}", f"https://hooks.example.com/{SECRET}", block[1])
    [fields] = YAML(typ="safe", pure=True).load(text)["handlers"].values()
    return dict(fields)


def make_handler(name: str, tmp_path: Path) -> Handler:
    fields = documented(name)
    if "directory" in fields:
        fields["directory"] = str(tmp_path / "songs")
    return handler_class(name).model_validate(fields)


def make_world(*answers: Any) -> World:
    return World(http=FakeHttp(*answers), media=FakeMedia(make_web(make_track())))


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@every_type
def test_type_is_documented_with_yaml_that_loads(name: str, tmp_path: Path) -> None:
    assert make_handler(name, tmp_path).type == name


@every_type
def test_every_key_is_documented(name: str) -> None:
    cls = handler_class(name)
    section = MANUAL.split(f"## `{name}`")[1].split("\n## ")[0]
    own = set(cls.model_fields) - set(Handler.model_fields)
    assert own <= set(re.findall(r"^    (\w+):", section, re.MULTILINE))
    assert all(f"`{field}`" in MANUAL for field in set(Handler.model_fields) - {"type"})
    assert all(cls.model_fields[field].description for field in own)


@every_type
def test_unknown_key_is_an_error_that_shows_no_value(name: str) -> None:
    with pytest.raises(ValueError) as caught:
        handler_class(name).model_validate(documented(name) | {"colour": SECRET})
    assert "colour" in str(caught.value)
    assert SECRET not in str(caught.value)


@every_type
async def test_ordinary_event_is_delivered(name: str, tmp_path: Path) -> None:
    receipt = await make_handler(name, tmp_path).handle(make_delivery(make_world()))
    assert receipt is None or isinstance(receipt, Receipt)


@every_type
@pytest.mark.parametrize(
    "kind",
    ["music.text", "music.failed", "lyrics.complete", "submission.lost", "delivery.dead", "disk.low", "new.word"],
)
async def test_event_without_results_is_delivered(name: str, kind: str, tmp_path: Path) -> None:
    event = make_event(kind, submission_id=None, provider=None, operation=None, client=None, labels={}, raw=None)
    world = make_world()
    await make_handler(name, tmp_path).handle(make_delivery(world, event=event, results=[]))
    assert bool(world.http.sent) == (name in SPEAKS_HTTP)


@every_type
@pytest.mark.parametrize("title", HOSTILE_TITLES.values(), ids=HOSTILE_TITLES)
async def test_hostile_title_does_no_harm(
    name: str, title: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    track = make_track("tr-1", title, make_file("audio", "https://cdn.example.com/a"), tags=title)
    world = World(media=FakeMedia({"https://cdn.example.com/a": MP3}))
    await make_handler(name, tmp_path).handle(make_delivery(world, results=[track]))
    assert {path.parent.parent.parent for path in files_below(tmp_path)} <= {tmp_path}
    assert all("\n" not in line and "\0" not in line and "\u202e" not in line for line in caplog.messages)


@every_type
async def test_same_delivery_twice_does_no_harm(name: str, tmp_path: Path) -> None:
    handler, world = make_handler(name, tmp_path), make_world()
    first = await handler.handle(make_delivery(world))
    before = {path: path.read_bytes() for path in files_below(tmp_path)}
    assert await handler.handle(make_delivery(world, attempt=2)) == first
    assert {path: path.read_bytes() for path in files_below(tmp_path)} == before
    assert len({str(sent.json) for sent in world.http.sent}) <= 1


@every_http_type
@pytest.mark.parametrize("status", STATUSES)
async def test_every_status_has_its_outcome(name: str, status: int, tmp_path: Path) -> None:
    world = make_world(make_answer(status, b"some words", retry_after="7"))
    outcome = await outcome_of(make_handler(name, tmp_path), make_delivery(world))
    assert isinstance(outcome, expected(status))
    if isinstance(outcome, TemporaryFailure):
        assert outcome.retry_after is not None
        assert outcome.retry_after.total_seconds() == 7


def expected(status: int) -> type[Outcome] | type[None]:
    if 200 <= status < 300:
        return type(None)
    if status in {401, 403, 404, 410}:
        return TargetFailure
    return TemporaryFailure if status in {408, 425, 429} or status >= 500 else PermanentFailure


@every_http_type
async def test_silence_of_the_target_is_passed_on(name: str, tmp_path: Path) -> None:
    silence = Unreachable("no answer from hooks.example.com")
    assert await outcome_of(make_handler(name, tmp_path), make_delivery(make_world(silence))) is silence


async def outcome_of(handler: Handler, delivery: Delivery) -> Outcome | None:
    try:
        await handler.handle(delivery)
    except Outcome as outcome:
        return outcome
    return None


@every_type
async def test_secret_shows_nowhere(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    handler = make_handler(name, tmp_path)
    shown = [repr(handler), str(handler), handler.model_dump_json()]
    for status in (200, 302, 400, 403, 404, 429, 500):
        # A target that repeats the address in its answer.
        body = f"no_such_path /{SECRET} at https://hooks.example.com/{SECRET}".encode()
        world = make_world(make_answer(status, body, location=f"https://hooks.example.com/{SECRET}"))
        shown.append(repr(await outcome_of(handler, make_delivery(world))))
        shown.append(str([sent.json for sent in world.http.sent]))
    assert SECRET not in "".join([*shown, caplog.text])
    assert all(SECRET in secret for secret in handler.secrets())
    assert bool(handler.secrets()) == (SECRET in str(documented(name)))


@every_type
async def test_cancelled_at_any_await_it_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    at = 0
    while await _cancelled_at(at, make_handler(name, tmp_path / str(at)), tmp_path / str(at)):
        at += 1
    assert name == "log" or at > 0


async def _cancelled_at(at: int, handler: Handler, folder: Path) -> bool:
    """Cancels the work where it waits for the nth time; False where it was done before."""
    before, world = asyncio.all_tasks(), make_world()
    work: asyncio.Task[Any] = asyncio.ensure_future(
        _watch(handler.handle(make_delivery(world)), lambda waits: waits == at and work.cancel())
    )
    await asyncio.wait((work,))
    assert asyncio.all_tasks() == before
    assert isinstance(world.media, FakeMedia)
    assert world.media.open == 0
    assert [path for path in files_below(folder) if path.name.endswith(".partial")] == []
    if work.cancelled():
        # What is left must not stop the next attempt.
        await handler.handle(make_delivery(world, attempt=2))
    return work.cancelled()


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
        except asyncio.CancelledError as cancelled:
            step, value = work.throw, cancelled
    return None
