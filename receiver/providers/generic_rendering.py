"""What a `generic` provider would have said of a submission: its own paths, written in place of read."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from receiver.events import Failure, Result, Stage
from receiver.providers.body import whole
from receiver.providers.generic_paths import EACH, each, put
from receiver.providers.generic_settings import WORDS, Check, Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a task, of a submission or an event alike."""

    task_id: str | None
    stage: str
    results: tuple[Result, ...] = ()
    error: Failure | None = None


def write(shape: Reading, outcome: Outcome) -> Any:
    """A body that `read` reads back."""
    failed = outcome.stage == Stage.FAILED
    written = _with_results({}, shape, outcome.results)
    if outcome.task_id:
        written = write_first(written, shape.task_id, outcome.task_id)
    written = write_first(written, shape.stage, _word(shape, outcome.stage))
    if shape.success:
        written = put(
            written, shape.success.path, _passed(shape.success, outcome.error) if failed else _well(shape.success)
        )
    if failed and outcome.error:
        written = write_error(written, shape.code, shape.message, outcome.error)
    return written


def write_error(written: Any, code: Iterable[str], message: Iterable[str], error: Failure) -> Any:
    number = whole(error.code)
    written = write_first(written, code, error.code if number is None else number)
    return write_first(written, message, error.message)


def write_first(written: Any, paths: Iterable[str], what: Any) -> Any:
    """With `what` at the first path that is free for it."""
    for path in paths:
        changed = put(written, path, what)
        if what in each(changed, path) and _holds(changed, written):
            return changed
    return written


def _holds(after: Any, before: Any) -> bool:
    """Whether nothing was lost."""
    if isinstance(before, dict) and before:
        return isinstance(after, dict) and all(name in after and _holds(after[name], before[name]) for name in before)
    if isinstance(before, list) and before:
        return isinstance(after, list) and len(after) == len(before) and all(map(_holds, after, before))
    return before in ({}, []) or after == before


def _with_results(written: Any, shape: Reading, results: tuple[Result, ...]) -> Any:
    items = [_item(shape, result) for result in results]
    path = shape.results[0]
    if not items:
        return written
    if path == EACH:
        return items
    single = len(items) == 1 and EACH not in path
    return put(written, path.removesuffix(EACH), items[0] if single else items)


def _item(shape: Reading, result: Result) -> Any:
    fields = shape.fields
    item: Any = dict(result.data) if isinstance(result.data, dict) else {}
    values = (
        (fields.id, result.id),
        (fields.title, result.title),
        (fields.duration, result.duration),
        (fields.tags, result.tags),
        (fields.lyrics, result.lyrics),
        (fields.model, result.model),
    )
    for paths, value in values:
        if value is not None:
            item = put(item, paths[0], value)
    for file in result.files:
        item = put(item, shape.files.get(file.role, (f"{file.role}_url",))[0], file.url)
    return item


def _word(shape: Reading, stage: str) -> str:
    wanted = stage if stage in {Stage.TEXT, Stage.FIRST, Stage.COMPLETE, Stage.FAILED} else "pending"
    own = next((word for word, meant in shape.words.items() if meant == wanted), None)
    return own or next((word for word, meant in WORDS.items() if meant == wanted), wanted)


def _well(check: Check) -> Any:
    return check.values[0]


def _passed(check: Check, error: Failure | None) -> Any:
    """What says that it did not go well, where `values` say that it did."""
    well = check.values[0]
    if isinstance(well, bool):
        return not well
    number = whole(error.code) if error else None
    return (number or 500) if isinstance(well, int) else "failed"
