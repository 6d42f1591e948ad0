"""What codes mean that both APIs of the family use alike; each module of a type adds its own."""

from receiver.providers.failures import UNSETTLED, Meaning, Meanings

NO_CREDITS = Meaning(
    meaning="Your account at the provider has too few credits.",
    advice="Buy credits at the provider, then submit again.",
    retryable=False,
)
TOO_FAST = Meaning(
    meaning="Too many requests in a short time.",
    advice="Wait a minute, then submit again.",
    retryable=True,
)
_BAD_VALUE = Meaning(
    meaning="The provider refused the request: a value is missing or not allowed.",
    advice="Correct what its message names, then submit again.",
    retryable=False,
)
_MAINTENANCE = Meaning(
    meaning="The provider is under maintenance.",
    advice="Submit again later.",
    retryable=True,
)

SUBMIT_MEANINGS: Meanings = {
    "400": _BAD_VALUE,
    "401": Meaning(
        meaning="The provider does not accept the API key.",
        advice="Check api_key of this provider in the receiver's configuration.",
        retryable=False,
    ),
    "402": NO_CREDITS,
    "404": Meaning(
        meaning="The provider knows no such operation.",
        advice="Check the path and the method of the request, and base_url in the receiver's configuration.",
        retryable=False,
    ),
    "405": TOO_FAST,
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
    "451": Meaning(
        meaning="The provider could not fetch the audio that the request points to.",
        advice="Check that the link opens without signing in and is still valid, then submit again.",
        retryable=False,
    ),
    "455": _MAINTENANCE,
    "500": UNSETTLED,
}

_NOT_GENERATED = Meaning(
    meaning="The generation failed at the provider.",
    advice="Change the prompt, the style or the lyrics a little, then submit again.",
    retryable=False,
)
_NOT_MADE = Meaning(
    meaning="The provider could not make it from this track.",
    advice="Submit again later; if that fails too, try another track.",
    retryable=True,
)
_BAD_VOICE = Meaning(
    meaning="The provider could not use the recording of the voice.",
    advice="Record a clear voice without music, then start with a new phrase.",
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
    "FAIL": _NOT_GENERATED,
    "FAILED": _NOT_GENERATED,
    "GENERATE_AUDIO_FAILED": _NOT_GENERATED,
    "GENERATE_LYRICS_FAILED": _NOT_GENERATED,
    "GENERATE_MP4_FAILED": _NOT_MADE,
    "GENERATE_WAV_FAILED": _NOT_MADE,
    "PROCESSING_VALIDATE_FAIL": _BAD_VOICE,
    "SENSITIVE_WORD_ERROR": Meaning(
        meaning="The provider refused the text: it holds words that are not allowed.",
        advice="Change the prompt, the lyrics or the title, then submit again.",
        retryable=False,
    ),
    "CALLBACK_EXCEPTION": Meaning(
        meaning="The provider could not call us back, and has nothing to show.",
        advice="Check that public_url can be reached from outside, then submit again.",
        retryable=True,
    ),
}
