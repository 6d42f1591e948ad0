"""The demo's files: its configuration, database, songs, log and secrets, all in one folder."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from receiver.cli.context import usage


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """`path` is as the user wrote it, so that what is printed can be copied."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "demo.yaml"

    @property
    def database(self) -> Path:
        return self.path / "demo.db"

    @property
    def songs(self) -> Path:
        return self.path / "songs"

    @property
    def log(self) -> Path:
        return self.path / "demo.log"

    @property
    def password(self) -> Path:
        return self.path / "demo.password"

    @property
    def token(self) -> Path:
        return self.path / "demo.token"

    def prepare(self, secret: Callable[[], str]) -> None:
        """Writes the configuration, and secrets where there are none yet. Raises ConfigError."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for place in (self.password, self.token):
                _write_once(place, secret())
            self.config.write_text(self.text(), encoding="utf-8")
        except OSError as error:
            raise usage(f"The demo can't write to {self.path}: {error.strerror}. Name another --folder.") from None

    def text(self) -> str:
        """The configuration for this folder; its paths are absolute, so that it works from anywhere."""
        template = (files("receiver.cli") / "demo.yaml").read_text("utf-8")
        # Both stand in double quotes, which YAML reads as JSON does.
        database = _quoted(quote(str(self.database.resolve())))
        return template.replace("DATABASE", database).replace("SONGS", _quoted(str(self.songs.resolve())))


def _quoted(text: str) -> str:
    return json.dumps(text)[1:-1].replace("${", "$${")


def _write_once(path: Path, content: str) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
