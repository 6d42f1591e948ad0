"""The reserved handler `client`: a client's own callback URL gets what the provider's callback would have brought."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import PrivateAttr

from receiver.handler import Delivery, Handler, PermanentFailure
from receiver.outbound import settle
from receiver.providers.base import Provider
from receiver.routing import CLIENT, Globs
from receiver.tokens import redact_tokens
from receiver.units import Duration

_PORTS = {"http": 80, "https": 443}
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")


def is_allowed(url: str, patterns: Sequence[str]) -> bool:
    """Whether a client may have its callbacks sent there: scheme, host and port of a pattern, `*` in the path."""
    try:
        wanted = urlsplit(url)
        place = _place(wanted)
    except ValueError:
        return False
    if wanted.scheme not in _PORTS or wanted.username is not None or wanted.password is not None:
        return False
    if _UNSAFE.search(url) or _climbs(wanted.path):
        return False
    return any(_place(urlsplit(one)) == place and _covers(urlsplit(one).path, wanted.path) for one in patterns)


def _climbs(path: str) -> bool:
    """Whether a part of the path leads up, however often it is encoded."""
    while (plain := unquote(path)) != path:
        path = plain
    return any(part.partition(";")[0] in {".", ".."} for part in path.replace("\\", "/").split("/"))


def _place(parts: SplitResult) -> tuple[str, str | None, int | None]:
    """Raises ValueError for a port that is none."""
    return parts.scheme, parts.hostname, _PORTS.get(parts.scheme) if parts.port is None else parts.port


def _covers(pattern: str, path: str) -> bool:
    return Globs((pattern or "/",)).match(path or "/")


class ClientCallbacks(Handler):
    """Sends each stage's raw callback with the provider's own headers, or what the adapter renders of a stage that came
    by status call. The address matched the operator's `forward_callbacks` when the submission was made.
    """

    type: Literal["client"] = CLIENT
    timeout: Duration = timedelta(seconds=15)
    # One handler for all clients: an endpoint that hangs must not hold the others' callbacks back.
    concurrency: int = 100
    _providers: Mapping[str, Provider] = PrivateAttr(default_factory=dict)

    @classmethod
    def for_providers(cls, providers: Mapping[str, Provider]) -> "ClientCallbacks":
        made = cls()
        made._providers = providers
        return made

    async def handle(self, delivery: Delivery) -> None:
        url = delivery.client_callback
        if url is None:
            raise PermanentFailure("its submission has no callback of the client's own")
        headers, body = self._content(delivery)
        answer = await delivery.http.request("POST", url, headers=headers, content=body, timeout=self.timeout)
        settle(answer, urlsplit(url).hostname or "the client", broken=(), patient=True)

    def _content(self, delivery: Delivery) -> tuple[Mapping[str, str], bytes]:
        kept = delivery.callback
        if kept is not None:
            body = redact_tokens(kept.body.decode("latin-1")).encode("latin-1")
            own = {name: value for name, value in kept.headers.items() if name != "user-agent"}
            return {"content-type": "application/json", **own}, body
        provider = self._providers.get(delivery.event.provider or "")
        if provider is None:
            raise PermanentFailure(f"no provider named {delivery.event.provider!r} is configured")
        return {"content-type": "application/json"}, provider.render_callback(delivery.event)
