"""Handler type `file`: archives the files of an event into a directory of this machine."""

import asyncio
import errno
import glob
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager, nullcontext, suppress
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar

from handlers.archiving import Archive
from handlers.shelf import Body, Wanted
from handlers.text import safe_name
from receiver.handler import ArchivedFile, Delivery, PermanentFailure, Receipt, TargetFailure

_BLOCK = 1024 * 1024
# What the disk says about one key: another delivery's files have their place.
_NO_PLACE = frozenset({errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST})
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})

T = TypeVar("T")


class FileArchive(Archive):
    type: Literal["file"]
    directory: Path
    """Where the files go; made when it is missing."""
    links: Literal["receiver"] = "receiver"
    """Who serves the links: this receiver, under /files/."""

    async def handle(self, delivery: Delivery) -> Receipt:
        mark = safe_name(delivery.id)
        return await self.archive(delivery, _Folder(self, mark, delivery.attempt, delivery.free_disk))

    def path(self, key: str) -> Path:
        """Where an archived file is. Raises PermanentFailure where the key leads out of the directory."""
        path = _resolve(self.directory, key)
        if path is None or path == self.directory.resolve():
            raise PermanentFailure("this key leads out of the archive's directory")
        return path


class _Folder:
    """The shelf of one attempt. `free` is how many bytes the disk must keep free."""

    def __init__(self, archive: FileArchive, mark: str, attempt: int, free: int) -> None:
        self._directory = archive.directory
        self._mark = mark
        self._attempt = attempt
        self._free = free

    def room(self) -> AbstractAsyncContextManager[None]:
        # Blocks go to the disk one by one: however many files are on their way, they take little memory.
        return nullcontext()

    async def holds(self, file: ArchivedFile) -> bool:
        path = _resolve(self._directory, file.key)
        return path is not None and path.is_file() and path.stat().st_size == file.size

    async def put(self, wanted: Wanted, body: Body, keys: Iterator[str]) -> str:
        first = next(keys)
        async with self._written(first, body) as partial:
            return await self._work(self._place, partial, body, chain((first,), keys))

    async def replace(self, wanted: Wanted, body: Body, key: str) -> None:
        async with self._written(key, body) as partial:
            await self._work(self._place_over, partial, key)

    @asynccontextmanager
    async def _written(self, key: str, body: Body) -> AsyncIterator["_Partial"]:
        """The whole body, beside the place of a key and not yet under its name."""
        partial = _Partial(self._folder(key), self._mark, self._attempt)
        try:
            await self._work(self._begin, partial)
            async with aclosing(body.blocks(_BLOCK)) as blocks:
                async for block in blocks:
                    await self._work(partial.write, block)
            yield partial
        finally:
            partial.discard()

    def _folder(self, key: str) -> Path:
        folder = _resolve(self._directory, str(Path(key).parent))
        if folder is None:
            reason = f"a link on the way leads out of {self._directory} or in a circle: remove it, or archive elsewhere"
            raise PermanentFailure(reason) if _is_folder(self._directory) else TargetFailure(reason)
        return folder

    def _begin(self, partial: "_Partial") -> None:
        # By itself first: what is wrong with the key can be told from what is wrong with the directory.
        self._directory.mkdir(parents=True, exist_ok=True)
        partial.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(partial.folder).free
        if free < self._free:
            raise TargetFailure(
                f"only {free // 10**6} MB free on the disk of {self._directory}; below limits.free_disk archives stop"
            )
        partial.open()

    def _place(self, partial: "_Partial", body: Body, keys: Iterator[str]) -> str:
        partial.finish()
        key = next(key for key in keys if _claim(partial.path, partial.folder / Path(key).name, body))
        self._sync(partial)
        return key

    def _place_over(self, partial: "_Partial", key: str) -> None:
        partial.finish()
        partial.path.replace(partial.folder / Path(key).name)
        self._sync(partial)

    def _sync(self, partial: "_Partial") -> None:
        root = self._directory.resolve()
        for folder in (partial.folder, *partial.folder.parents):
            _sync(folder)
            if folder == root:
                break

    async def _work(self, work: Callable[..., T], *arguments: object) -> T:
        with _disk(self._directory):
            return await _in_thread(work, *arguments)


class _Partial:
    """A file on its way, beside the place where it will be. Nothing of it is left once it is discarded."""

    def __init__(self, folder: Path, mark: str, attempt: int) -> None:
        self.folder = folder
        self.path = folder / f".{mark}.{attempt}.partial"
        self._earlier = f".{glob.escape(mark)}.*.partial"
        self._file: BinaryIO | None = None

    def open(self) -> None:
        # What an attempt of this delivery left that was killed.
        for leftover in self.folder.glob(self._earlier):
            leftover.unlink(missing_ok=True)
        self._file = self.path.open("xb")

    def write(self, block: bytes) -> None:
        assert self._file is not None
        self._file.write(block)

    def finish(self) -> None:
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())

    def discard(self) -> None:
        if self._file is not None:
            # A full disk may refuse the last buffer once more; these bytes are thrown away anyway.
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):
                self.path.unlink()


def _resolve(directory: Path, key: str) -> Path | None:
    try:
        root = directory.resolve()
        path = (root / key).resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL
        return None
    return path if path.is_relative_to(root) else None


def _claim(source: Path, target: Path, body: Body) -> bool:
    """Gives a file its name. False where something else has the name; the same bytes stay as they are."""
    try:
        os.link(source, target)  # unlike a rename, it never overwrites
    except FileExistsError:
        return _same(target, body)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        return _claim_by_name(source, target, body)
    return True


def _claim_by_name(source: Path, target: Path, body: Body) -> bool:
    """The same where the file system has no hard links: the name is held by an empty file first."""
    try:
        target.open("xb").close()
    except FileExistsError:
        return _same(target, body)
    source.replace(target)
    return True


def _same(path: Path, body: Body) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != body.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == body.sha256


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


async def _in_thread(work: Callable[..., T], *arguments: object) -> T:
    """Runs disk work in a thread. Cancelled, it waits for that work: nothing may be cleaned up under its hands."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        if not task.cancelled():
            task.exception()
        raise


@contextmanager
def _disk(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if error.errno in _NO_PLACE and _is_folder(directory):
            # The handler must not pause: this delivery is its probe and would fail for ever.
            raise PermanentFailure(f"there is no place for it in {directory}: {reason}") from error
        raise TargetFailure(f"can't write to {directory}: {reason}") from error


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
