"""What the simulator is told to do, for every request or for one: delays, losses, repeats, failures, bad media."""

from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

StageWord = Literal["text", "first", "complete", "failed"]
Seconds = Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", hide_input_in_errors=True))
class Script:
    """Times are seconds; `…_after` of a stage counts from the submission."""

    text_after: Seconds = 1.0
    first_after: Seconds = 3.0
    complete_after: Seconds = 5.0
    tracks: Annotated[int, Field(ge=1, le=8)] = 2
    # The text stage carries clips that only stream; otherwise an empty list.
    text_clips: bool = True

    # What happens to callbacks. A lost stage is never sent, but the status call knows it.
    lose: frozenset[StageWord] = frozenset()
    duplicates: Annotated[int, Field(ge=1, le=100)] = 1
    reorder: bool = False
    malformed: frozenset[StageWord] = frozenset()
    malformed_as: Literal["json", "html"] = "json"
    callback_before_reply: bool = False
    # Three tries for each callback, as the provider does; after three in vain it stops calling for that task.
    retry_callbacks: bool = True
    retry_after: Seconds = 0.5

    # An error in place of all stages, at the time of `text`. No shape: as the operation's documentation shows it.
    fail: Annotated[int, Field(ge=201, le=999)] | None = None
    fail_message: str = "Audio generation failed."
    fail_shape: Literal["null", "empty", "error", "complete"] | None = None

    # `complete` comes with its last track unfinished; whole later, told by a second callback or by status call only.
    half: Literal["status", "callback"] | None = None
    whole_after: Seconds = 2.0

    # What the create call answers. All but `refuse` have made the task all the same.
    reply: Literal["ok", "refuse", "html", "hang", "reset", "slow"] = "ok"
    reply_after: Seconds = 5.0

    # A file's links die together after so many downloads; the status call then gives fresh ones.
    links_die_after: Annotated[int, Field(ge=0)] | None = None
    dead_status: Literal[403, 404, 410, 441] = 404
    media: Literal["ok", "empty", "truncated", "html"] = "ok"


_SCRIPT = TypeAdapter(Script)


def adapt(script: Script, wanted: Any) -> Script:
    """The script with one request's own keys; raises ValueError, which names what it can't use."""
    if not isinstance(wanted, dict):
        raise ValueError("simulate: must be an object of the script's keys")  # noqa: TRY004 - the caller's word, not a bug
    known = {field.name: getattr(script, field.name) for field in fields(script)}
    if unknown := sorted(ascii(key) for key in wanted.keys() - known.keys()):
        raise ValueError("simulate: unknown " + ", ".join(unknown))
    try:
        return _SCRIPT.validate_python(known | wanted)
    except ValidationError as error:
        mistakes = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_input=False)]
        raise ValueError("simulate: " + "; ".join(mistakes)) from None
