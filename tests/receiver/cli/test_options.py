from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from receiver.cli.commands import app
from receiver.cli.options import ListOptions, read_labels, taking
from receiver.cli.redelivering import RedeliverOptions, ReplayOptions
from receiver.errors import ConfigError

COMMANDS = [command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    name: Annotated[str, typer.Argument()]
    count: Annotated[int, typer.Option()] = 1
    label: Annotated[list[str] | None, typer.Option()] = None


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["rain"], Wanted(name="rain")),
        (["rain", "--count", "2", "--label", "a", "--label", "b"], Wanted(name="rain", count=2, label=["a", "b"])),
    ],
    ids=["defaults", "all"],
)
def test_a_record_becomes_options_and_comes_back_filled(arguments: list[str], wanted: Wanted) -> None:
    seen: list[Wanted] = []
    command = typer.Typer()
    command.command()(taking(Wanted)(seen.append))
    assert CliRunner().invoke(command, arguments).exit_code == 0
    assert seen == [wanted]


def test_a_field_without_default_is_asked_for() -> None:
    command = typer.Typer()
    command.command()(taking(Wanted)(print))
    assert CliRunner().invoke(command, []).exit_code == 2


@pytest.mark.parametrize(
    "params",
    [
        ListOptions(since="2026-11-21T08:00").params(),
        RedeliverOptions(since="2026-11-21T08:00").filter(),
        ReplayOptions(handler="log", since="2026-11-21T08:00").filter(),
    ],
    ids=["lists", "redeliver", "replay"],
)
def test_since_without_a_zone_is_said_with_this_machines(params: dict[str, str]) -> None:
    assert params["since"] == datetime.fromisoformat("2026-11-21T08:00").astimezone().isoformat()


def test_labels_are_pairs() -> None:
    assert read_labels(["a=b", " c = d=e "]) == {"a": "b", "c": "d=e"}
    assert read_labels(None) == {}


@pytest.mark.parametrize("text", ["a", "=b", "a=", " = "])
def test_half_a_label_is_wrong_use(text: str) -> None:
    with pytest.raises(ConfigError, match="--label wants name=value"):
        read_labels([text])


def test_summaries_are_whole_on_a_terminal_of_80_columns() -> None:
    said = CliRunner().invoke(app, ["--help"], terminal_width=80).output
    rows = [line for line in said.partition("Commands:\n")[2].splitlines() if line]
    assert len(rows) == len(COMMANDS)
    assert [row for row in rows if not row.endswith(".") or row.endswith("...")] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does(name: str) -> None:
    said = CliRunner().invoke(app, [name.replace("_", "-"), "--help"])
    assert said.exit_code == 0
    usage, sentence, *_ = said.output.split("\n\n")
    assert usage.startswith("Usage:")
    assert sentence.endswith(".")
