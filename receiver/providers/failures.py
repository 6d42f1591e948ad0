"""What a provider's error codes mean to the person who reads them: tables in, Failure out."""

from collections.abc import Mapping
from dataclasses import dataclass

from receiver.events import Failure
from receiver.tokens import redact_tokens

# In characters: what a person reads of the provider's own words.
_MESSAGE_MOST, _CODE_MOST = 500, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What happened and what to do about it. `retryable`: the same request may succeed later; None: we can't say."""

    meaning: str
    advice: str
    retryable: bool | None = None
    refunded: bool | None = None


# Codes are text, as words such as SENSITIVE_WORD_ERROR stand in the same place.
Meanings = Mapping[str, Meaning]

UNDOCUMENTED = Meaning(
    meaning="The provider reports a failure under a code that it does not explain.",
    advice="Read its message; if that doesn't help, ask the provider's support and name the task id.",
)
UNSETTLED = Meaning(
    meaning="The provider had trouble answering: the request may or may not have been accepted.",
    advice="Wait for the result before you submit again; a second request may be charged as well.",
)


def explain(known: Meaning, code: str, message: str | None) -> Failure:
    """The provider's code and words together with ours; a callback URL that they repeat is redacted."""
    return Failure(
        code=_words(code, _CODE_MOST),
        message=_words(message or "", _MESSAGE_MOST),
        meaning=known.meaning,
        advice=known.advice,
        retryable=known.retryable,
        refunded=known.refunded,
    )


def _words(text: str, most: int) -> str:
    safe = redact_tokens(text)  # before the cut, which could leave half a token
    return safe if len(safe) <= most else f"{safe[: most - 1]}…"
