"""An archive in a temporary directory, and what tests of archives ask of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from handlers.file import FileArchive
from receiver.events import Result
from receiver.handler import ArchivedFile, Delivery, Receipt
from tests.support.deliveries import (
    FakeMedia,
    Script,
    World,
    make_file,
    make_track,
)

DAY = "2026-11-21"
AUDIO = "https://cdn.example.com/tr-1.mp3"


def make_archive(tmp_path: Path, **fields: Any) -> FileArchive:
    return FileArchive.model_validate({"type": "file", "directory": str(tmp_path / "songs"), **fields})


def stored(tmp_path: Path, *, manifests: bool = False) -> dict[str, bytes]:
    """What lies in the archive; the manifests have tests of their own."""
    root = tmp_path / "songs"
    paths = [path for path in sorted(root.rglob("*")) if path.is_file() and (manifests or path.suffix != ".json")]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


async def run(archive: FileArchive, delivery: Delivery, *, manifests: bool = False) -> Receipt:
    receipt = await archive.handle(delivery)
    assert all(archive.path(file.key).stat().st_size == file.size for file in receipt.files)
    return receipt if manifests else replace(receipt, files=tuple(provided(receipt)))


def provided(receipt: Receipt) -> list[ArchivedFile]:
    return [file for file in receipt.files if file.role != "song"]


def one(*urls: str, role: str = "audio") -> Result:
    return make_track("tr-1", "Night Ferry", make_file(role, *urls))


def world_of(web: dict[str, bytes | Script]) -> World:
    return World(media=FakeMedia(web))
