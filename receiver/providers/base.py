"""The contract of a provider adapter: bytes in, values out. No I/O, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr

from receiver.events import Failure, Kind, Stage, Submission, Trust
from receiver.stages import Report
from receiver.units import Duration, Section

# An address that requests go to; the paths of the API are put behind it.
Address = Annotated[str, Field(pattern=r"^https?://[^/?#]+[^?#]*$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A row of a provider's table: what can be asked for, and how its answers look.

    `callback_field` is where our URL goes in the JSON body, None for an operation that answers at once. `record` is
    the path of its status call. `main_role` is the file that every result must have before it counts as complete.
    `deadline` is when the reconciler asks for the first time.
    """

    name: str
    kind: Kind
    path: str
    method: str = "POST"
    callback_field: str | None = "callBackUrl"
    record: str | None = None
    main_role: str | None = None
    deadline: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request to the provider: `path` starts with a slash and may carry a query."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer of the provider, header names in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a reply to a submission means: `stage` is accepted, rejected or unknown.

    `enveloped` is False where the answer is not the provider's own (HTML, an empty body): the client gets a 504.
    """

    stage: Stage
    task_id: str | None = None
    error: Failure | None = None
    enveloped: bool = True


class Provider(Section):
    """A Suno API that we submit to: its fields are its YAML keys, its methods are pure."""

    operations: ClassVar[tuple[Operation, ...]] = ()

    type: str
    api_key: SecretStr
    """The provider's key; clients never see it."""
    base_url: Address
    """Where the provider's API lives."""
    deadline: Duration | None = None
    """When to ask for the first time, in place of the deadlines by operation."""
    default: bool = False
    """Serve this provider under /api/… too."""

    def find(self, method: str, path: str) -> Operation | None:
        """The operation that a client's request names; None lets it pass untouched."""
        trimmed = path.rstrip("/")
        return next((row for row in self.operations if (row.method, row.path) == (method, trimmed)), None)

    def operation(self, name: str) -> Operation:
        """The operation with this name; an unknown name is `other`: kept, shown, its files passed on."""
        known = next((row for row in self.operations if row.name == name), None)
        return known or Operation(name=name, kind=Kind.OTHER, path="", callback_field=None)

    def patience(self, operation: Operation) -> timedelta:
        """How long to wait for the final callback before asking."""
        return self.deadline or operation.deadline

    def prepare(self, request: Request, operation: Operation, callback_url: str) -> Request:
        """The request with our URL where the operation wants it, every other byte as it came.

        Raises Unrecognised, with a sentence for the client, where the body can't carry one.
        """
        raise NotImplementedError

    def client_callback(self, request: Request, operation: Operation) -> str | None:
        """The callback URL that the client had set itself."""
        raise NotImplementedError

    def describe(self, request: Request) -> str | None:
        """What the client calls the thing it asks for, so that people know it before it has a title."""
        return None

    def read_reply(self, operation: Operation, reply: Reply) -> Verdict:
        """What the provider's answer to a submission means. Never raises."""
        raise NotImplementedError

    def parse_callback(self, operation: Operation, headers: Mapping[str, str], body: bytes) -> Report:
        """What a callback says. Raises Unrecognised."""
        raise NotImplementedError

    def verify(self, headers: Mapping[str, str], body: bytes) -> Trust:
        """How far a callback on a valid token can be trusted."""
        return Trust.TOKEN

    def status_request(self, submission: Submission) -> Request | None:
        """The status call of a submission; None where there is none."""
        raise NotImplementedError

    def parse_status(self, operation: Operation, reply: Reply) -> Report:
        """What the answer to a status call says. Raises Unrecognised, which says nothing about the song."""
        raise NotImplementedError
