"""What the readers of all kinds share: what a body says, the provider's words for a stage, and where things stand."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from receiver.events import File, Result, Stage
from receiver.providers.body import address, text
from receiver.tokens import redact_tokens

# The provider could not deliver a callback, of any stage: the thing may be there, or still in the making.
UNDELIVERED = "callback_exception"

Words = Mapping[str, Stage | None]

# In lower case; None is one that leaves the stage open. https://docs.sunoapi.org/suno-api/get-music-generation-details
WORDS: Words = {
    "pending": None,
    "generating": None,
    "waiting": None,
    "queuing": None,
    "text": Stage.TEXT,
    "text_success": Stage.TEXT,
    "first": Stage.FIRST,
    "first_success": Stage.FIRST,
    "complete": Stage.COMPLETE,
    "success": Stage.COMPLETE,
    "error": Stage.FAILED,
    "fail": Stage.FAILED,
    "failed": Stage.FAILED,
    "create_task_failed": Stage.FAILED,
    "generate_audio_failed": Stage.FAILED,
    "generate_lyrics_failed": Stage.FAILED,
    "generate_wav_failed": Stage.FAILED,
    "generate_mp4_failed": Stage.FAILED,
    "sensitive_word_error": Stage.FAILED,
}

# In any spelling of the family, the misspelt one included.
_CALLBACK_FIELDS = frozenset({"callbackurl", "calbackurl"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the `data` of an answer says. `word` is the provider's own for the stage, `detail` its word on a failure."""

    stage: Stage | None
    word: str | None = None
    results: tuple[Result, ...] = ()
    detail: str | None = None


def word_of(data: Mapping[str, Any]) -> str | None:
    """The provider's word for the stage, wherever this kind has it; flags that are numbers become text."""
    places = ("callbackType", "status", "successFlag", "state")
    return next((word for place in places if (word := text(data.get(place)))), None)


def stage_of(word: str | None, words: Words, results: tuple[Result, ...], *, whole: bool) -> Stage | None:
    """The stage behind a word; `whole`: all that is there has what makes it whole."""
    known = word.lower() if word else ""
    if known != UNDELIVERED:
        return words.get(known)
    if not results:
        return Stage.FAILED
    return Stage.COMPLETE if whole else None


def spread(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The data with what a status record holds under `response`, which callbacks have beside the rest."""
    response = data.get("response")
    return {**data, **response} if isinstance(response, dict) else data


def first_list(data: Mapping[str, Any], *names: str) -> list[Any]:
    """The first of these fields that is a list."""
    return next((value for name in names if isinstance(value := data.get(name), list)), [])


def one_file(role: str, urls: list[str]) -> tuple[File, ...]:
    """The file with these addresses of the same bytes, best first; none where there is no address."""
    if not urls:
        return ()
    url, *others = dict.fromkeys(urls)
    return (File(role, url, tuple(others)),)


def is_callback(name: str, value: Any) -> bool:
    """Whether this is where the provider called, which is no file: it may hold our token."""
    url = address(value)
    return url is not None and (name.replace("_", "").lower() in _CALLBACK_FIELDS or redact_tokens(url) != url)
