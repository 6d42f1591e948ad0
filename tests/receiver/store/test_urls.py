from pathlib import Path

import pytest

from receiver.store import database_folder, database_secrets, shown_database

OPTIONS = "sslmode=require&sslpassword=key%2Fword"
SHOWN = [
    ("postgresql://me:p%40ss@db.example.com:5432/songs", "PostgreSQL at db.example.com:5432/songs", {"p%40ss", "p@ss"}),
    ("postgres://me@db.example.com/songs", "PostgreSQL at db.example.com/songs", set()),
    (f"postgresql://me:a:b@[::1]/songs?{OPTIONS}", "PostgreSQL at [::1]/songs", {"a:b", "key%2Fword", "key/word"}),
    ("postgresql://one:1,two:2/songs", "PostgreSQL at one:1,two:2/songs", set()),
    ("postgresql:///songs?host=/run&password=hidden", "PostgreSQL at the local socket/songs", {"hidden"}),
]


@pytest.mark.parametrize(("url", "shown", "secrets"), SHOWN, ids=[row[1] for row in SHOWN])
def test_a_server_is_shown_without_its_passwords(url: str, shown: str, secrets: set[str]) -> None:
    assert (shown_database(url), set(database_secrets(url))) == (shown, secrets)
    assert database_folder(url) is None


def test_a_file_is_shown_by_its_whole_path() -> None:
    url = "sqlite:///data/receiver.db"
    assert shown_database(url) == str(Path.cwd() / "data/receiver.db")
    assert (database_folder(url), database_secrets(url)) == (Path("data"), ())
