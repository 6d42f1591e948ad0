"""kie.ai (docs.kie.ai): unified jobs beside the family's own paths, signed callbacks, and what its codes mean."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator

from receiver.events import Submission, Trust
from receiver.providers import jobs, meanings
from receiver.providers.base import Address, Operation, Reply, Request
from receiver.providers.body import text
from receiver.providers.failures import UNSETTLED, Meaning, Meanings
from receiver.providers.family import Family
from receiver.providers.meanings import TOO_FAST
from receiver.providers.operations import OPERATIONS
from receiver.providers.rendering import Dialect, job_body, json_reply
from receiver.providers.signature import is_signed
from receiver.units import Secrets

# https://docs.kie.ai/suno-api/generate-music and https://docs.kie.ai/market/common/get-task-detail
_OWN: Meanings = {
    "429": TOO_FAST,
    "433": Meaning(
        meaning="The hourly or daily limit of this API key is reached.",
        advice="Raise the limit of the key at the provider, or submit again when its hour or day is over.",
        retryable=True,
    ),
    "505": Meaning(
        meaning="The provider has switched this feature off.",
        advice="Use another operation or model, or ask the provider's support when it comes back.",
        retryable=False,
    ),
}

SUBMIT_MEANINGS: Meanings = {**meanings.SUBMIT_MEANINGS, **_OWN, "501": UNSETTLED, "531": meanings.TASK_MEANINGS["531"]}
TASK_MEANINGS: Meanings = {**meanings.TASK_MEANINGS, **_OWN}


class Kie(Family):
    operations: ClassVar[tuple[Operation, ...]] = OPERATIONS
    submit_meanings: ClassVar[Meanings] = SUBMIT_MEANINGS
    task_meanings: ClassVar[Meanings] = TASK_MEANINGS
    dialect: ClassVar[Dialect] = Dialect(
        lyrics_id="task_id",
        lyrics_error="error_message",
        lyrics_failed="complete",
        stem_object="vocal_separation_info",
    )

    type: Literal["kie"]
    base_url: Address = "https://api.kie.ai"
    """Where the provider's API lives."""
    upload_base_url: Address = "https://kieai.redpandaai.co"
    """Where files are uploaded to."""
    hmac_key: Annotated[Secrets | None, AfterValidator(lambda keys: keys or None)] = None
    """The webhookHmacKey of kie.ai/settings; callbacks without its signature then wait for a status call."""

    def find(self, request: Request) -> Operation | None:
        if self._is_job(request.path) and request.method == "POST":
            return jobs.find_job(request.body)
        return super().find(request)

    def parent(self, request: Request, operation: Operation) -> str | None:
        name = "task_id" if self._is_job(request.path) else "taskId"
        return text(self.wanted(request).get(name))

    def wanted(self, request: Request) -> Mapping[str, Any]:
        asked = super().wanted(request)
        if not self._is_job(request.path):
            return asked
        inner = asked.get("input")
        return inner if isinstance(inner, dict) else {}

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Trust | None:
        if self.hmac_key is None:
            return Trust.TOKEN
        keys = [key.get_secret_value() for key in self.hmac_key]
        return Trust.SIGNED if is_signed(keys, headers, body, now) else None

    def status_request(self, submission: Submission) -> Request | None:
        operation = self.operation(submission.operation)
        if self._is_job(submission.path):
            operation = replace(operation, record=jobs.RECORD, id_parameter="taskId")
        return self._ask(operation, submission)

    def asked_task(self, request: Request) -> str | None:
        if request.path.partition("?")[0].rstrip("/") != jobs.RECORD:
            return super().asked_task(request)
        return self._asked(request, "taskId")

    def render_status(self, submission: Submission) -> Reply:
        if not self._is_job(submission.path):
            return super().render_status(submission)
        return json_reply(job_body(self._made(submission), jobs.model_of(submission.operation), self.dialect))

    def render_no_task(self, request: Request) -> Reply:
        if request.path.partition("?")[0].rstrip("/") == jobs.RECORD:
            # https://docs.kie.ai/market/common/get-task-detail
            return json_reply({"code": 422, "msg": "recordInfo is null", "data": None})
        return super().render_no_task(request)

    @staticmethod
    def _is_job(path: str | None) -> bool:
        return path is not None and path.partition("?")[0].rstrip("/") == jobs.CREATE
