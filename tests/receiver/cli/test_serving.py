import socket
from importlib.metadata import version
from pathlib import Path
from unittest.mock import Mock

import pytest

from receiver.cli.serving import _local_url, _shown_url
from tests.support.command_line import run_main
from tests.support.process import command, serving, write_config

Said = pytest.CaptureFixture[str]


async def test_a_start_says_where_its_database_and_configuration_lie(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    async with serving(config) as running:
        said = [line.rstrip("\n") for line in running.said]
    assert said[-3:] == [
        f"Configuration {config}",
        f"Database {tmp_path / 'receiver.db'}",
        f"Ready on {running.url}",
    ]


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_a_port_that_is_none_is_wrong_use(port: str, tmp_path: Path, capsys: Said) -> None:
    assert run_main("serve", "--config", str(write_config(tmp_path)), "--port", port) == 2
    assert "'--port'" in capsys.readouterr().err
    assert not (tmp_path / "receiver.db").exists()


@pytest.mark.parametrize("port", ["65536", "-1", "http", "9" * 5000])
def test_a_port_of_the_environment_that_is_none_is_wrong_use(
    port: str, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", port)
    assert run_main("serve", "--config", str(write_config(tmp_path))) == 2
    assert capsys.readouterr().err.startswith("PORT must be a number up to 65535")


def test_migrations_are_counted(tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write_config(tmp_path)
    for ran, said in ((1, "1 migration ran.\n"), (2, "2 migrations ran.\n"), (0, "The database is up to date.\n")):
        monkeypatch.setattr("receiver.store.sqlite.file.migrate", _counting(ran))
        assert run_main("migrate", "--config", str(config)) == 0
        assert capsys.readouterr().out == said


def _counting(ran: int) -> object:
    async def migrate(_path: Path) -> int:
        return ran

    return migrate


def test_warnings_are_a_line_each_in_a_pipe(tmp_path: Path, capsys: Said) -> None:
    assert run_main("check", "--config", str(write_config(tmp_path, handlers={"log": {"type": "log"}}))) == 0
    said = capsys.readouterr()
    assert (
        "warning: routes: there is none, so events are kept and shown, but no handler gets them; add one"
        in said.err.splitlines()
    )
    assert len(said.out.splitlines()) == 1


async def test_the_version_is_said() -> None:
    ran = await command("--version")
    assert (ran.code, ran.out, ran.err) == (0, f"receiver {version('suno-receiver')}\n", "")


@pytest.mark.parametrize(
    ("bound", "local", "shown"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000", "http://0.0.0.0:8000"),
        ("::", "http://127.0.0.1:8000", "http://[::]:8000"),
        ("::1", "http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_addresses_are_urls(bound: str, local: str, shown: str) -> None:
    listener = Mock(spec=socket.socket, **{"getsockname.return_value": (bound, 8000, 0, 0)})
    assert (_local_url(listener), _shown_url(listener)) == (local, shown)
