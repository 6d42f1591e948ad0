"""What CQTAI's error codes mean: https://www.cqtai.com/docs/suno, "Common Errors".

The page does not say whether a code is the HTTP status or stands in the body, nor at which call it comes.
"""

from collections.abc import Mapping

from receiver.events import Failure
from receiver.providers.failures import UNDOCUMENTED, UNSETTLED, Meaning, Meanings, explain

REFUSED_TEXT = 451
_ARTIST = "artist"

_MODERATED = Meaning(
    meaning="The provider's content moderation refused the prompt or the lyrics.",
    advice="Change the prompt or the lyrics, then submit again.",
    retryable=False,
)
_NAMES_ARTIST = Meaning(
    meaning="The text names an artist, which Suno does not allow.",
    advice="Take the artist's name out and say the style in words such as pop, jazz or upbeat, then submit again.",
    retryable=False,
)
SUBMIT_MEANINGS: Meanings = {
    "401": Meaning(
        meaning="The provider does not accept the API key, or has switched it off.",
        advice="Check api_key of this provider in the receiver's configuration.",
        retryable=False,
    ),
    "402": Meaning(
        meaning="Your account at the provider has too few credits.",
        advice="Buy credits at the provider, then submit again.",
        retryable=False,
    ),
    "429": Meaning(
        meaning="Too many of your tasks are running at the provider.",
        advice="Wait until some of them are done, then submit again.",
        retryable=True,
    ),
    "451": _MODERATED,
    "500": UNSETTLED,
}

# "Credits are auto-refunded if a task fails": https://www.cqtai.com/docs/suno
_FAILED = Meaning(
    meaning="The task failed at the provider, or took too long there; the credits are given back by themselves.",
    advice="Submit again later; ask the provider's support if it goes on.",
    retryable=True,
    refunded=True,
)
TASK_MEANINGS: Meanings = {
    **SUBMIT_MEANINGS,
    "500": _FAILED,
    "failed": _FAILED,
    "error": _FAILED,
}


def explain_code(meanings: Mapping[str, Meaning], code: str, message: str | None, otherwise: Meaning) -> Failure:
    """One number stands for two refusals: its message tells the artist's name from the rest."""
    known = meanings.get(code, otherwise)
    if code == str(REFUSED_TEXT) and _ARTIST in (message or "").lower():
        known = _NAMES_ARTIST
    return explain(known, code, message)


def explain_task(word: str, message: str | None) -> Failure:
    """Why a task failed: a word in its status, and the reason in words of the provider's."""
    told = (message or "").lower()
    if _ARTIST in told or "moderation" in told:
        return explain_code(TASK_MEANINGS, str(REFUSED_TEXT), message, UNDOCUMENTED)
    return explain(TASK_MEANINGS.get(word, UNDOCUMENTED), word, message)
