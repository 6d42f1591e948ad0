"""Handler type `slack`: tells a channel, through an incoming webhook or as a bot that keeps one message up to date."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

from pydantic import SecretStr, field_validator, model_validator

from handlers.notifier import Notifier
from handlers.slack_api import SlackApi
from handlers.slack_message import compose, without_pictures
from handlers.slack_story import recall
from handlers.slack_thread import PICTURES_REFUSED, Thread
from handlers.slack_upload import Uploads
from handlers.text import is_web
from receiver.handler import Answer, Delivery, PermanentFailure, Preview, Receipt, TargetFailure, settle
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
# A token that is rotated begins with xoxe. and is a bot's all the same.
_BOT_TOKEN = re.compile(r"(xoxe\.)?xoxb-[!-~]+")
_CHANNEL = re.compile(r"#[^\s#@<>|&]{1,80}|[CDGU][A-Z0-9]{5,20}")


class Slack(Notifier):
    type: Literal["slack"]
    webhook_url: SecretStr | None = None
    """The address of an incoming webhook; or token and channel."""
    token: SecretStr | None = None
    """A bot's token, xoxb-…, with the scope chat:write, and files:write for `upload`."""
    channel: str | None = None
    """Where the bot speaks: a channel's id, or its "#name" in quotes."""
    upload: bool = False
    """Whether the bot puts the songs into the thread, so that they play in Slack."""
    api_url: str = "https://slack.com/api/"
    """Where Slack's Web API is: another one for GovSlack (https://slack-gov.com/api/) and proxies."""
    rate: RateLimit | None = Rate(1, timedelta(seconds=1))
    """Slack takes one message a second."""

    @field_validator("webhook_url")
    @classmethod
    def _is_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not is_web(value.get_secret_value()):
            raise ValueError("must be the address of a Slack webhook: https://hooks.slack.com/services/…")
        return value

    @field_validator("token")
    @classmethod
    def _is_bots(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _BOT_TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError("must be a bot's token, which begins with xoxb-: see OAuth & Permissions of your app")
        return value

    @field_validator("channel")
    @classmethod
    def _is_channel(cls, value: str | None) -> str | None:
        if value is not None and not _CHANNEL.fullmatch(value):
            raise ValueError('is no channel; write its id (C0123456789), or its name in quotes: "#songs"')
        return value

    @field_validator("api_url")
    @classmethod
    def _is_api(cls, value: str) -> str:
        if not is_web(value) or "?" in value or "#" in value:
            raise ValueError("must be an address such as https://slack.com/api/")
        return value if value.endswith("/") else f"{value}/"

    @model_validator(mode="after")
    def _one_way(self) -> "Slack":
        if self.webhook_url is not None and (self.token is not None or self.channel is not None):
            raise ValueError("has a webhook_url beside token or channel; keep the webhook_url, or token and channel")
        if self.webhook_url is None and self.token is None:
            raise ValueError("needs a webhook_url, or token and channel")
        if self.token is not None and self.channel is None:
            raise ValueError('has a token and no channel; add channel: "#name" (in quotes), or its id')
        if self.webhook_url is not None and self.upload:
            raise ValueError("can upload only with token and channel; leave out upload, or the webhook_url")
        return self

    @property
    def edits(self) -> bool:
        return self.token is not None

    async def handle(self, delivery: Delivery) -> Receipt | None:
        if self.webhook_url is not None:
            await self._call_webhook(delivery, self.webhook_url.get_secret_value())
            return None
        api, thread = self._bot(delivery)
        story = await thread.tell()
        if self.upload:
            await Uploads(api, delivery, thread).send(story)
        return Receipt(details={"channel": story.channel, "ts": story.ts})

    async def preview(self, delivery: Delivery) -> Preview | None:
        """The JSON of every call."""
        if self.webhook_url is not None:
            return Preview(text=f"Posts to the webhook:\n{_indented(compose(delivery, template=self.template))}")
        api, thread = self._bot(delivery)
        parts = [f"{step.why}:\n{_indented(step.fields)}" for step in await thread.plan()]
        if self.upload and self.channel:
            missing = Uploads(api, delivery, thread).missing(await recall(delivery.memory, self.channel))
            parts += [f"Then uploads the sound of {result.id} into the thread" for result in missing]
        return Preview(text="\n\n".join(parts) or "Changes nothing: the message shows something later already")

    def _bot(self, delivery: Delivery) -> tuple[SlackApi, Thread]:
        assert self.token is not None
        assert self.channel is not None
        api = SlackApi(delivery.http, self.api_url, self.token, self.timeout)
        return api, Thread(api, self.channel, delivery, self.template)

    async def _call_webhook(self, delivery: Delivery, url: str) -> None:
        message = compose(delivery, template=self.template)
        answer = await self._post(delivery, url, message)
        plain = without_pictures(message)
        if plain != message and answer.status == 400 and _code(answer) in PICTURES_REFUSED:
            # A cover that Slack can't fetch must not cost the whole message.
            answer = await self._post(delivery, url, plain)
        _judge(answer)

    async def _post(self, delivery: Delivery, url: str, message: Mapping[str, Any]) -> Answer:
        return await delivery.http.request("POST", url, json=message, timeout=self.timeout)


def _indented(message: Mapping[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False, indent=2)


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
