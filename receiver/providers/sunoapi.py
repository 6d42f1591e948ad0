"""sunoapi.org (docs.sunoapi.org): its addresses, and what its error codes mean."""

from typing import ClassVar, Literal

from receiver.providers import meanings
from receiver.providers.base import Address, Operation
from receiver.providers.failures import Meanings
from receiver.providers.family import Family
from receiver.providers.meanings import NO_CREDITS, TOO_FAST
from receiver.providers.operations import OPERATIONS

# https://docs.sunoapi.org/suno-api/generate-music: here 429 means that the credits are gone.
_OWN: Meanings = {"429": NO_CREDITS, "430": TOO_FAST}

SUBMIT_MEANINGS: Meanings = {**meanings.SUBMIT_MEANINGS, **_OWN}
TASK_MEANINGS: Meanings = {**meanings.TASK_MEANINGS, **_OWN}


class SunoApi(Family):
    operations: ClassVar[tuple[Operation, ...]] = OPERATIONS
    submit_meanings: ClassVar[Meanings] = SUBMIT_MEANINGS
    task_meanings: ClassVar[Meanings] = TASK_MEANINGS

    type: Literal["sunoapi"]
    base_url: Address = "https://api.sunoapi.org"
    """Where the provider's API lives."""
    upload_base_url: Address = "https://sunoapiorg.redpandaai.co"
    """Where files are uploaded to."""
