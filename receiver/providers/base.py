"""The contract of a provider adapter: bytes in, values out. No I/O, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr

from receiver.events import Event, Failure, Kind, Result, Stage, Submission, Trust
from receiver.stages import Report
from receiver.units import Duration, Section

# An address that requests go to; the paths of the API are put behind it.
Address = Annotated[str, Field(pattern=r"^https?://[^/?#]+[^?#]*$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A row of a provider's table: what can be asked for, and how its answers look.

    `callback_field` is where our URL goes in the JSON body, None where no callback comes. `instant` operations answer
    with what they made. `record` is the path of the status call, `id_parameter` its name for the task. `main_role` is
    the file that every result must have before it counts as complete. `deadline` is when the reconciler asks for the
    first time, `ask_from` when it does so where no callback can be relied on; None: at the deadline.
    """

    name: str
    kind: Kind
    path: str
    method: str = "POST"
    callback_field: str | None = "callBackUrl"
    instant: bool = False
    record: str | None = None
    id_parameter: str = "taskId"
    main_role: str | None = None
    deadline: timedelta = timedelta(minutes=5)
    ask_from: timedelta | None = None


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
    """What a reply to a submission means: `stage` is accepted, rejected or unknown; of an instant operation complete.

    `results` are what an instant operation made. `earlier`: the task had been submitted before, so its callback may
    have come long ago and the status call is asked at once. `enveloped` is False where the answer is not the provider's
    own (HTML, an empty body): the client gets a 504.
    """

    stage: Stage
    task_id: str | None = None
    error: Failure | None = None
    results: tuple[Result, ...] = ()
    earlier: bool = False
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
    confirm: bool = False
    """Hold every final callback back until a status call agrees."""

    def rows(self) -> tuple[Operation, ...]:
        """Everything that can be asked for under this configuration."""
        return self.operations

    def find(self, request: Request) -> Operation | None:
        """The operation that a client's request names; None lets it pass untouched."""
        named = (request.method, request.path.partition("?")[0].rstrip("/"))
        return next((row for row in self.rows() if (row.method, row.path) == named), None)

    def operation(self, name: str) -> Operation:
        """The operation with this name; an unknown name is `other`: kept, shown, its files passed on."""
        known = next((row for row in self.rows() if row.name == name), None)
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

    def credentials(self) -> Mapping[str, str]:
        """The headers with which a request of ours proves who we are."""
        return {"authorization": f"Bearer {self.api_key.get_secret_value()}"}

    def takes_uploads(self, path: str) -> bool:
        """Whether a POST to this path carries a file, for `upload_base`."""
        return False

    @property
    def upload_base(self) -> str:
        """Where files are uploaded to."""
        return self.base_url

    def parent(self, request: Request, operation: Operation) -> str | None:
        """The task that the request makes something of."""
        return None

    def describe(self, request: Request) -> str | None:
        """What the client calls the thing it asks for, so that people know it before it has a title."""
        return None

    def read_reply(self, operation: Operation, reply: Reply) -> Verdict:
        """What the provider's answer to a submission means. Never raises."""
        raise NotImplementedError

    def parse_callback(self, operation: Operation, headers: Mapping[str, str], body: bytes) -> Report:
        """What a callback says. Raises Unrecognised."""
        raise NotImplementedError

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Trust | None:
        """How far a callback on a valid token can be trusted; None: not at all, until a status call agrees.

        `headers` are in lower case.
        """
        return Trust.TOKEN

    def kept_headers(self) -> frozenset[str]:
        """Headers, in lower case, that are kept with a callback because `verify` reads them."""
        return frozenset()

    def secrets(self, body: bytes) -> tuple[str, ...]:
        """What must be shown nowhere where this body of the provider's repeats it."""
        return (self.api_key.get_secret_value(),)

    def status_request(self, submission: Submission) -> Request | None:
        """The status call of a submission; None where there is none."""
        raise NotImplementedError

    def asked_task(self, request: Request) -> str | None:
        """The task that a client's own status call asks about; None where the request is none."""
        return None

    def parse_status(self, operation: Operation, reply: Reply) -> Report:
        """What the answer to a status call says. Raises Unrecognised, which says nothing about the song."""
        raise NotImplementedError

    def render_status(self, submission: Submission) -> Reply:
        """What the provider would answer to the status call of a final submission."""
        raise NotImplementedError

    def render_no_task(self, request: Request) -> Reply:
        """What the provider answers to a status call about a task that it does not know."""
        raise NotImplementedError

    def render_reply(self, submission: Submission) -> Reply:
        """What the provider would have answered to a submission that is settled."""
        raise NotImplementedError

    def render_callback(self, event: Event) -> bytes:
        """The callback that the provider would have sent of an event that came by status call."""
        raise NotImplementedError

    def unknown(self, operation: Operation, body: bytes, *, status: bool) -> tuple[str, ...]:
        """Fields and words in a callback, or in a status answer, that this version does not know: `data.new_field`,
        `data.callbackType=almost`. Never a value from outside that could be long or secret. Never raises.
        """
        return ()
