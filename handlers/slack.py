"""Handler type `slack`: tells a channel about an event through an incoming webhook, as Block Kit."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

from pydantic import SecretStr, field_validator

from handlers.slack_message import compose
from handlers.text import is_web
from receiver.handler import Answer, Delivery, Handler, PermanentFailure, TargetFailure
from receiver.outbound import settle
from receiver.units import Rate, RateLimit

# https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
_BROKEN = {
    "no_service": "the webhook was removed or switched off",
    "no_service_id": "the webhook's address is incomplete",
    "no_team": "the workspace is gone",
    "team_disabled": "the workspace is switched off",
    "invalid_token": "the webhook's address is wrong or revoked",
    "channel_is_archived": "the channel is archived",
    "channel_not_found": "the channel is gone",
    "action_prohibited": "the workspace forbids this webhook to post",
    "posting_to_general_channel_denied": "the workspace forbids posts to its general channel",
}
_CODE = re.compile(r"[a-z_]{3,60}\b")
# Slack fetches a picture before it takes the message, and answers one of these where it can't.
_BLOCKS_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format", "invalid_attachments"})


class Slack(Handler):
    type: Literal["slack"]
    webhook_url: SecretStr
    """The address of an incoming webhook."""
    rate: RateLimit | None = Rate(1, timedelta(seconds=1))
    """Slack takes one message a second."""

    @field_validator("webhook_url")
    @classmethod
    def _is_address(cls, value: SecretStr) -> SecretStr:
        if not is_web(value.get_secret_value()):
            raise ValueError("must be the address of a Slack webhook: https://hooks.slack.com/services/…")
        return value

    async def handle(self, delivery: Delivery) -> None:
        message = compose(delivery)
        answer = await self._post(delivery, message)
        plain = _without_pictures(message)
        if plain != message and answer.status == 400 and _code(answer) in _BLOCKS_REFUSED:
            # A cover that Slack can't fetch must not cost the whole message.
            answer = await self._post(delivery, plain)
        _judge(answer)

    async def _post(self, delivery: Delivery, message: Mapping[str, Any]) -> Answer:
        return await delivery.http.request(
            "POST", self.webhook_url.get_secret_value(), json=message, timeout=self.timeout
        )


def _without_pictures(message: Mapping[str, Any]) -> dict[str, Any]:
    blocks = [{name: value for name, value in block.items() if name != "accessory"} for block in message["blocks"]]
    return {**message, "blocks": blocks}


def _code(answer: Answer) -> str:
    match = _CODE.match(answer.body[:200].decode(errors="replace").strip())
    return match[0] if match else ""


def _judge(answer: Answer) -> None:
    code = _code(answer) if answer.status >= 400 else ""
    if code in _BROKEN:
        raise TargetFailure(f"Slack says {code}: {_BROKEN[code]}")
    if answer.status == 400:
        raise PermanentFailure(f"Slack refuses the message: {code or 'no reason given'}")
    # Of the body only Slack's own word: a proxy's page could repeat the secret address.
    settle(replace(answer, body=code.encode()), "Slack")
