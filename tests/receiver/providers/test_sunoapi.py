import pytest
from pydantic import SecretStr, ValidationError

from receiver.events import Failure, Stage
from receiver.providers.base import Reply
from receiver.providers.failures import Meaning
from receiver.providers.sunoapi import SUBMIT_MEANINGS, TASK_MEANINGS, SunoApi
from receiver.stages import Report
from tests.support.provider_samples import load_samples

SUNO = SunoApi(type="sunoapi", api_key=SecretStr("key"))
GENERATE = SUNO.operation("generate")
SAMPLES = {one.name: one for one in load_samples("sunoapi") if one.folder in {"music", "reply"}}


def test_addresses_are_sunoapis_and_can_be_changed() -> None:
    assert SUNO.base_url == "https://api.sunoapi.org"
    assert SUNO.upload_base_url == "https://sunoapiorg.redpandaai.co"
    other = SunoApi(type="sunoapi", api_key=SecretStr("k"), base_url="http://127.0.0.1:9/x")
    assert other.base_url == "http://127.0.0.1:9/x"


@pytest.mark.parametrize("url", ["api.sunoapi.org", "ftp://x", "https://x?a=1", ""])
def test_address_that_is_no_base_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        SunoApi.model_validate({"type": "sunoapi", "api_key": "k", "upload_base_url": url})


def parse(name: str) -> Report:
    found = SAMPLES[name]
    if found.what == "callback":
        return SUNO.parse_callback(GENERATE, {}, found.body)
    return SUNO.parse_status(GENERATE, Reply(status=200, body=found.body))


def parse_failure(name: str) -> Failure:
    report = parse(name)
    assert report.stage is Stage.FAILED
    assert report.error is not None
    return report.error


DOCUMENTED = {
    "400": False, "401": False, "402": False, "404": False, "405": True, "409": False, "413": False, "422": False,
    "429": False, "430": True, "451": False, "455": True,
}  # fmt: skip


@pytest.mark.parametrize(("code", "retryable"), DOCUMENTED.items())
def test_documented_code_has_its_meaning(code: str, retryable: bool) -> None:
    assert SUBMIT_MEANINGS[code].retryable is retryable


@pytest.mark.parametrize(
    "known", [*SUBMIT_MEANINGS.values(), *TASK_MEANINGS.values()], ids=lambda one: one.meaning[:30]
)
def test_meaning_and_advice_are_sentences(known: Meaning) -> None:
    for sentence in (known.meaning, known.advice):
        assert sentence.endswith(".")
        assert sentence[0].isupper()


@pytest.mark.parametrize("code", ["400", "408", "413", "500"])
def test_code_means_something_else_at_submit_than_later(code: str) -> None:
    assert SUBMIT_MEANINGS[code] != TASK_MEANINGS[code]


@pytest.mark.parametrize(
    ("name", "code", "message", "known"),
    [
        ("callback.failed.error-null-items", "400", "The lyrics contain copyrighted material.", "400"),
        ("callback.failed.error-empty-items", "501", "Audio generation failed.", "501"),
        ("callback.failed.error-text-in-data", "501", "Audio generation failed.", "501"),
        ("callback.failed.error-text-in-data-only", "501", "The section is too short.", "501"),
        ("callback.failed.error-with-code-200", "error", "Something went wrong.", "ERROR"),
        ("callback.failed.complete-with-code-501", "501", "Audio generation failed.", "501"),
        ("callback.failed.complete-with-code-400", "400", "Invalid content.", "400"),
        ("callback.failed.no-data", "451", "Unauthorized: failed to download file.", "451"),
        ("callback.failed.refunded-code-as-text", "531", "Generation failed, credits refunded.", "531"),
        ("status.failed.callback-exception-without-songs", "CALLBACK_EXCEPTION", "", "CALLBACK_EXCEPTION"),
        ("status.failed.create-task-failed", "500", "Internal error.", "500"),
        ("status.failed.generate-audio-failed", "413", "Uploaded audio matches an existing recording.", "413"),
        (
            "status.failed.sensitive-word",
            "SENSITIVE_WORD_ERROR",
            "Sensitive words in the lyrics.",
            "SENSITIVE_WORD_ERROR",
        ),
        ("status.failed.failed-with-songs", "FAILED", "", "FAILED"),
    ],
    ids=lambda value: value if "." in value and " " not in value else "",
)
def test_failure_names_code_message_and_meaning(name: str, code: str, message: str, known: str) -> None:
    error = parse_failure(name)
    expected = TASK_MEANINGS[known]
    assert (error.code, error.message) == (code, message)
    assert (error.meaning, error.advice) == (expected.meaning, expected.advice)
    assert (error.retryable, error.refunded) == (expected.retryable, expected.refunded)


def test_unknown_code_has_a_neutral_meaning() -> None:
    error = parse_failure("callback.failed.unknown-code")
    assert (error.code, error.message, error.retryable) == ("599", "Out of tune.", None)
    assert error.meaning == "The provider reports a failure under a code that it does not explain."


def test_unknown_error_code_of_a_record_falls_back_on_its_status() -> None:
    body = b'{"code":200,"data":{"status":"SENSITIVE_WORD_ERROR","errorCode":999}}'
    error = SUNO.parse_status(GENERATE, Reply(status=200, body=body)).error
    assert error is not None
    assert (error.code, error.meaning) == ("999", TASK_MEANINGS["SENSITIVE_WORD_ERROR"].meaning)


def test_only_code_531_gives_the_credits_back() -> None:
    assert {code for code, known in TASK_MEANINGS.items() if known.refunded} == {"531"}
