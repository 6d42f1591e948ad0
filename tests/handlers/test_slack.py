import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from handlers.slack import Slack
from handlers.slack_message import compose
from receiver.handler import PermanentFailure, TargetFailure, TemporaryFailure
from receiver.outbound import Http
from receiver.units import Rate
from tests.support.deliveries import FakeHttp, World, make_answer, make_delivery
from tests.support.peers import answer, serve
from tests.support.slack import judge

WEBHOOK = "https://hooks.slack.com/services/T0/B0/s3cr3t"


def make_slack(url: str = WEBHOOK) -> Slack:
    return Slack.model_validate({"type": "slack", "webhook_url": url})


def test_rate_is_what_slack_allows_and_a_bad_address_is_refused_unseen() -> None:
    assert make_slack().rate == Rate(1, timedelta(seconds=1))
    assert not make_slack().edits
    with pytest.raises(ValueError, match="must be the address of a Slack webhook") as caught:
        make_slack("hooks/s3cr3t")
    assert "s3cr3t" not in str(caught.value)


BOT = {"token": "xoxb-s3cr3t", "channel": "#songs"}


@pytest.mark.parametrize(
    ("fields", "mistake"),
    [
        ({}, "needs a webhook_url, or token and channel"),
        ({"channel": "#songs"}, "needs a webhook_url, or token and channel"),
        ({"token": "xoxb-s3cr3t"}, 'has a token and no channel; add channel: "#name"'),
        ({"webhook_url": WEBHOOK, **BOT}, "keep the webhook_url, or token and channel"),
        ({"webhook_url": WEBHOOK, "channel": "#songs"}, "keep the webhook_url, or token and channel"),
        ({"webhook_url": WEBHOOK, "upload": True}, "can upload only with token and channel"),
        (BOT | {"token": "xoxp-s3cr3t"}, "begins with xoxb-"),
        (BOT | {"token": "xoxb-s3cr3t\n"}, "begins with xoxb-"),
        (BOT | {"channel": "songs"}, 'its name in quotes: "#songs"'),
        (BOT | {"channel": "#so ngs"}, "is no channel"),
        (BOT | {"api_url": "slack.com/s3cr3t"}, "must be an address such as https://slack.com/api/"),
        (BOT | {"api_url": "https://slack.com/api/?s3cr3t"}, "must be an address such as https://slack.com/api/"),
    ],
)
def test_mistake_in_the_keys_is_told_without_their_values(fields: dict[str, Any], mistake: str) -> None:
    with pytest.raises(ValueError, match=re.escape(mistake)) as caught:
        Slack.model_validate({"type": "slack", **fields})
    assert "s3cr3t" not in str(caught.value)


def test_address_of_the_api_need_not_end_in_a_slash() -> None:
    slack = Slack.model_validate({"type": "slack", **BOT, "api_url": "https://slack-gov.com/api"})
    assert slack.api_url == "https://slack-gov.com/api/"


async def test_preview_of_a_webhook_is_what_it_would_be_sent() -> None:
    world = World()
    shown = await make_slack().preview(make_delivery(world))
    assert shown is not None
    first, _, rest = shown.text.partition("\n")
    assert first == "Posts to the webhook:"
    assert json.loads(rest) == compose(make_delivery())
    assert world.http.sent == []


@pytest.mark.parametrize(
    ("status", "body", "outcome", "reason"),
    [
        (400, b"invalid_payload", PermanentFailure, "invalid_payload"),
        (400, b"user_not_found", PermanentFailure, "user_not_found"),
        (400, b"<html>bad</html>", PermanentFailure, "no reason given"),
        (403, b"invalid_token", TargetFailure, "invalid_token: the webhook's address is wrong"),
        (403, b"action_prohibited", TargetFailure, "action_prohibited"),
        (404, b"no_service", TargetFailure, "no_service"),
        (404, b"channel_not_found", TargetFailure, "channel_not_found"),
        (404, b"whatever", TargetFailure, "404 Not Found"),
        (410, b"channel_is_archived", TargetFailure, "the channel is archived"),
        (429, b"rate_limited", TemporaryFailure, "429"),
        (500, b"rollup_error", TemporaryFailure, "500"),
        (302, b"", PermanentFailure, "redirects"),
    ],
)
async def test_answer_of_slack_decides_the_outcome(status: int, body: bytes, outcome: type, reason: str) -> None:
    http = FakeHttp(make_answer(status, body))
    with pytest.raises(outcome, match=re.escape(reason)) as caught:
        await make_slack().handle(make_delivery(World(http=http), results=[]))
    assert "/services/" not in str(caught.value)
    assert len(http.sent) == 1


async def test_wait_that_slack_asks_for_is_passed_on() -> None:
    http = FakeHttp(make_answer(429, b"rate_limited", retry_after="30"))
    with pytest.raises(TemporaryFailure) as caught:
        await make_slack().handle(make_delivery(World(http=http)))
    assert caught.value.retry_after == timedelta(seconds=30)


async def test_cover_that_slack_cannot_fetch_does_not_cost_the_message() -> None:
    http = FakeHttp(make_answer(400, b"invalid_blocks"), make_answer(200, b"ok"))
    await make_slack().handle(make_delivery(World(http=http)))
    first, second = (sent.json for sent in http.sent)
    assert "accessory" in json.dumps(first)
    assert "accessory" not in json.dumps(second)
    judge(second)


async def test_message_that_slack_refuses_without_pictures_too_is_dead() -> None:
    http = FakeHttp(make_answer(400, b"invalid_blocks"))
    with pytest.raises(PermanentFailure, match="invalid_blocks"):
        await make_slack().handle(make_delivery(World(http=http)))
    assert len(http.sent) == 2


async def test_message_goes_over_a_real_connection() -> None:
    async with serve(answer(b"ok")) as peer:
        http = Http()
        try:
            delivery = replace(make_delivery(), http=http)
            await make_slack(f"{peer.url}/services/T0/B0/s3cr3t").handle(delivery)
        finally:
            await http.close()
    [seen] = peer.seen
    assert (seen.method, seen.target) == ("POST", "/services/T0/B0/s3cr3t")
    assert seen.headers["content-type"].startswith("application/json")
    assert seen.json() == compose(delivery)
