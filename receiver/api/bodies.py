"""The JSON bodies that the API takes, strict."""

from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from receiver.api.parts import Parts
from receiver.errors import Rejection
from receiver.web.bodies import read_object


def storable(text: str) -> str:
    """Raises ValueError for a null character, which PostgreSQL can't take."""
    if "\0" in text:
        raise ValueError("has a null character")
    return text


Text = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(storable)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class RedeliverBody(Body):
    again: bool = False


class _Filter(Body):
    """Which rows, newest first and a page at a time; `dry_run` only lists them."""

    q: Text | None = None
    since: Text | None = None
    type: Text | None = None
    submission_id: Text | None = None
    event_id: Text | None = None
    cursor: Text | None = None
    limit: int = Field(default=100, ge=1, le=200)
    dry_run: bool = False


class RedeliveriesBody(_Filter):
    handler: Text | None = None
    state: Literal["dead", "discarded"] = "dead"


class ReplaysBody(_Filter):
    """`all`: also the events that no route of now gives to the handler."""

    handler: Text
    provider: Text | None = None
    client: Text | None = None
    stage: Text | None = None
    level: Text | None = None
    labels: dict[Text, Text] = {}
    all: bool = False


class RehearsalBody(Body):
    """Which event the handler is tried with."""

    type: Text = "music.complete"


class PauseBody(Body):
    """`reason` is shown wherever the pause is."""

    reason: Text | None = None


class RegistrationBody(Body):
    provider: Text
    operation: Text
    task_id: Text
    client: Text | None = None
    labels: dict[Text, Text] = {}


class CallbackUrlBody(Body):
    provider: Text
    operation: Text
    client: Text | None = None
    labels: dict[Text, Text] = {}
    standing: bool = False
    simulated: bool = False


B = TypeVar("B", bound=Body)


async def read(model: type[B], request: Request, parts: Parts) -> B:
    """Raises Rejection: 400, 408, 413, and 422 with every mistake and its place."""
    content = await read_object(request, parts.body_limit, parts.patience)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        mistakes = [_mistake(item["loc"], item["msg"]) for item in error.errors(include_url=False, include_input=False)]
        raise Rejection(422, "Unprocessable Content", "; ".join(mistakes[:10]) + ".") from None


def _mistake(place: tuple[int | str, ...], message: str) -> str:
    path = ".".join(str(part) for part in place if part != "[key]")[:80]
    return f"{path!a}: {message[:1].lower()}{message[1:]}"
