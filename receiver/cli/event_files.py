"""Events that a command is handed: a file with one as JSON, as `receiver events --json` shows it."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from receiver.cli.context import usage
from receiver.events import EVENT, OWN_KINDS, Event, Level, Stage

_STAGES = frozenset({*Stage, "updated"})


def read_event(raw: Any, now: datetime) -> Event:
    """The event of a JSON object; what it lacks is filled in. Raises ConfigError."""
    if not isinstance(raw, Mapping):
        raise usage("The event must be a JSON object, such as `receiver events --json` shows.")
    defaults = {"id": "evt_test", "occurred_at": now, "received_at": now}
    kind, _, stage = str(raw.get("type", "")).partition(".")
    if kind not in OWN_KINDS and stage in _STAGES:
        defaults |= {"stage": stage}
    if kind in OWN_KINDS:
        defaults |= {"level": Level.PROBLEM}
    try:
        return EVENT.validate_python({**defaults, **raw})
    except ValidationError as error:
        mistakes = [f"{_place(item['loc'])}: {item['msg']}" for item in error.errors(include_input=False)]
        raise usage("This is no event. " + "; ".join(mistakes) + ".") from None


def _place(location: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in location)


def read_json(name: str) -> Any:
    """What the file holds; - is stdin. Raises ConfigError."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        return json.loads(text)
    except OSError as error:
        raise usage(f"{name} can't be read: {error.strerror}.") from None
    except ValueError:
        raise usage(f"{'stdin' if name == '-' else name} does not hold JSON.") from None
