"""What a body holds that this version does not know: names of fields, and words for a stage. Never other values."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from receiver.events import Kind
from receiver.providers.fields import CALLBACKS, ENVELOPE, JOB, RECORDS, RESULTS, Known
from receiver.providers.jobs import is_job, job_kind, parsed_result
from receiver.providers.kinds import kind_of
from receiver.providers.made import IMAGE_FLAGS
from receiver.providers.notes import MIDI_FLAGS
from receiver.providers.reading import UNDELIVERED, WORDS
from receiver.providers.said import PHRASE_WORDS

_WORD_PLACES = frozenset({"callbackType", "status", "successFlag", "state"})
_KNOWN_WORDS = {*WORDS, *PHRASE_WORDS, *IMAGE_FLAGS, *MIDI_FLAGS, UNDELIVERED}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_WORD = re.compile(r"[A-Za-z][A-Za-z_]{0,39}")
_MOST = 50


def strangers(kind: Kind, body: Mapping[str, Any], *, status: bool) -> tuple[str, ...]:
    """`data.data[].mood`, `data.callbackType=almost`; at most 50 of them, each once."""
    data = body.get("data")
    fields: Mapping[str, Any] = data if isinstance(data, dict) else {"data": data}
    if is_job(fields):
        result = parsed_result(fields.get("resultJson"))
        known: Known = {**JOB, "resultJson": RESULTS.get(kind_of(job_kind(kind, fields), result))}
        body = {**body, "data": {**fields, "resultJson": result}}
    else:
        found = kind_of(kind, fields)
        if found is Kind.OTHER:
            return ()
        known = {**CALLBACKS.get(found, {}), **RECORDS.get(found, {})} if status else CALLBACKS.get(found, {})
    named = _walk(body, {**ENVELOPE, "data": known}, "")
    return tuple(dict.fromkeys(islice(named, _MOST)))


def _walk(value: Any, known: Known | None, at: str) -> Iterator[str]:
    if known is None:
        return
    if isinstance(value, list):
        for item in value:
            yield from _walk(item, known, f"{at}[]" if at else at)
        return
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        # A name may be anything too: one that does not look like a field's is not shown.
        path = f"{at}.{name}".removeprefix(".") if _NAME.fullmatch(name) else f"{at}.?".removeprefix(".")
        if name not in known:
            yield path
        elif name in _WORD_PLACES:
            yield from _strange_word(path, inner)
        else:
            yield from _walk(inner, known[name], path)


def _strange_word(path: str, value: Any) -> Iterator[str]:
    if value in (None, "") or str(value).lower() in _KNOWN_WORDS:
        return
    shown = isinstance(value, str) and _WORD.fullmatch(value)
    yield f"{path}={value}" if shown else path
