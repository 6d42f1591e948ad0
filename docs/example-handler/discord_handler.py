"""Handler type `discord`: tells a channel about an event through a webhook."""

import re
from typing import Any

from pydantic import SecretStr, field_validator

from receiver.handler import Delivery, Handler, Preview, Result, settle

# https://docs.discord.com/developers/resources/webhook#execute-webhook
_MOST = 2000
_MARKUP = re.compile(r"([\\*_~`|>#\[\]()<-])")


class Discord(Handler):
    """Its fields are its keys in the YAML file; a misspelt one is told with file and line."""

    webhook_url: SecretStr
    """Where to post to: https://discord.com/api/webhooks/…"""
    username: str = "Suno"
    """The name above the message."""

    @field_validator("webhook_url")
    @classmethod
    def _is_address(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("https://", "http://")):
            raise ValueError("must be the address of a webhook: https://discord.com/api/webhooks/…")
        return value

    async def handle(self, delivery: Delivery) -> None:
        answer = await delivery.http.request(
            "POST", self.webhook_url.get_secret_value(), json=self._message(delivery), timeout=self.timeout
        )
        # 2xx is delivered. A webhook that is gone pauses the handler, 429 and 5xx are tried again.
        settle(answer, "Discord")

    async def preview(self, delivery: Delivery) -> Preview:
        return Preview(text=self._message(delivery)["content"])

    def _message(self, delivery: Delivery) -> dict[str, Any]:
        event = delivery.event
        lines = [f"**{_plain(event.type)}**", *(_line(delivery, result) for result in delivery.results)]
        if event.error:
            lines.append(_plain(event.error.message))
        # Titles come from outside: nobody is called by them.
        return {"username": self.username, "content": "\n".join(lines)[:_MOST], "allowed_mentions": {"parse": []}}


def _line(delivery: Delivery, result: Result) -> str:
    audio = result.file("audio")
    # An archive's link lasts; the provider's expires.
    link = delivery.archived(result.id, "audio") or (audio.url if audio else "")
    return f"{_plain(result.title or result.id)} {link}".rstrip()


def _plain(text: str) -> str:
    """The text on one line, with no markup in it."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
