"""What is said of databases and archives on disks that a restart empties, or that other machines don't share."""

import importlib.util
import sys
from pathlib import Path

import pytest

from receiver.errors import ConfigError
from receiver.settings import disk_warnings, load, warnings
from tests.support.command_line import run_main

POSTGRESQL = "postgresql://me:s3cr3t@db.example.com/receiver"
HEROKU = {"DYNO": "web.1"}
EMPTIES = "empties this disk at every restart"
# A folder that is mounted, on every Linux; nothing is written there.
MOUNTED = "/proc"


def advice(folder: Path, database: str, directory: str, environ: dict[str, str]) -> list[str]:
    path = folder / "receiver.yaml"
    path.write_text(f"database: {database}\nhandlers: {{archive: {{type: file, directory: {directory}}}}}\n")
    return disk_warnings(load(path, {}), environ)


def test_a_disk_that_lasts_is_no_warning(tmp_path: Path) -> None:
    assert advice(tmp_path, "sqlite:///data/receiver.db", "data/songs", {"PORT": "8000"}) == []


HOSTS = {
    "DYNO": "Heroku",
    "RENDER": "Render",
    "RAILWAY_ENVIRONMENT": "Railway",
    "RAILWAY_ENVIRONMENT_NAME": "Railway",
    "FLY_APP_NAME": "Fly",
    "KOYEB_APP_NAME": "Koyeb",
    "VCAP_APPLICATION": "Cloud Foundry",
    "K_SERVICE": "Cloud Run",
    "KUBERNETES_SERVICE_HOST": "Kubernetes",
}


@pytest.mark.parametrize(("variable", "host"), HOSTS.items(), ids=HOSTS)
def test_a_host_that_empties_its_disk_is_known_by_its_variable(tmp_path: Path, variable: str, host: str) -> None:
    database, archive = advice(tmp_path, "sqlite:///data/receiver.db", "data/songs", {variable: "something"})
    assert database.startswith(f"database: {host}")
    assert archive.startswith(f"handlers.archive: {host}")
    assert EMPTIES in database
    assert EMPTIES in archive


def test_the_remedy_names_the_keys_and_the_extras(tmp_path: Path) -> None:
    database, archive = advice(tmp_path, "sqlite:///data/receiver.db", "data/songs", HEROKU)
    assert "add its PostgreSQL as DATABASE_URL and write `database: ${DATABASE_URL}`" in database
    assert "pip install 'suno-receiver[postgres]'" in database
    assert "write type: s3" in archive
    assert "pip install 'suno-receiver[s3]'" in archive


VOLUMES = [
    ("a mounted folder", MOUNTED, {}, True),
    ("the volume that Railway names", "/srv/volume", {"RAILWAY_VOLUME_MOUNT_PATH": "/srv/volume"}, True),
    ("beside the volume that Railway names", "/srv/other", {"RAILWAY_VOLUME_MOUNT_PATH": "/srv/volume"}, False),
    ("memory that is mounted", "/dev/shm", {}, False),
    ("the folder of the program", str(Path.cwd()), {}, False),
]


@pytest.mark.parametrize(("place", "more", "lasts"), [row[1:] for row in VOLUMES], ids=[row[0] for row in VOLUMES])
def test_what_lies_on_a_volume_lasts(tmp_path: Path, place: str, more: dict[str, str], lasts: bool) -> None:
    found = advice(tmp_path, f"sqlite:///{place}/receiver.db", f"{place}/songs", HEROKU | more)
    assert (found == []) is lasts


def test_a_mount_that_holds_the_program_is_no_volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "cwd", lambda: Path("/srv/app"))
    monkeypatch.setattr(Path, "is_mount", lambda place: place in {Path("/"), Path("/srv"), Path("/srv/app")})
    found = advice(tmp_path, "sqlite:////srv/app/data/receiver.db", "/srv/app/data/songs", HEROKU)
    assert len(found) == 2


@pytest.mark.parametrize("url", [POSTGRESQL, POSTGRESQL.replace("postgresql", "postgres")])
def test_a_database_that_is_offered_and_not_used_is_told_without_its_password(tmp_path: Path, url: str) -> None:
    (database,) = advice(tmp_path, "sqlite:///data/receiver.db", "data/songs", {"DATABASE_URL": url})
    assert database.startswith("database: DATABASE_URL names a PostgreSQL, and a file is used; write `database: ${D")
    assert "s3cr3t" not in database
    (lost, _) = advice(tmp_path, "sqlite:///data/receiver.db", "data/songs", {"DATABASE_URL": url} | HEROKU)
    assert EMPTIES in lost
    assert "add its PostgreSQL" not in lost


@pytest.mark.parametrize("url", ["", "mysql://me:s3cr3t@db/x", "sqlite:///other.db"])
def test_what_could_not_be_used_is_not_offered(tmp_path: Path, url: str) -> None:
    assert advice(tmp_path, "sqlite:///data/receiver.db", "data/songs", {"DATABASE_URL": url}) == []


def test_files_on_one_machine_beside_a_database_for_many_are_warned_of(tmp_path: Path) -> None:
    (archive,) = advice(tmp_path, POSTGRESQL, "data/songs", {"DATABASE_URL": POSTGRESQL})
    assert archive.startswith("handlers.archive: keeps files on one machine")
    assert "pip install 'suno-receiver[s3]'" in archive
    (lost,) = advice(tmp_path, POSTGRESQL, "data/songs", HEROKU)
    assert EMPTIES in lost


def test_they_are_among_all_warnings_and_check_tells_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (sentence,) = advice(tmp_path, POSTGRESQL, "data/songs", HEROKU)
    path = tmp_path / "receiver.yaml"
    assert sentence in warnings(load(path, {}), HEROKU)
    monkeypatch.setenv("DYNO", "web.1")
    assert run_main("check", "--config", str(path)) == 0
    assert f"warning: {sentence}" in capsys.readouterr().err.splitlines()


def test_postgresql_without_its_client_is_a_mistake_that_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    assert importlib.util.find_spec("asyncpg") is None
    with pytest.raises(ConfigError, match=r"pip install 'suno-receiver\[postgres\]'") as caught:
        advice(tmp_path, POSTGRESQL, "data/songs", {})
    assert "s3cr3t" not in str(caught.value)
