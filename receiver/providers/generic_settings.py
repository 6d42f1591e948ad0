"""What a provider of the `generic` type can be told in YAML: where things go in, and where they come out."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from receiver.events import Kind, Stage
from receiver.providers.base import Operation
from receiver.providers.failures import Meaning
from receiver.providers.generic_paths import Keys, Path, Paths, not_empty
from receiver.units import Duration, Section

Word = Literal["text", "first", "complete", "failed", "pending"]
# A value that a check or a match compares with: `200` and `"200"` are the same.
Plain = str | int | bool
_SHORT = frozenset(
    {Kind.LYRICS, Kind.WAV, Kind.COVER_IMAGE, Kind.VOICE_PHRASE, Kind.VOICE, Kind.TIMESTAMPS, Kind.STYLE}
)
_MAIN = {Kind.MUSIC: "audio", Kind.WAV: "wav", Kind.VIDEO: "video"}
_FILES: Mapping[str, tuple[str, ...]] = {"audio": ("audio_url",), "image": ("image_url",), "video": ("video_url",)}
# Where no callback comes: a song takes minutes, nobody documents less.
_ASK_FROM = timedelta(seconds=20)


def spell(value: Any) -> str:
    """A value as it is compared: `true`, `200`, `success`."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _submit_path(value: str) -> str:
    if not value.startswith("/") or any(char in value for char in "?#{} "):
        raise ValueError("must be a path that starts with / and has no ? and no {}, such as /suno/audios")
    return value.rstrip("/") or "/"


def _status_path(value: str) -> str:
    if not value.startswith("/") or any(char in value for char in "# "):
        raise ValueError("must be a path that starts with /, with {id} for the task's id: /tasks/{id}")
    return value


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else [value]


_PLAIN_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "boolean"}]}
Values = Annotated[
    tuple[Plain, ...],
    BeforeValidator(_listed),
    AfterValidator(not_empty),
    WithJsonSchema({"anyOf": [*_PLAIN_SCHEMA["anyOf"], {"type": "array", "items": _PLAIN_SCHEMA}]}),
]
Json = Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]


class Submit(Section):
    """A thing that can be asked for."""

    path: Annotated[str, AfterValidator(_submit_path)]
    """Where it is asked for, behind base_url."""
    operation: str = Field(pattern=r"^[a-z0-9_-]+$")
    """Its name in events and routes: generate, extend, lyrics."""
    kind: Kind
    """What comes out: music, lyrics, wav, stems, other."""
    method: Literal["POST", "PUT", "PATCH", "GET"] = "POST"
    """How it is asked for."""
    match: dict[Keys, Plain] = Field(default_factory=dict)
    """Values that the body must hold, where one path serves several operations: {task_type: lyrics}."""
    instant: bool = False
    """Whether it answers with what it made, so that nothing comes later."""
    main_role: str | None = None
    """The file that every result must have; left out: audio of music, wav of wav, video of video, else none."""
    deadline: Duration | None = None
    """When to ask for the first time; left out: 5 minutes, of lyrics, wav, images and voice 2."""

    def row(self, callback: str | None, record: str | None) -> Operation:
        """The row of the table, with the place of the callback URL and the path of the status call."""
        usual = timedelta(minutes=2 if self.kind in _SHORT else 5)
        called = None if self.instant else callback
        return Operation(
            name=self.operation,
            kind=self.kind,
            path=self.path,
            method=self.method,
            callback_field=called,
            instant=self.instant,
            record=None if self.instant else record,
            main_role=self.main_role or _MAIN.get(self.kind),
            deadline=self.deadline or usual,
            ask_from=_ASK_FROM if called is None and record and not self.instant else None,
        )


class Auth(Section):
    """How the key is sent."""

    header: str = "Authorization"
    """The header that holds it."""
    prefix: str = "Bearer "
    """What stands before it there."""


class CallbackPlace(Section):
    """Where the callback URL goes: exactly one of body, query, header and none."""

    body: Keys | None = None
    """The place in the JSON body: callback_url, or config.webhook_config.endpoint."""
    query: str | None = None
    """The name of a parameter in the address."""
    header: str | None = None
    """The name of a header."""
    none: bool = False
    """The provider takes no URL with a request: results are asked for, or it has a standing URL in its console."""
    fields: dict[Keys, Any] = Field(default_factory=dict, json_schema_extra={"additionalProperties": {}})
    """What else the body must hold for a callback to come: {webhook_events: [completed]}."""
    secret: Keys | None = None
    """The place in the body for the first key of `signature`, where the provider takes it with the request."""

    @model_validator(mode="after")
    def _is_one_place(self) -> "CallbackPlace":
        given = [self.body is not None, self.query is not None, self.header is not None, self.none]
        if sum(given) != 1:
            raise ValueError("must say one place: body, query or header with its name, or none: true")
        return self

    @property
    def name(self) -> str | None:
        return self.body or self.query or self.header


class Check(Section):
    """A place in a body, and what it holds when all is well."""

    path: Path
    """Where to look."""
    values: Values
    """What stands there when all is well; 200 and "200" are the same."""

    def look(self, found: Any) -> bool | None:
        """Whether the value is one of those; None where there is none."""
        if found is None or isinstance(found, dict | list):
            return None
        return spell(found) in {spell(value) for value in self.values}


class ReplyShape(Section):
    """The provider's answer to a submission."""

    http: tuple[Annotated[int, Field(ge=200, le=299)], ...] = ()
    """The HTTP statuses of a success; left out: all from 200 to 299."""
    ok: Check | None = None
    """What else makes it a success; left out: that it holds a task id."""
    task_id: Paths = ("task_id", "taskId", "data.task_id", "data.taskId")
    """Where the task's id stands; where that is in a list, the ids are put together with commas."""
    code: Paths = ("code", "error.code")
    """Where an error's code stands; else the HTTP status is one."""
    message: Paths = ("message", "msg", "error.message", "error")
    """Where an error's words stand."""


class Fields(Section):
    """What an item of the results is made of: the first of the paths that leads to something counts."""

    id: Paths = ("id", "clip_id", "song_id")
    """Its id."""
    title: Paths = ("title",)
    """Its title."""
    duration: Paths = ("duration",)
    """Its length in seconds."""
    tags: Paths = ("tags", "style")
    """Its style."""
    lyrics: Paths = ("lyrics", "lyric")
    """The words that are sung."""
    model: Paths = ("model", "model_name")
    """What made it."""


class Reading(Section):
    """How a callback, or a status answer, is read. Every key may be a path, or several of them, best first."""

    task_id: Paths = ("task_id", "taskId", "data.task_id", "data.taskId")
    """Where the task's id stands."""
    stage: Paths = ("status", "state", "data.status", "data.state")
    """Where the word for its state stands; in a list every item counts, and all of them must be done."""
    words: dict[str, Word] = Field(default_factory=dict)
    """What the provider's words mean, in capitals or not: text, first, complete, failed or pending, as unknown ones do.
    Known without: complete, completed, success, succeeded, finished; failed, failure, error.
    """
    success: Check | None = None
    """Where it says whether all went well. Not: it failed. Well, without any word for the state: it is complete."""
    results: Paths = ("data",)
    """Where the things made stand: objects, or addresses."""
    fields: Fields = Field(default_factory=Fields)
    """Where their properties stand, within each."""
    files: dict[str, Paths] = Field(default_factory=lambda: dict(_FILES))
    """Where their files stand, within each, by role. An item that is an address is its operation's main file."""
    code: Paths = ("error.code", "code")
    """Where a failure's code stands."""
    message: Paths = ("error.message", "error", "message", "msg")
    """Where a failure's words stand."""


class StatusCall(Section):
    """The call that tells how far a task is."""

    path: Annotated[str, AfterValidator(_status_path)]
    """Where it is, with {id} for the task's id: /tasks/{id} or /fetch?id={id}."""
    method: Literal["GET", "POST"] = "GET"
    """How it is made."""
    body: Json = Field(default_factory=dict)
    """What is sent with POST, with "{id}" for the task's id."""
    ok: Check | None = None
    """What makes it an answer about the task; any other is no answer, and it is asked again."""
    reply: Reading | None = None
    """How the answer is read; left out: as callbacks are."""

    @model_validator(mode="after")
    def _names_the_task(self) -> "StatusCall":
        if self.method == "GET" and self.body:
            raise ValueError("has a body, which GET does not send; write method: POST")
        if "{id}" not in self.path and "{id}" not in _texts(self.body):
            raise ValueError("names no task; put {id} into the path, or into the body")
        return self


def _texts(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(map(_texts, value.values()))
    return " ".join(map(_texts, value)) if isinstance(value, list) else str(value)


class ErrorText(Section):
    """What one of the provider's error codes means."""

    meaning: str
    """What happened."""
    advice: str
    """What to do about it."""
    retryable: bool | None = None
    """Whether the same request may succeed later."""
    refunded: bool | None = None
    """Whether the credits were given back."""

    def known(self) -> Meaning:
        return Meaning(meaning=self.meaning, advice=self.advice, retryable=self.retryable, refunded=self.refunded)


WORDS = {
    "complete": Stage.COMPLETE,
    "completed": Stage.COMPLETE,
    "success": Stage.COMPLETE,
    "succeeded": Stage.COMPLETE,
    "finished": Stage.COMPLETE,
    "failed": Stage.FAILED,
    "failure": Stage.FAILED,
    "error": Stage.FAILED,
}
