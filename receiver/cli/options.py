"""Options that several commands share, as records: a command takes one record in place of a dozen parameters."""

from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from functools import wraps
from inspect import Parameter, Signature
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from receiver.cli.context import ConfigOption, JsonOption, usage
from receiver.cli.times import since

R = TypeVar("R")

LabelOption = Annotated[
    list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="Only with this label; may be repeated.")
]


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """What every list takes. `since` is a time, or how long ago."""

    ident: Annotated[str | None, typer.Argument(metavar="ID", help="One of them, with all that belongs to it.")] = None
    config: ConfigOption = None
    search: Annotated[str | None, typer.Option("--search", "-q", help="Text in ids, titles and operations.")] = None
    since: Annotated[str | None, typer.Option(help="A time (2026-11-21T08:00), or how long ago (30m, 2h, 7d).")] = None
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 50
    cursor: Annotated[str | None, typer.Option(help="Go on behind an earlier page.")] = None
    json: JsonOption = False

    def params(self) -> dict[str, str]:
        """The query of the API's list."""
        named = {"q": self.search, "since": since(self.since), "limit": str(self.limit), "cursor": self.cursor}
        return given(named)


def given(named: dict[str, str | None]) -> dict[str, str]:
    """Those that have a value."""
    return {name: value for name, value in named.items() if value is not None}


def read_labels(texts: Sequence[str] | None) -> dict[str, str]:
    """The labels of `--label name=value`. Raises ConfigError."""
    labels: dict[str, str] = {}
    for text in texts or ():
        name, _, value = text.partition("=")
        if not name.strip() or not value.strip():
            raise usage(f"--label wants name=value, not {text!r}.")
        labels[name.strip()] = value.strip()
    return labels


def label_params(texts: Sequence[str] | None) -> dict[str, str]:
    return {f"label.{name}": value for name, value in read_labels(texts).items()}


def taking(record: type[R]) -> Callable[[Callable[[R], None]], Callable[..., None]]:
    """Makes a command of a function of one record: each field of the dataclass becomes an option or argument."""

    def decorate(command: Callable[[R], None]) -> Callable[..., None]:
        hints = get_type_hints(record, include_extras=True)
        read: Any = record
        parameters = [
            Parameter(field.name, Parameter.KEYWORD_ONLY, default=_default(field), annotation=hints[field.name])
            for field in fields(read)
        ]

        @wraps(command)
        def run(**options: Any) -> None:
            command(record(**options))

        # What typer looks at: without it the command would have no options.
        vars(run)["__signature__"] = Signature(parameters)
        run.__annotations__ = {}
        return run

    return decorate


def _default(field: Field[Any]) -> Any:
    return Parameter.empty if field.default is MISSING else field.default
