from pathlib import Path

import pytest

from handlers.file import FileArchive
from receiver.cli.demo_folder import DemoFolder
from receiver.errors import ConfigError
from receiver.settings import load
from receiver.store import sqlite_path

ODD = 'a folder with "quotes", ${HOME}, 100% and a \\'


@pytest.mark.parametrize("name", ["data", ODD], ids=["plain", "odd"])
def test_the_written_configuration_loads_wherever_it_lies(name: str, tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path / name)
    folder.prepare(iter("0123456789" * 2 + letter for letter in "ab").__next__)
    settings = load(folder.config, {})
    assert sqlite_path(settings.database) == folder.database
    archive = settings.handlers["songs"]
    assert isinstance(archive, FileArchive)
    assert archive.directory == folder.songs


def test_secrets_are_made_once_and_kept_from_others(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    folder.prepare(iter(["first-secret-of-all", "second-secret-of-all"]).__next__)
    folder.prepare(lambda: "another-secret-by-far")
    assert folder.password.read_text() == "first-secret-of-all"
    assert folder.token.read_text() == "second-secret-of-all"
    assert {place.stat().st_mode & 0o777 for place in (folder.password, folder.token)} == {0o600}


def test_a_folder_that_can_not_be_made_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="Name another --folder"):
        DemoFolder(tmp_path / "file" / "data").prepare(lambda: "secret")
