"""What a host reads to build and to run this: the pinned requirements and the Procfile."""

import re
from pathlib import Path

import typer

from receiver.cli.commands import app

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "requirements.txt").read_text().splitlines()


def pins(lines: list[str]) -> dict[str, str]:
    found = (re.match(r"([a-z0-9-]+)==([^ ;\\]+)", line) for line in lines)
    return {pin[1]: pin[2] for pin in found if pin}


def test_the_requirements_of_a_host_are_pins_without_addresses_and_the_program_itself() -> None:
    assert LINES[-1] == "."
    assert len(pins(LINES)) == len(LINES) - 1
    assert not [line for line in LINES if line.startswith("-") or "://" in line]


def test_a_host_gets_the_clients_of_postgresql_and_s3() -> None:
    assert {"asyncpg", "obstore"} <= pins(LINES).keys()


def test_a_host_runs_what_is_tested() -> None:
    tested = pins((ROOT / "requirements-dev.txt").read_text().splitlines())
    assert pins(LINES).items() <= tested.items()


def test_the_procfile_names_commands_that_exist() -> None:
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    assert list(lines) == ["release", "web", "worker"]
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group, as the app has commands
    assert all(line.split() == ["receiver", line.split()[1]] and line.split()[1] in commands for line in lines.values())


def test_the_python_that_a_host_takes_is_one_we_run_on() -> None:
    asked = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert asked
    assert (ROOT / ".python-version").read_text().strip() == asked[1]
