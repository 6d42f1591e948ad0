"""What an archive remembers of a submission: the files that it keeps, so that nothing is fetched or written twice."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from receiver.handler import ArchivedFile, Delivery, Notes

_FILES = TypeAdapter(tuple[ArchivedFile, ...])
_TIME = TypeAdapter(AwareDatetime)


class Records:
    """The files by result and role. `since` is when the first event came of which something was kept."""

    def __init__(self, delivery: Delivery, files: dict[tuple[str, str], ArchivedFile], since: datetime) -> None:
        self._delivery = delivery
        self.files = files
        self.since = since

    @classmethod
    async def read(cls, delivery: Delivery) -> "Records":
        files: dict[tuple[str, str], ArchivedFile] = {}
        since = delivery.event.received_at
        for notes in (delivery.memory, delivery.progress):
            found = await notes.read()
            files |= {(file.result_id, file.role): file for file in _files(found)}
            since = min(since, _since(found) or since)
        return cls(delivery, files, since)

    def of_result(self, result_id: str) -> Iterator[ArchivedFile]:
        return (file for file in self.files.values() if file.result_id == result_id)

    def keys(self) -> frozenset[str]:
        """The keys in use, as a file system without case compares them."""
        return frozenset(file.key.casefold() for file in self.files.values())

    async def write(self) -> None:
        """Notes both, so that neither a retry nor a later event of this submission fetches a file again."""
        await self._note(self._delivery.progress)
        await self.remember()

    async def remember(self) -> None:
        await self._note(self._delivery.memory)

    async def _note(self, notes: Notes) -> None:
        files = _FILES.dump_python(tuple(self.files.values()), mode="json")
        await notes.write({"files": files, "received_at": _TIME.dump_python(self.since, mode="json")})


def _files(found: dict[str, Any]) -> tuple[ArchivedFile, ...]:
    try:
        return _FILES.validate_python(found.get("files", ()))
    except ValidationError:
        return ()  # what another version wrote: the files are fetched again


def _since(found: dict[str, Any]) -> datetime | None:
    try:
        return _TIME.validate_python(found.get("received_at"))
    except ValidationError:
        return None
