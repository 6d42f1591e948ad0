"""What a body says, as the paths of a `generic` provider tell it: a value in, a Report out."""

from collections.abc import Mapping
from typing import Any

from receiver.errors import Unrecognised
from receiver.events import Failure, File, Result, Stage
from receiver.providers.base import Operation
from receiver.providers.body import address, seconds, text, whole
from receiver.providers.failures import UNDOCUMENTED, Meaning, explain
from receiver.providers.generic_files import is_streaming, lump
from receiver.providers.generic_paths import all_texts, each, first, first_text
from receiver.providers.generic_settings import WORDS, Fields, Reading
from receiver.stages import Report

_ORDER = (Stage.TEXT, Stage.FIRST, Stage.COMPLETE)
_FINE = frozenset({"0", "success", "ok"})


def read(shape: Reading, operation: Operation, value: Any, meanings: Mapping[str, Meaning]) -> Report:
    """Unknown words leave the stage open. Raises Unrecognised where nothing stands at any of the places."""
    words = [word.lower() for word in all_texts(value, shape.stage)]
    passed = shape.success.look(first(value, (shape.success.path,))) if shape.success else None
    task_id = read_task_id(shape, value)
    results = read_results(shape, operation, value)
    if not words and passed is None and not task_id and not results:
        raise Unrecognised("the body has nothing at the places that the provider's `events` name")
    stage = _stage([_known(shape, word) for word in words], passed)
    if stage is Stage.FAILED:
        kept = tuple(result for result in results if result.files)
        return Report(stage=stage, task_id=task_id, results=kept, error=_failure(shape, value, words, meanings))
    if stage is None:
        # What is not there yet often has a place already.
        results = tuple(result for result in results if result.files)
    return Report(stage=stage, task_id=task_id, results=results)


def read_task_id(shape: Reading, value: Any) -> str | None:
    """Several ids make one, as a status call wants them: `a,b`."""
    return ",".join(all_texts(value, shape.task_id)) or None


def unknown_words(shape: Reading, value: Any) -> list[str]:
    """The words for a state, in lower case, that neither the configuration nor we know."""
    known = {*WORDS, *(word.lower() for word in shape.words)}
    return [word for word in dict.fromkeys(map(str.lower, all_texts(value, shape.stage))) if word not in known]


def _known(shape: Reading, word: str) -> Stage | None:
    own = {name.lower(): meant for name, meant in shape.words.items()}
    if word in own:
        return None if own[word] == "pending" else Stage(own[word])
    return WORDS.get(word)


def _stage(stages: list[Stage | None], passed: bool | None) -> Stage | None:
    """All of several items must be done; one that failed doesn't hold the others back."""
    if passed is False:
        return Stage.FAILED
    if not stages:
        return Stage.COMPLETE if passed else None
    going = [stage for stage in stages if stage is not Stage.FAILED]
    if not going:
        return Stage.FAILED
    if None in going:
        return None
    return min((stage for stage in going if stage), key=_ORDER.index)


def _failure(shape: Reading, value: Any, words: list[str], meanings: Mapping[str, Meaning]) -> Failure:
    word = next((word for word in words if _known(shape, word) is Stage.FAILED), "failed")
    codes = (text(found) for path in shape.code for found in each(value, path))
    code = next((code for code in codes if code and not _is_fine(code)), word)
    messages = (text(found) for path in shape.message for found in each(value, path))
    message = next((said for said in messages if said and said.lower() not in _FINE), None)
    known = meanings.get(code.lower()) or meanings.get(word) or UNDOCUMENTED
    return explain(known, code, message)


def _is_fine(code: str) -> bool:
    number = whole(code)
    return code.lower() in _FINE or (number is not None and 200 <= number < 300)


def read_results(shape: Reading, operation: Operation, value: Any) -> tuple[Result, ...]:
    """The things made; a list counts as its items, wherever the path ends."""
    main = operation.main_role or "file"
    for path in shape.results:
        found: list[Any] = []
        for item in each(value, path):
            found += item if isinstance(item, list) else [item]
        items = [item for item in found if item not in (None, "", {}, [])]
        if items:
            return tuple(_result(shape, item, place, main) for place, item in enumerate(items, 1))
    return ()


def _result(shape: Reading, item: Any, place: int, main: str) -> Result:
    if not isinstance(item, dict):
        return lump(item if address(item) else {"result": item}, str(place), main)
    fields = shape.fields
    files = _files(shape, item)
    # Without an id the position keeps two results apart.
    ident = first_text(item, fields.id) or str(place)
    plain = lump(item, ident, main) if not files else Result(id=ident, files=files)
    return _described(plain, fields, item)


def _described(plain: Result, fields: Fields, item: dict[str, Any]) -> Result:
    return Result(
        id=plain.id,
        title=first_text(item, fields.title),
        duration=seconds(first(item, fields.duration)),
        tags=first_text(item, fields.tags),
        lyrics=first_text(item, fields.lyrics),
        model=first_text(item, fields.model),
        data=plain.data,
        files=plain.files,
    )


def _files(shape: Reading, item: dict[str, Any]) -> tuple[File, ...]:
    found: dict[str, list[str]] = {}
    for role, paths in shape.files.items():
        for value in (value for path in paths for value in each(item, path)):
            if url := address(value):
                # What streams while it is made is no file to keep.
                found.setdefault("stream" if is_streaming(url) else role, []).append(url)
    return tuple(File(role, urls[0], tuple(dict.fromkeys(urls[1:]))) for role, urls in found.items())
