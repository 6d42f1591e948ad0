"""Archived files out: a signed link per file, streamed with Range or redirected to where the bytes are."""

import asyncio
import logging
import os
import re
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from receiver.dispositions import clean_media_type, content_disposition
from receiver.errors import Outcome, Rejection
from receiver.handler import ArchivedFile
from receiver.store.records import StoredFile
from receiver.tokens import Scope, Signer
from receiver.web.answers import not_found

logger = logging.getLogger(__name__)

_ONE_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_HEADERS = {
    "cache-control": "private, max-age=31536000, immutable",
    # The bytes came from outside: whatever they are, they may show themselves and do nothing.
    "content-security-policy": (
        "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
    ),
    "x-content-type-options": "nosniff",
}


@runtime_checkable
class Archive(Protocol):
    """An archive on this machine, all of it below `directory`."""

    @property
    def directory(self) -> Path: ...

    def path(self, key: str) -> Path:
        """Raises PermanentFailure or ValueError where the key leads out of the archive."""


@runtime_checkable
class RemoteArchive(Protocol):
    """An archive elsewhere, which lets whoever has a fresh link fetch the bytes from there."""

    async def presign(self, file: ArchivedFile) -> str:
        """A link that lives for a short time. Raises an Outcome where none can be made."""


class FileStore(Protocol):
    """What is needed of the store."""

    async def file(self, file_id: str) -> StoredFile | None: ...


# Makes a fresh link to the bytes in an archive elsewhere.
Presign = Callable[[ArchivedFile], Awaitable[str]]


class FileLinks:
    """`/files/{token}`. `archives` and `elsewhere` are by the names of their handlers."""

    def __init__(
        self, signer: Signer, store: FileStore, archives: Mapping[str, Archive], elsewhere: Mapping[str, Presign]
    ) -> None:
        self._signer = signer
        self._store = store
        self._archives = archives
        self._elsewhere = elsewhere

    def route(self) -> Route:
        return Route("/files/{token:path}", self.get, methods=["GET"], name="files")

    async def get(self, request: Request) -> Response:
        """Raises Rejection: 404 whatever is wrong with the link, 416, 503 where an archive elsewhere can't sign."""
        ident = self._signer.open(Scope.FILE, request.path_params["token"].rstrip("/"))
        stored = await self._store.file(ident) if ident else None
        if stored is None:
            raise not_found()
        if presign := self._elsewhere.get(stored.handler):
            return RedirectResponse(await _fresh(presign, stored), 307, {"cache-control": "private, no-store"})
        return await self._stream(request, stored)

    async def _stream(self, request: Request, stored: StoredFile) -> Response:
        found = await asyncio.to_thread(self._look, stored)
        if found is None:
            logger.warning("an archived file is gone: handler %s, key %s", stored.handler, ascii(stored.file.key))
            raise not_found()
        path, status = found
        headers = file_headers(stored.file, status.st_size)
        if _is_current(request.headers.get("if-none-match", ""), headers.get("etag")):
            return Response(status_code=304, headers=headers)
        _settle_range(request, status.st_size, headers.get("etag"))
        return FileResponse(path, headers=headers, media_type=media_type(stored.file), stat_result=status)

    def _look(self, stored: StoredFile) -> tuple[Path, os.stat_result] | None:
        archive = self._archives.get(stored.handler)
        if archive is None:
            return None
        try:
            path = archive.path(stored.file.key)
            status = path.stat()
        except (OSError, ValueError, Outcome):
            return None
        return (path, status) if stat.S_ISREG(status.st_mode) else None


async def _fresh(presign: Presign, stored: StoredFile) -> str:
    try:
        return await presign(stored.file)
    except Outcome as failure:
        logger.warning("no link can be signed: handler %s: %s", stored.handler, failure.reason)
        raise Rejection(
            503, "Service Unavailable", "The archive can't be reached through a link now. Ask again later."
        ) from failure


def media_type(file: ArchivedFile) -> str:
    """The media type as recorded, unless it is none."""
    return clean_media_type(file.media_type)


def file_headers(file: ArchivedFile, size: int) -> dict[str, str]:
    """The headers of a file that has `size` bytes on disk now; its ETag only where that is the size we archived."""
    headers = {**_HEADERS, "content-disposition": disposition(file)}
    if size == file.size:
        headers["etag"] = f'"{file.sha256}"'
    return headers


def disposition(file: ArchivedFile) -> str:
    """Audio, images and video are shown, all else is saved."""
    return content_disposition(file.key, media_type(file))


def _is_current(if_none_match: str, etag: str | None) -> bool:
    known = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag is not None and (etag in known or known == ["*"])


def _settle_range(request: Request, size: int, etag: str | None) -> None:
    """Leaves one plain range to the response, drops what it may ignore, refuses what lies past `size` bytes.

    https://www.rfc-editor.org/rfc/rfc9110#name-range: a server may ignore ranges, and must ignore unknown units.
    """
    start = _range_start(request.headers.getlist("range"), size)
    if start is None or request.headers.get("if-range", etag) != etag:
        request.scope["headers"] = [pair for pair in request.scope["headers"] if pair[0] != b"range"]
    elif start >= size:
        raise Rejection(
            416,
            "Range Not Satisfiable",
            f"The file has {size} bytes. Ask for a range within them.",
            headers={"content-range": f"bytes */{size}"},
        )


def _range_start(wanted: list[str], size: int) -> int | None:
    """Where the one range that is wanted begins; None for several, for nonsense and for none."""
    match = _ONE_RANGE.fullmatch(wanted[0].strip().lower()) if len(wanted) == 1 else None
    if match is None:
        return None
    first, last = match.groups()
    if not first:
        return max(size - int(last), 0) if last else None
    return None if last and int(last) < int(first) else int(first)
