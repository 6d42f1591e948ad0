"""sunoapi.org (docs.sunoapi.org): its operations, and what its error codes mean."""

from typing import ClassVar, Literal

from receiver.events import Kind
from receiver.providers.base import Address, Operation
from receiver.providers.failures import UNSETTLED, Meaning, Meanings
from receiver.providers.family import Family


def _music(name: str, path: str) -> Operation:
    return Operation(name=name, kind=Kind.MUSIC, path=path, record="/api/v1/generate/record-info", main_role="audio")


# Some pages call the callback URL of replace_section and sounds optional; without one the API refuses them too.
OPERATIONS = (
    _music("generate", "/api/v1/generate"),
    _music("extend", "/api/v1/generate/extend"),
    _music("upload_cover", "/api/v1/generate/upload-cover"),
    _music("upload_extend", "/api/v1/generate/upload-extend"),
    _music("add_instrumental", "/api/v1/generate/add-instrumental"),
    _music("add_vocals", "/api/v1/generate/add-vocals"),
    _music("replace_section", "/api/v1/generate/replace-section"),
    _music("mashup", "/api/v1/generate/mashup"),
    _music("sounds", "/api/v1/generate/sounds"),
)

_NO_CREDITS = Meaning(
    meaning="Your account at the provider has too few credits.",
    advice="Buy credits at the provider, then submit again.",
    retryable=False,
)
_TOO_FAST = Meaning(
    meaning="Too many requests in a short time.",
    advice="Wait a minute, then submit again.",
    retryable=True,
)
_BAD_VALUE = Meaning(
    meaning="The provider refused the request: a value is missing or not allowed.",
    advice="Correct what its message names, then submit again.",
    retryable=False,
)
_NO_FILE = Meaning(
    meaning="The provider could not fetch the audio that the request points to.",
    advice="Check that the link opens without signing in and is still valid, then submit again.",
    retryable=False,
)

SUBMIT_MEANINGS: Meanings = {
    "400": _BAD_VALUE,
    "401": Meaning(
        meaning="The provider does not accept the API key.",
        advice="Check api_key of this provider in the receiver's configuration.",
        retryable=False,
    ),
    "402": _NO_CREDITS,
    "404": Meaning(
        meaning="The provider knows no such operation.",
        advice="Check the path and the method of the request, and base_url in the receiver's configuration.",
        retryable=False,
    ),
    "405": _TOO_FAST,
    "408": UNSETTLED,
    "409": Meaning(
        meaning="The provider has made this before and keeps only one.",
        advice="Use the earlier result.",
        retryable=False,
    ),
    "413": Meaning(
        meaning="The prompt is too long.",
        advice="Shorten the prompt or the lyrics, then submit again.",
        retryable=False,
    ),
    "422": _BAD_VALUE,
    "429": _NO_CREDITS,
    "430": _TOO_FAST,
    "451": _NO_FILE,
    "455": Meaning(
        meaning="The provider is under maintenance.",
        advice="Submit again later.",
        retryable=True,
    ),
    "500": UNSETTLED,
}

_NOT_GENERATED = Meaning(
    meaning="The generation failed at the provider.",
    advice="Change the prompt, the style or the lyrics a little, then submit again.",
    retryable=False,
)
_REFUSED_WORDS = Meaning(
    meaning="The provider refused the text: it holds words that are not allowed.",
    advice="Change the prompt, the lyrics or the title, then submit again.",
    retryable=False,
)

TASK_MEANINGS: Meanings = {
    **SUBMIT_MEANINGS,
    "400": Meaning(
        meaning="The provider refused the content: the lyrics are someone else's or not allowed, or a value is wrong.",
        advice="Change the lyrics or the prompt as its message says, then submit again.",
        retryable=False,
    ),
    "408": Meaning(
        meaning="The provider ran out of time.",
        advice="Submit again later.",
        retryable=True,
    ),
    "413": Meaning(
        meaning="The uploaded audio matches a recording that already exists.",
        advice="Upload audio of your own.",
        retryable=False,
    ),
    "500": Meaning(
        meaning="Something broke at the provider.",
        advice="Submit again later.",
        retryable=True,
    ),
    "501": _NOT_GENERATED,
    "531": Meaning(
        meaning="The generation failed at the provider, and the credits were given back.",
        advice="Say more in the prompt (very short ones often fail), then submit again.",
        retryable=False,
        refunded=True,
    ),
    "CREATE_TASK_FAILED": Meaning(
        meaning="The provider could not start the generation.",
        advice="Submit again later.",
        retryable=True,
    ),
    "ERROR": _NOT_GENERATED,
    "FAILED": _NOT_GENERATED,
    "GENERATE_AUDIO_FAILED": _NOT_GENERATED,
    "SENSITIVE_WORD_ERROR": _REFUSED_WORDS,
    "CALLBACK_EXCEPTION": Meaning(
        meaning="The provider could not call us back, and has nothing to show.",
        advice="Check that public_url can be reached from outside, then submit again.",
        retryable=True,
    ),
}


class SunoApi(Family):
    operations: ClassVar[tuple[Operation, ...]] = OPERATIONS
    submit_meanings: ClassVar[Meanings] = SUBMIT_MEANINGS
    task_meanings: ClassVar[Meanings] = TASK_MEANINGS

    type: Literal["sunoapi"]
    base_url: Address = "https://api.sunoapi.org"
    """Where the provider's API lives."""
    upload_base_url: Address = "https://sunoapiorg.redpandaai.co"
    """Where files are uploaded to."""
