"""What the YAML file may say: frozen sections whose docstrings become the JSON Schema's descriptions."""

import ipaddress
import re
from datetime import timedelta
from importlib.util import find_spec
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, SecretStr, WithJsonSchema, model_validator

from receiver.events import Trust
from receiver.handler import Handler
from receiver.providers.base import Provider
from receiver.routing import DEFAULT_WAIT, Route
from receiver.units import Duration, Secrets, Section, Size

LEAST_SECRET = 16

_LARGEST_PORT = 65535
_ONE_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.%-]+)(?::\d{1,5})?"
_OPTION = r"\w+=[^\s?#&]*"
_POSTGRESQL = re.compile(
    rf"postgres(?:ql)?://(?:[^\s@/:?#]+(?::[^\s@/?#]*)?@)?(?P<hosts>(?:{_ONE_HOST}(?:,{_ONE_HOST})*)?)/[^\s@/?#]+"
    rf"(?:\?(?P<options>{_OPTION}(?:&{_OPTION})*))?"
)
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")


def _split_url(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("is not an address: check the host and the port") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("must be a whole address that starts with https:// or http://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or password; remove what stands before the @")
    if "?" in text or "#" in text:
        raise ValueError("must not hold ? or #; end it with the path")
    if re.search(r"[\s\\]", text):
        raise ValueError("must not hold spaces or backslashes")
    return parts


def _public_url(text: str) -> str:
    _split_url(text)
    if "*" in text:
        raise ValueError("must be one address; wildcards have no place in it")
    return text.rstrip("/")


def _url_pattern(text: str) -> str:
    if "*" in _split_url(text).netloc:
        raise ValueError("must hold * only in its path: https://app.example.com/hooks/*")
    return text


def _database(text: str) -> str:
    if re.match(r"postgres(ql)?(\+\w+)?:", text):
        return _postgresql(text)
    scheme, slashes, path = text.partition(":///")
    if scheme != "sqlite" or not slashes or path in ("", "/", ":memory:") or "?" in path:
        raise ValueError(
            "must be sqlite:///data/receiver.db (relative), sqlite:////var/lib/receiver.db (absolute) or "
            "postgresql://user:password@host/name"
        )
    return text


def _postgresql(text: str) -> str:
    found = _POSTGRESQL.fullmatch(text)
    if text.partition(":")[0] not in ("postgresql", "postgres"):
        raise ValueError("must start with postgresql:// alone, without the name of a driver")
    if found is None or any(int(port) > _LARGEST_PORT for port in re.findall(r":(\d+)(?=,|$)", found["hosts"])):
        raise ValueError(
            "must be postgresql://user:password@host:port/name; in the password write %40 for @, %2F for /, %3F for ?, "
            "%23 for # and %25 for %"
        )
    if not found["hosts"] and "host=" not in (found["options"] or ""):
        raise ValueError("has no host; write postgresql://user:password@host/name, or ?host=/path of a local socket")
    if find_spec("asyncpg") is None:
        raise ValueError("needs the client of PostgreSQL; install it: pip install 'suno-receiver[postgres]'")
    return text


def _reachable(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        if _HOST.fullmatch(text) is None:
            raise ValueError(
                "must be a host, an address or a CIDR such as 10.0.0.0/8, without scheme, port and path"
            ) from None
    return text


def _long_enough(secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if any(len(secret.get_secret_value()) < LEAST_SECRET for secret in secrets):
        raise ValueError(
            f"is too short; use at least {LEAST_SECRET} random characters, as `openssl rand -hex 32` makes"
        )
    return secrets


def _true(value: object) -> bool:
    if value not in (True, "true"):
        raise ValueError("must be true, or be left out")
    return True


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


_EMPTY_IS_NONE = AfterValidator(lambda secrets: secrets or None)

# One word or a list of them; each may hold the wildcards * and ?.
_WORD = {"type": "string"}
Words = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [_WORD, {"type": "array", "items": _WORD, "minItems": 1}]}),
]


class Admin(Section):
    """Who may see and do everything."""

    password: Annotated[Secrets | None, _EMPTY_IS_NONE] = None
    """For /v1; left out: one is made, kept hashed, and printed once at the first start."""
    metrics_token: Annotated[Secrets | None, _EMPTY_IS_NONE] = None
    """For /metrics, which this version does not have."""


class Client(Section):
    """Who may submit."""

    token: Annotated[Secrets, Field(min_length=1), AfterValidator(_long_enough)]
    """What the client sends as `Authorization: Bearer`; at least 16 characters; a list while it is being changed."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels of every submission of this client, where the request sets no others."""
    forward_callbacks: tuple[Annotated[str, AfterValidator(_url_pattern)], ...] = ()
    """Addresses that the client's own callBackUrl may name, `*` for anything in the path; it gets the callbacks too."""


class Outbound(Section):
    """Where addresses that came from outside may lead."""

    allow: tuple[Annotated[str, AfterValidator(_reachable)], ...] = ()
    """Hosts, addresses or CIDRs that are fetched from although they are not public."""


class Limits(Section):
    """How large things may be."""

    callback_body: Annotated[Size, Field(gt=0)] = 8 * 2**20
    """The body of a callback; larger ones are answered 413, and the status call is asked at once."""
    submission_body: Annotated[Size, Field(gt=0)] = 2**20
    """The body of a submission."""
    upload: Annotated[Size, Field(gt=0)] = 512 * 2**20
    """A file that a client uploads to the provider."""
    file: Annotated[Size, Field(gt=0)] = 512 * 2**20
    """A file that is archived."""
    free_disk: Size = 500 * 2**20
    """Below so much free disk the archives stop; callbacks are still taken."""


def _some_time(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("must be longer than nothing; write 90d, or 36500d for ever")
    return value


class Retention(Section):
    """How long things are kept. Songs stay, with their files and links; so does what is undelivered or dead."""

    events: Annotated[Duration, AfterValidator(_some_time)] = timedelta(days=90)
    """Events with their deliveries and attempts."""
    callbacks: Annotated[Duration, AfterValidator(_some_time)] = timedelta(days=30)
    """The raw bodies of callbacks; what no parser understood is never removed."""


class Bounds(Section):
    """Limits of a result's duration; one result within them is enough."""

    min: Duration | None = None
    """At least so long."""
    max: Duration | None = None
    """At most so long."""

    @model_validator(mode="after")
    def _some_room(self) -> "Bounds":
        if self.min is None and self.max is None:
            raise ValueError("is empty; write {min: 60s}, {max: 4m} or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("has a min above its max, which no result can meet; swap them")
        return self


class When(Section):
    """Which events a route takes: all of these must hold. `labels.x: value` asks for a label x."""

    type: Words | None = None
    """Types such as music.complete or "*.failed"; our own (submission.lost) match only with their first half named."""
    provider: Words | None = None
    """Names of providers."""
    operation: Words | None = None
    """What was asked for: generate, extend, upload_cover."""
    kind: Words | None = None
    """What came out: music, lyrics, wav."""
    stage: Words | None = None
    """How far: text, first, complete, failed, updated."""
    client: Words | None = None
    """Names of clients."""
    level: Words | None = None
    """info, or problem for the alarms."""
    via: Words | None = None
    """callback, status or simulated; simulated events match only where simulated is written here."""
    labels: dict[str, Words] = Field(default_factory=dict)
    """Labels by name; a label that is absent never matches. Written as labels.x."""
    duration: Bounds | None = None
    """How long a result is."""
    trust: Trust | None = None
    """At least: token, signed or confirmed."""
    unless: "When | None" = Field(default=None, alias="not")
    """Conditions that must not all hold."""


class StepOptions(Section):
    """How a handler waits for those that it needs."""

    needs: Words = Field(default=())
    """Handlers that stand earlier in this route; their receipts are seen."""
    wait: Duration = DEFAULT_WAIT
    """How long to wait for them."""
    on_failure: Literal["continue", "stop"] = "continue"
    """What then: go on without the receipt, or not at all."""


class RouteSection(Section):
    """A route: every route that matches applies, and a handler gets an event once."""

    when: When = Field(default_factory=When)
    """Which events; left out: all but our own and the simulated."""
    handlers: tuple[str | dict[str, StepOptions], ...] = Field(min_length=1)
    """Which handlers get them: names, or a name with options."""
    otherwise: Annotated[Literal[True], BeforeValidator(_true)] | None = None
    """Only what no other route took."""


class Settings(Section):
    """The whole file."""

    public_url: Annotated[str, AfterValidator(_public_url)] | None = None
    """Where providers reach us, as https://music.example.com; left out: status mode, nothing is called back."""
    database: Annotated[str, AfterValidator(_database), Field(repr=False)] = "sqlite:///data/receiver.db"
    """sqlite:///relative/path, sqlite:////absolute/path, or postgresql://user:password@host/name."""
    secret: Annotated[Secrets, AfterValidator(_long_enough)] = ()
    """Signs callback and file URLs; the first signs, all verify; left out: made once and kept in the database."""
    admin: Admin = Field(default_factory=Admin)
    """Who may see and do everything."""
    clients: dict[str, InstanceOf[Client]] = Field(default_factory=dict)
    """Who may submit, by name; none: the gateway is closed."""
    providers: dict[str, InstanceOf[Provider]] = Field(default_factory=dict)
    """The Suno APIs, by name; a provider is served under its name."""
    handlers: dict[str, InstanceOf[Handler]] = Field(default_factory=dict)
    """What can be done with events, by name."""
    routes: tuple[InstanceOf[Route], ...] = ()
    """Which events go to which handlers."""
    outbound: Outbound = Field(default_factory=Outbound)
    """Where addresses that came from outside may lead."""
    limits: Limits = Field(default_factory=Limits)
    """How large things may be."""
    retention: Retention = Field(default_factory=Retention)
    """How long things are kept."""

    @property
    def default_provider(self) -> str | None:
        """The provider that is served under /api/… too: the only one, or the one that says `default: true`."""
        if len(self.providers) == 1:
            return next(iter(self.providers))
        return next((name for name, provider in self.providers.items() if provider.default), None)
