"""Handler type `apprise`: tells one of a hundred services, each named by a URL of the library apprise."""

import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Literal

from pydantic import PrivateAttr, SecretStr, field_validator

from handlers.apprise_call import Call, Said, finish, service_of
from handlers.apprise_message import body_of, title_of, type_of
from handlers.attachments import Attachment, fetch_attachments
from handlers.message import message_of
from handlers.notifier import Notifier
from handlers.roles import role_advice
from receiver.handler import Answer, Delivery, Preview, TemporaryFailure
from receiver.outbound import first_line, redact, settle, url_parts
from receiver.units import Size

_SEVERAL = re.compile(r"\s|,\s*[a-z][a-z0-9]*://", re.IGNORECASE)
_ATTACHED = ("audio", "image")
# Too large, or of a kind that the service does not take: the message without files is better than none.
_FILES_REFUSED = frozenset({413, 415})


class Apprise(Notifier):
    type: Literal["apprise"]
    url: SecretStr
    """One apprise URL: ntfys://ntfy.sh/topic, tgram://token/chat, …"""
    attach: bool | tuple[str, ...] = False
    """Files to send along: true for audio and cover, or a list of roles. They are linked in any case."""
    attach_most: Size = 25 * 2**20
    """What the files of one message may have together; what does not fit is only linked."""
    _pool: ThreadPoolExecutor | None = PrivateAttr(default=None)

    @field_validator("url")
    @classmethod
    def _is_known(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if _SEVERAL.search(url):
            raise ValueError("must be a single URL, as each is a delivery of its own; make a handler for each")
        if service_of(url) is None:
            raise ValueError(
                "is no URL that apprise understands, or lacks a part; "
                "see https://appriseit.com/services/ for how each service is written"
            )
        return value

    @field_validator("attach")
    @classmethod
    def _are_roles(cls, value: bool | tuple[str, ...]) -> bool | tuple[str, ...]:
        for role in value if isinstance(value, tuple) else ():
            if advice := role_advice(role):
                raise ValueError(f"has {role}, which is no role of a file; {advice}")
        return value

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Keeps threads for as many calls as may run at the same time."""
        pool = self._pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="apprise")
        try:
            yield
        finally:
            self._pool = None
            pool.shutdown(wait=False, cancel_futures=True)

    async def handle(self, delivery: Delivery) -> None:
        attachments = await self._attachments(delivery)
        said = await self._tell(delivery, attachments)
        if not said.taken and attachments and _FILES_REFUSED & set(said.statuses):
            said = await self._tell(delivery, ())
        if not said.taken:
            self._judge(said)

    async def preview(self, delivery: Delivery) -> Preview:
        message = message_of(delivery)
        return Preview(text=f"{title_of(message)}\n\n{body_of(self.template, delivery, message)}")

    async def _attachments(self, delivery: Delivery) -> tuple[Attachment, ...]:
        roles = self.attach if isinstance(self.attach, tuple) else _ATTACHED if self.attach else ()
        return await fetch_attachments(delivery, roles, self.attach_most) if roles else ()

    async def _tell(self, delivery: Delivery, attachments: tuple[Attachment, ...]) -> Said:
        message = message_of(delivery)
        call = Call(
            url=self.url.get_secret_value(),
            title=title_of(message),
            body=body_of(self.template, delivery, message),
            kind=type_of(delivery.event),
            attachments=attachments,
            limit_s=self.timeout.total_seconds(),
        )
        pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="apprise")
        try:
            return await finish(pool, call)
        finally:
            if pool is not self._pool:
                pool.shutdown(wait=False)

    def _judge(self, said: Said) -> None:
        # One URL may name several rooms. What they say counts where they agree.
        statuses = set(said.statuses)
        if len(statuses) == 1 and (status := statuses.pop()) >= 300:
            settle(Answer(status=status, headers={}, body=b""), said.service)
        words = redact(said.words, url_parts(self.url.get_secret_value()))
        raise TemporaryFailure(f"{said.service} did not take the message: {first_line(words) or 'no reason is known'}")
