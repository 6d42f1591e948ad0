import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from receiver.cli import pruning
from receiver.store.records import Mark, Pruned
from tests.support.command_line import call_back, fill, run_main
from tests.support.process import write_config

Said = pytest.CaptureFixture[str]
ALL = ("--events", "1ms", "--callbacks", "1ms")
NONE = {"callbacks": 0, "events": 0, "deliveries": 0, "attempts": 0, "keys": 0, "stayed": 0}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """One song is delivered, of two a delivery is dead, and of one a callback was not understood."""
    providers = {"suno": {"type": "sunoapi", "api_key": "provider-key-123"}}
    path = write_config(tmp_path, handlers={"log": {"type": "log"}}, providers=providers)
    asyncio.run(fill(path))
    asyncio.run(call_back(path, {"no": "song"}))
    return path


def prune(config: Path, *arguments: str) -> int:
    return run_main("prune", *arguments, "--config", str(config))


def counted(config: Path, said: Said, *arguments: str) -> dict[str, Any]:
    said.readouterr()
    assert prune(config, *arguments, "--json") == 0
    found: dict[str, Any] = json.loads(said.readouterr().out)
    return found


def test_what_is_too_old_goes_and_what_stays_is_said(config: Path, capsys: Said) -> None:
    assert prune(config, *ALL) == 0
    said = capsys.readouterr()
    assert said.out == (
        "Removed: the bodies of 0 callbacks, 1 events with 1 deliveries and 1 attempts, 0 idempotency keys.\n"
    )
    assert said.err == "4 that are old stay: undelivered, dead, or not understood.\n"
    assert run_main("events", "--json", "--config", str(config)) == 0
    assert len(json.loads(capsys.readouterr().out)["data"]) == 3


def test_without_options_the_configuration_says_how_old(config: Path, capsys: Said) -> None:
    assert counted(config, capsys) == {"dry_run": False, **NONE}
    assert prune(config) == 0
    assert capsys.readouterr() == ("Nothing is too old.\n", "")
    config.write_text(json.dumps({**json.loads(config.read_text()), "retention": {"events": "1ms"}}))
    assert counted(config, capsys)["events"] == 1


def test_a_dry_run_removes_nothing(config: Path, capsys: Said) -> None:
    wanted = {**NONE, "events": 1, "deliveries": 1, "attempts": 1, "stayed": 4}
    for _ in range(2):
        assert counted(config, capsys, *ALL, "--dry-run") == {"dry_run": True, **wanted}
    assert prune(config, *ALL, "--dry-run") == 0
    assert capsys.readouterr().out.startswith("Would go: ")
    assert counted(config, capsys, *ALL) == {"dry_run": False, **wanted}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--events", "soon"), "--events is not a duration: write 30s, 5m, 2h or 3d.\n"),
        (("--callbacks", "0d"), "--callbacks must be more than nothing; all that is younger stays.\n"),
    ],
)
def test_an_age_that_is_none_is_refused(config: Path, capsys: Said, arguments: tuple[str, ...], said: str) -> None:
    assert prune(config, *arguments) == 2
    assert capsys.readouterr() == ("", said)


def test_where_there_is_no_database_none_is_made(tmp_path: Path, capsys: Said) -> None:
    assert prune(write_config(tmp_path)) == 1
    assert capsys.readouterr().err.startswith(f"There is no database at {tmp_path}/receiver.db")
    assert not (tmp_path / "receiver.db").exists()


def test_what_went_before_it_is_broken_off_is_said(config: Path, capsys: Said) -> None:
    async def broken_off(*_: object, **__: object) -> AsyncIterator[Pruned]:
        yield Pruned(looked=3, events=3, next=Mark("events"))
        raise asyncio.CancelledError

    with patch.object(pruning, "sweep", broken_off), pytest.raises(asyncio.CancelledError):
        prune(config, *ALL)
    said = capsys.readouterr()
    assert "3 events" in said.out
    assert said.err == "Broken off: the rest goes the next time.\n"
