"""Handler type `webhook`: sends the event as JSON to an address of the operator's, signed as Standard Webhooks asks."""

import json
import re
from dataclasses import replace
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator

from handlers.signing import signing_key, webhook_headers
from handlers.text import is_web
from handlers.webhook_body import event_body, raw_body
from receiver.handler import Answer, Delivery, Handler, Preview, TargetFailure
from receiver.outbound import redact, settle, url_parts
from receiver.units import Secrets

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
# What the request itself says, and what would change how it is read.
_RESERVED = frozenset(
    {"content-encoding", "content-length", "content-type", "transfer-encoding", "accept-encoding"}
    | {"connection", "expect", "host", "keep-alive", "te", "trailer", "upgrade"}
    | {"webhook-id", "webhook-signature", "webhook-timestamp"}
)


def _header_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("is no name of a header; write one such as Authorization")
    if name.lower() in _RESERVED:
        raise ValueError("is a header that the receiver writes itself; leave it out")
    return name


def _header_value(value: SecretStr) -> SecretStr:
    if not _VALUE.fullmatch(value.get_secret_value()):
        raise ValueError("is no value of a header; write one line of ASCII without spaces at its ends")
    return value


class Webhook(Handler):
    type: Literal["webhook"]
    url: SecretStr
    """Where to send to; nothing after the host is ever shown."""
    secret: Annotated[Secrets, AfterValidator(lambda secrets: tuple(map(signing_key, secrets)))] = ()
    """Signs: whsec_ and 24 to 64 bytes in base64. While it is being changed a list: every one of them signs."""
    body: Literal["event", "raw"] = "event"
    """The event, or the provider's own body."""
    headers: dict[Annotated[str, AfterValidator(_header_name)], Annotated[SecretStr, AfterValidator(_header_value)]] = (
        Field(default_factory=dict)
    )
    """Further headers, such as Authorization."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: SecretStr) -> SecretStr:
        if not is_web(value.get_secret_value()):
            raise ValueError("must be an http or https address: https://example.com/hooks/songs")
        return value

    @field_validator("headers")
    @classmethod
    def _names_once(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        if len({name.lower() for name in value}) < len(value):
            raise ValueError("names a header twice; upper and lower case are the same")
        return value

    def secrets(self) -> tuple[str, ...]:
        return (*super().secrets(), *(value.get_secret_value() for value in self.headers.values()))

    async def handle(self, delivery: Delivery) -> None:
        content = self._content(delivery)
        answer = await delivery.http.request(
            "POST",
            self.url.get_secret_value(),
            headers={**self._own_headers(), **self._headers(delivery, content)},
            content=content,
            timeout=self.timeout,
        )
        self._judge(answer)

    async def preview(self, delivery: Delivery) -> Preview:
        content = self._content(delivery)
        shown = dict.fromkeys(self.headers, "[redacted]") | self._headers(delivery, content)
        if self.secret:
            shown["webhook-signature"] = " ".join("v1,[redacted]" for _ in self.secret)
        lines = [f"POST {self._place()}/…", *(f"{name}: {value}" for name, value in shown.items())]
        body = json.dumps(json.loads(content), indent=2, ensure_ascii=False)
        return Preview(text="\n".join([*lines, "", body]))

    def _content(self, delivery: Delivery) -> bytes:
        return raw_body(delivery) if self.body == "raw" else event_body(delivery)

    def _own_headers(self) -> dict[str, str]:
        return {name: value.get_secret_value() for name, value in self.headers.items()}

    def _headers(self, delivery: Delivery, content: bytes) -> dict[str, str]:
        return webhook_headers(delivery.id, delivery.now, content, self.secret)

    def _place(self) -> str:
        parts = urlsplit(self.url.get_secret_value())
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def _judge(self, answer: Answer) -> None:
        host = urlsplit(self.url.get_secret_value()).hostname or "the target"
        if answer.status == 410:
            raise TargetFailure(
                f"{host} answered 410 Gone: it wants no more; remove the handler, or mend and resume it"
            )
        hidden = {*self.secrets(), *url_parts(self.url.get_secret_value())} - {host}
        hidden |= {word for value in self._own_headers().values() for word in value.split()}
        body = redact(answer.body[:4096].decode(errors="replace"), tuple(hidden)).encode()
        settle(replace(answer, body=body), host, broken=(), patient=True)
