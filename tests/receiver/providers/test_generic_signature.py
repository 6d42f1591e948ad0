"""The vectors were computed with Python's hmac from each provider's documented recipe, not captured from a sender."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from receiver.events import Trust
from receiver.providers.generic import Generic

NOW = datetime.fromtimestamp(1_700_000_000, UTC)
BODY = b'{"event":"song.completed","task_id":"t-1"}'
STAMP = "1700000000"
SUBMIT = [{"path": "/songs", "operation": "generate", "kind": "music"}]
MUSICAPI = {
    "type": "hmac",
    "key": "s3cret",
    "header": "X-Webhook-Signature",
    "prefix": "sha256=",
    "timestamp_header": "X-Webhook-Timestamp",
    "message": "{ts}.{body}",
}
MUSICAPI_SENT = {
    "x-webhook-signature": "sha256=52865596813e8673a88c480098ca8126eb2f84b17844d7f5d92169f9d9b414fe",
    "x-webhook-timestamp": STAMP,
}
RAW_HEX = "332a97713aac19ea2e007d7b8dd84b9ccd69bc2b2d815c6242811ccd2be1414c"
STANDARD = {"type": "standard_webhooks", "key": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
STANDARD_SENT = {
    "webhook-id": "msg_1",
    "webhook-timestamp": STAMP,
    "webhook-signature": "v1,rh4bAylWZo/FA/+BIANQ3ZeO1gwvu1LegIPgZkJEudk=",
}
APIFRAME: dict[str, Any] = {"type": "hmac", "header": "X-Webhook-Signature", "key": "afk_test"}
KIE = {
    "type": "hmac",
    "key": "s3cret",
    "header": "X-Webhook-Signature",
    "timestamp_header": "X-Webhook-Timestamp",
    "message": "{task_id}.{ts}",
    "encoding": "base64",
}
STATIC = {"type": "header", "key": "s3cret", "header": "X-Webhook-Secret"}
VECTORS = [
    ("musicapi", MUSICAPI, MUSICAPI_SENT),
    ("raw-body-hex", {"type": "hmac", "key": "s3cret", "header": "X-Signature"}, {"x-signature": RAW_HEX}),
    (
        "raw-body-base64",
        {"type": "hmac", "key": "s3cret", "header": "X-Signature", "encoding": "base64"},
        {"x-signature": "MyqXcTqsGeouAH17jdhLnM1pvCstgVxiQoEczSvhQUw="},
    ),
    (
        "kie",
        KIE,
        {"x-webhook-signature": "JEy7K5dC07jw0fsMwKEoDepS8M2r8ftNDMV0Mdgb+Oo=", "x-webhook-timestamp": STAMP},
    ),
    (
        "apiframe-key-as-text",
        APIFRAME | {"key_form": "sha256_hex"},
        {"x-webhook-signature": "95a8045c01ff6a33468c72285bb58c5c0ceab4b51b52f3dc65fdaf2a7501b3cd"},
    ),
    (
        "apiframe-key-as-bytes",
        APIFRAME | {"key_form": "sha256_raw"},
        {"x-webhook-signature": "8b34e883b567559fcdd6af346b64ce01210723b61a38d49b37d2a37975ff3b14"},
    ),
    ("standard-webhooks", STANDARD, STANDARD_SENT),
    ("static-header", STATIC, {"x-webhook-secret": "s3cret"}),
]


def signed(signature: dict[str, Any] | None, api_key: str = "afk_test") -> Generic:
    return Generic.model_validate(
        {
            "type": "generic",
            "api_key": api_key,
            "base_url": "https://api.example.com",
            "submit": SUBMIT,
            "signature": signature,
        }
    )


every_vector = pytest.mark.parametrize(
    ("signature", "sent"), [row[1:] for row in VECTORS], ids=[row[0] for row in VECTORS]
)


@every_vector
def test_documented_recipe_holds(signature: dict[str, Any], sent: dict[str, str]) -> None:
    assert signed(signature).verify(sent, BODY, NOW) is Trust.SIGNED


@every_vector
def test_another_key_does_not_hold(signature: dict[str, Any], sent: dict[str, str]) -> None:
    wrong = "whsec_AAAA" if signature["type"] == "standard_webhooks" else "another"
    assert signed({**signature, "key": wrong}).verify(sent, BODY, NOW) is None


@every_vector
def test_one_of_several_keys_is_enough(signature: dict[str, Any], sent: dict[str, str]) -> None:
    wrong = "whsec_AAAA" if signature["type"] == "standard_webhooks" else "another"
    assert signed({**signature, "key": [wrong, signature["key"]]}).verify(sent, BODY, NOW) is Trust.SIGNED


@every_vector
def test_nothing_that_is_absent_counts(signature: dict[str, Any], sent: dict[str, str]) -> None:
    provider = signed(signature)
    for name in sent:
        assert provider.verify({key: value for key, value in sent.items() if key != name}, BODY, NOW) is None
        assert provider.verify(sent | {name: ""}, BODY, NOW) is None


@every_vector
def test_header_that_came_twice_does_not_hold(signature: dict[str, Any], sent: dict[str, str]) -> None:
    name = str(signature.get("header", "webhook-signature")).lower()
    assert signed(signature).verify(sent | {name: f"{sent[name]}, forged"}, BODY, NOW) is None
    assert signed(signature).verify(sent | {name: f"forged, {sent[name]}"}, BODY, NOW) is None


@pytest.mark.parametrize("name", ["musicapi", "raw-body-hex", "standard-webhooks"])
def test_body_counts_to_the_last_byte(name: str) -> None:
    _, signature, sent = next(row for row in VECTORS if row[0] == name)
    assert signed(signature).verify(sent, BODY + b"\n", NOW) is None


@pytest.mark.parametrize("signature", [MUSICAPI, STANDARD, KIE], ids=["musicapi", "standard-webhooks", "kie"])
@pytest.mark.parametrize("direction", [1, -1], ids=["late", "early"])
def test_time_may_be_off_by_the_tolerance_to_either_side(signature: dict[str, Any], direction: int) -> None:
    sent = next(row[2] for row in VECTORS if row[1] is signature)
    provider = signed(signature)
    assert provider.verify(sent, BODY, NOW + direction * timedelta(seconds=300)) is Trust.SIGNED
    assert provider.verify(sent, BODY, NOW + direction * timedelta(seconds=301)) is None
    patient = signed({**signature, "tolerance": "1h"})
    assert patient.verify(sent, BODY, NOW + direction * timedelta(minutes=59)) is Trust.SIGNED


@pytest.mark.parametrize("stamp", ["now", "-1700000000", "1700000000.5", "17" * 20, "\u0661\u0667"])
def test_time_that_is_none_does_not_hold(stamp: str) -> None:
    assert signed(MUSICAPI).verify(MUSICAPI_SENT | {"x-webhook-timestamp": stamp}, BODY, NOW) is None


def test_sender_may_sign_with_several_keys_at_once() -> None:
    both = {"webhook-signature": f"v1,AAAA {STANDARD_SENT['webhook-signature']} v2,BBBB"}
    assert signed(STANDARD).verify(STANDARD_SENT | both, BODY, NOW) is Trust.SIGNED


def test_hexadecimal_may_come_in_capitals_and_base64_may_not() -> None:
    assert signed(VECTORS[1][1]).verify({"x-signature": RAW_HEX.upper()}, BODY, NOW) is Trust.SIGNED
    assert signed(VECTORS[2][1]).verify({"x-signature": VECTORS[2][2]["x-signature"].lower()}, BODY, NOW) is None


def test_header_that_is_no_ascii_does_not_hold() -> None:
    for row in VECTORS:
        assert signed(row[1]).verify(dict.fromkeys(row[2], "gr\u00fc\u00df\u20ac"), BODY, NOW) is None


def test_api_key_stands_in_where_the_key_is_made_from_it() -> None:
    told = {"type": "hmac", "header": "X-Webhook-Signature", "key_form": "sha256_hex"}
    sent = VECTORS[4][2]
    assert signed(told, "afk_test").verify(sent, BODY, NOW) is Trust.SIGNED
    assert signed(told, "afk_other").verify(sent, BODY, NOW) is None


def test_body_without_a_task_id_can_not_prove_itself_by_it() -> None:
    sent = VECTORS[3][2]
    for body in (b"", b"[]", b"not JSON", b'{"task_id": "t-2"}'):
        assert signed(KIE).verify(sent, body, NOW) is None


def test_without_a_signature_the_url_alone_is_trusted() -> None:
    assert signed(None).verify({}, BODY, NOW) is Trust.TOKEN
    assert signed(None).kept_headers() == frozenset()


def test_headers_that_prove_are_kept() -> None:
    assert signed(STANDARD).kept_headers() == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert signed(STATIC).kept_headers() == {"x-webhook-secret"}


@every_vector
def test_key_shows_nowhere(signature: dict[str, Any], sent: dict[str, str]) -> None:
    provider = signed(signature)
    assert signature["key"] not in f"{provider!r} {provider.model_dump()} {provider.model_dump_json()}"
    assert signature["key"] in provider.secrets(json.dumps({}).encode())
