"""What a client asks for: the request as the provider gets it, and what the client says about it to us."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from starlette.requests import Request as HttpRequest

from receiver.errors import Rejection
from receiver.events import Kind
from receiver.providers.base import Operation, Provider, Request
from receiver.web.access import Identity
from receiver.web.answers import too_slow
from receiver.web.bodies import BodyTooLarge, read_body

_FORWARDED = ("accept", "accept-language", "content-type", "user-agent")
_PATIENCE = 60.0
_LABEL = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MOST_LABELS, _LONGEST_LABEL = 20, 256
_KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")
# Ours alone: the provider never sees it.
_FRESH = re.compile(r"fresh(=.*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`name` is the provider's; `key` what the client calls its request; `fresh` asks the provider in any case."""

    name: str
    request: Request
    identity: Identity
    labels: Mapping[str, str]
    key: str | None = None
    fresh: bool = False

    @property
    def digest(self) -> str:
        """Tells this request from any other under the same key."""
        request = self.request
        return sha256(b"\0".join((request.method.encode(), request.path.encode(), request.body))).hexdigest()


async def read(http: HttpRequest, name: str, path: str, identity: Identity, limit: int) -> Asked:
    """The request of a client; its body may have `limit` bytes. Raises Rejection."""
    query = [part for part in http.url.query.split("&") if part]
    kept = "&".join(part for part in query if not _FRESH.fullmatch(part))
    labels, key = read_labels(http.headers), _key(http.headers)
    request = Request(
        method=http.method,
        path=path + (f"?{kept}" if kept else ""),
        headers=listed(http.headers, _FORWARDED),
        body=await _body(http, limit),
    )
    fresh = len(kept) < len("&".join(query))
    return Asked(name=name, request=request, identity=identity, labels=labels, key=key, fresh=fresh)


def operation_of(provider: Provider, request: Request) -> Operation | None:
    """What is asked for; a POST that carries a callback URL is a submission even where the path is unknown."""
    known = provider.find(request)
    if known is not None:
        return known
    other = Operation(name="other", kind=Kind.OTHER, path=request.path.partition("?")[0])
    carries = request.method == "POST" and provider.client_callback(request, other) is not None
    return other if carries else None


def other(request: Request | None) -> Operation:
    """What was asked for where nothing in the table says it, and without a callback."""
    return Operation(name="other", kind=Kind.OTHER, path=request.path if request else "", callback_field=None)


def listed(headers: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: headers[name] for name in names if name in headers}


def read_labels(headers: Mapping[str, str]) -> dict[str, str]:
    """The labels of `X-Receiver-Labels: project=podcast,user=42`. Raises Rejection."""
    pairs = [pair.partition("=") for pair in headers.get("x-receiver-labels", "").split(",") if pair.strip()]
    labels = {name.strip(): value.strip() for name, _, value in pairs}
    usable = all(_LABEL.fullmatch(name) and len(value) <= _LONGEST_LABEL for name, value in labels.items())
    if not usable or not all(sign for _, sign, _ in pairs) or len(labels) > _MOST_LABELS:
        detail = (
            f"Write X-Receiver-Labels as name=value,name=value: at most {_MOST_LABELS}, names of letters and digits."
        )
        raise Rejection(400, "Bad labels", f"Nothing was sent to the provider. {detail}")
    return labels


def _key(headers: Mapping[str, str]) -> str | None:
    """https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/, quotes or none."""
    if "idempotency-key" not in headers:
        return None
    key = headers["idempotency-key"].strip()
    if not _KEY.fullmatch(key):
        detail = "Write Idempotency-Key as 1 to 255 visible characters, such as a UUID."
        raise Rejection(400, "Bad Idempotency-Key", f"Nothing was sent to the provider. {detail}")
    return key


async def _body(http: HttpRequest, limit: int) -> bytes:
    try:
        return await read_body(http.scope, http.receive, limit, _PATIENCE)
    except BodyTooLarge as error:
        detail = f"The body has {error.size} bytes or more; limits.submission_body allows {limit}."
        raise Rejection(413, "Body too large", f"Nothing was sent to the provider. {detail}") from None
    except TimeoutError:
        raise too_slow() from None
