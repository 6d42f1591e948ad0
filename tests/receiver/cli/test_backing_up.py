import asyncio
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from receiver.cli.backing_up import pg_dump
from receiver.store.sqlite import backup
from tests.support.command_line import fill, run_main
from tests.support.process import write_config

Said = pytest.CaptureFixture[str]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = write_config(tmp_path, handlers={"log": {"type": "log"}})
    asyncio.run(fill(path))
    return path


def test_the_copy_is_whole_and_readable_for_its_owner_alone(config: Path, tmp_path: Path, capsys: Said) -> None:
    copy = tmp_path / "copy.db"
    assert run_main("backup", str(copy), "--config", str(config)) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{copy}: ")
    assert said.out.endswith(", checked. It holds the secret: keep it as safe.\n")
    assert said.err == ""
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT count(*) FROM submissions").fetchone() == (3,)


def _is_there(folder: Path) -> Path:
    (folder / "kept").write_text("somebody's")
    return folder / "kept"


def _a_folder(folder: Path) -> Path:
    (folder / "kept").mkdir()
    return folder / "kept"


def _nowhere(folder: Path) -> Path:
    return folder / "none" / "kept"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_is_there, "kept is there already: name another file."),
        (_a_folder, "kept is there already: name another file."),
        (_nowhere, "kept can't be made: there is no folder "),
    ],
)
def test_a_place_that_is_taken_or_none_is_refused(
    config: Path, tmp_path: Path, capsys: Said, make: Callable[[Path], Path], says: str
) -> None:
    place = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert run_main("backup", str(place), "--config", str(config)) == 2
    assert says in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
    assert not place.is_file() or place.read_text() == "somebody's"


def test_what_comes_to_its_place_meanwhile_is_not_replaced(config: Path, tmp_path: Path, capsys: Said) -> None:
    copy = tmp_path / "copy.db"
    with patch.object(backup, "_check", lambda _: copy.write_text("somebody's")):
        assert run_main("backup", str(copy), "--config", str(config)) == 2
    assert copy.read_text() == "somebody's"
    assert capsys.readouterr().err == f"{copy} is there already: name another file.\n"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".copy.db")]


def test_no_database_makes_no_copy(tmp_path: Path, capsys: Said) -> None:
    copy = tmp_path / "copy.db"
    assert run_main("backup", str(copy), "--config", str(write_config(tmp_path))) == 1
    assert capsys.readouterr().err.startswith("There is no database at ")
    assert not copy.exists()


def test_for_postgresql_it_says_the_command(tmp_path: Path, capsys: Said) -> None:
    url = "postgresql://me:hush%2Fhush@db.example:5433/songs?sslmode=require&password=hush"
    config = write_config(tmp_path, database=url)
    assert run_main("backup", str(tmp_path / "a copy"), "--config", str(config)) == 2
    said = capsys.readouterr().err
    assert "hush" not in said
    bare = "postgresql://me@db.example:5433/songs?sslmode=require"
    assert f"pg_dump --format=custom --file='{tmp_path}/a copy' '{bare}'" in said


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://db.example/songs", "postgresql://db.example/songs"),
        ("postgres://me@db.example/songs", "postgres://me@db.example/songs"),
        ("postgresql://me:a:b@db.example/songs", "postgresql://me@db.example/songs"),
        ("postgresql://me@/songs?host=/run/pg&sslpassword=x", "'postgresql://me@/songs?host=%2Frun%2Fpg'"),
    ],
)
def test_the_command_has_the_url_without_passwords(url: str, shown: str) -> None:
    assert pg_dump(url, Path("copy")) == f"pg_dump --format=custom --file=copy {shown}"
