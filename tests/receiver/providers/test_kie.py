import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from receiver.events import Stage, Trust
from receiver.providers.base import Reply
from receiver.providers.kie import SUBMIT_MEANINGS, TASK_MEANINGS, Kie
from tests.support.provider_samples import load_samples

NOW = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
KEYS = ("key-of-today", "key-of-yesterday")
KIE = Kie(type="kie", api_key=SecretStr("key"), hmac_key=tuple(SecretStr(key) for key in KEYS))
BARE = Kie(type="kie", api_key=SecretStr("key"))
SAMPLES = {(one.folder, one.name): one for one in load_samples("kie")}
BODY = b'{"code":200,"data":{"task_id":"a","taskId":"b"},"task_id":"c","taskId":"d"}'


def signed(task_id: str = "a", *, key: str = KEYS[0], at: str | None = None, **changes: str) -> dict[str, str]:
    """The headers as kie's page makes them."""
    sent = at if at is not None else str(int(NOW.timestamp()))
    mac = hmac.new(key.encode(), f"{task_id}.{sent}".encode(), hashlib.sha256).digest()
    return {"x-webhook-timestamp": sent, "x-webhook-signature": base64.b64encode(mac).decode(), **changes}


@pytest.mark.parametrize("task_id", ["a", "b", "c", "d"])
@pytest.mark.parametrize("key", KEYS)
def test_signature_over_any_task_id_with_any_key_holds(task_id: str, key: str) -> None:
    assert KIE.verify(signed(task_id, key=key), BODY, NOW) is Trust.SIGNED


DOUBTED: dict[str, tuple[dict[str, str], bytes]] = {
    "no headers": ({}, BODY),
    "no signature": ({"x-webhook-timestamp": str(int(NOW.timestamp()))}, BODY),
    "no time": ({"x-webhook-signature": signed()["x-webhook-signature"]}, BODY),
    "empty signature": (signed(**{"x-webhook-signature": ""}), BODY),
    "another key": (signed(key="key-of-a-stranger"), BODY),
    "another task": (signed("e"), BODY),
    "no task at all": (signed(""), b'{"code":200}'),
    "a body that is no object": (signed(), b'["a"]'),
    "a body that is no JSON": (signed(), b"<html>"),
    "in hex": (signed(**{"x-webhook-signature": hmac.new(KEYS[0].encode(), b"a", "sha256").hexdigest()}), BODY),
    "letters that are no ASCII": (signed(**{"x-webhook-signature": "\u00e4"}), BODY),
    "a time that is none": (signed(at="soon"), BODY),
    "a time in milliseconds": (signed(at=str(int(NOW.timestamp() * 1000))), BODY),
    "a negative time": (signed(at="-1"), BODY),
    "digits that are no ASCII": (signed(at="\u0661\u0662"), BODY),
    "an endless time": (signed(at="9" * 5000), BODY),
}


@pytest.mark.parametrize(("headers", "body"), DOUBTED.values(), ids=DOUBTED)
def test_callback_without_a_valid_signature_is_doubted(headers: dict[str, str], body: bytes) -> None:
    assert KIE.verify(headers, body, NOW) is None


@pytest.mark.parametrize(("age", "holds"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
def test_signature_is_stale_after_300_seconds_either_way(age: int, holds: bool) -> None:
    headers = signed(at=str(int(NOW.timestamp()) - age))
    assert KIE.verify(headers, BODY, NOW) is (Trust.SIGNED if holds else None)


def test_signature_over_another_time_is_wrong() -> None:
    headers = signed() | {"x-webhook-timestamp": str(int(NOW.timestamp()) - 1)}
    assert KIE.verify(headers, BODY, NOW) is None


def test_without_a_key_a_callback_is_trusted_as_far_as_its_token() -> None:
    assert BARE.verify(signed(), BODY, NOW) is Trust.TOKEN
    assert BARE.verify({}, b"", NOW + timedelta(days=9)) is Trust.TOKEN


@pytest.mark.parametrize(("value", "count"), [("one", 1), ("one, two", 2), (["one", "two"], 2), ("", 0), ([], 0)])
def test_keys_are_a_list_or_its_text_and_empty_is_none(value: Any, count: int) -> None:
    provider = Kie.model_validate({"type": "kie", "api_key": "k", "hmac_key": value})
    assert len(provider.hmac_key or ()) == count
    assert (provider.hmac_key is None) == (count == 0)


def test_keys_show_nowhere() -> None:
    assert not [key for key in KEYS if key in f"{KIE!r} {KIE.model_dump()} {KIE.model_dump_json()}"]


def test_addresses_are_kies() -> None:
    assert (BARE.base_url, BARE.upload_base_url) == ("https://api.kie.ai", "https://kieai.redpandaai.co")


DOCUMENTED = {
    "400": False, "401": False, "402": False, "404": False, "409": False, "413": False, "422": False, "429": True,
    "433": True, "451": False, "455": True, "505": False,
}  # fmt: skip


@pytest.mark.parametrize(("code", "retryable"), DOCUMENTED.items())
def test_documented_code_has_its_meaning(code: str, retryable: bool) -> None:
    assert SUBMIT_MEANINGS[code].retryable is retryable
    assert code in TASK_MEANINGS


def test_too_fast_and_out_of_credits_are_told_apart() -> None:
    fast, broke = SUBMIT_MEANINGS["429"], SUBMIT_MEANINGS["402"]
    assert (fast.meaning, fast.advice) == ("Too many requests in a short time.", "Wait a minute, then submit again.")
    assert broke.meaning == "Your account at the provider has too few credits."
    assert "430" not in SUBMIT_MEANINGS


def test_only_code_531_gives_the_credits_back() -> None:
    for meanings in (SUBMIT_MEANINGS, TASK_MEANINGS):
        assert {code for code, known in meanings.items() if known.refunded} == {"531"}


@pytest.mark.parametrize("code", SUBMIT_MEANINGS)
def test_meaning_and_advice_are_sentences(code: str) -> None:
    for known in (SUBMIT_MEANINGS[code], TASK_MEANINGS[code]):
        for sentence in (known.meaning, known.advice):
            assert sentence.endswith(".")
            assert sentence[0].isupper()


def test_refusal_in_an_http_200_is_a_refusal() -> None:
    found = SAMPLES["reply", "reply.rejected.http-200-code-422"]
    verdict = KIE.read_reply(KIE.operation("generate"), Reply(status=200, body=found.body))
    assert verdict.stage is Stage.REJECTED
    assert verdict.error is not None
    assert (verdict.error.code, verdict.error.message) == ("422", "Please enter callBackUrl.")


def test_cloudflares_refusal_is_not_the_providers_answer() -> None:
    found = SAMPLES["reply", "reply.unknown.http-403-cloudflare-1010"]
    verdict = KIE.read_reply(KIE.operation("generate"), Reply(status=403, body=found.body))
    assert (verdict.stage, verdict.enveloped) == (Stage.UNKNOWN, False)


def test_lyrics_that_failed_say_complete_and_are_a_failure() -> None:
    report = KIE.parse_callback(
        KIE.operation("lyrics"), {}, SAMPLES["lyrics", "callback.failed.complete-with-code-400"].body
    )
    assert (report.stage, report.task_id) == (Stage.FAILED, "6f1c0e52a9d84b7f")
