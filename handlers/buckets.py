"""A bucket of S3 and its kin, of Google or of Azure: the few calls that an archive needs, its errors as outcomes."""

import asyncio
from collections.abc import AsyncIterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import AzureStore, GCSStore, S3Store

from handlers.bucket_faults import ERRORS, Faults, refuses_conditions

# In bytes: the least that S3 takes, as every part under way lies in memory. bench/archive.py says what these cost.
PART = 5 * 1024 * 1024
PARTS_AT_ONCE = 2
UPLOADS_AT_ONCE = 3
# How long a broken upload may take to tidy up after itself.
_ABORT_S = 5.0

Store = S3Store | GCSStore | AzureStore

_rooms: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def room() -> asyncio.Semaphore:
    """Room for one more upload. All handlers of a process share it: memory is the machine's, not a handler's."""
    return _rooms.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(UPLOADS_AT_ONCE))


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of an object without its bytes. `size` is in bytes."""

    size: int
    notes: Mapping[str, str]


class Bucket:
    """`public_url` is where everyone finds its objects who may read them."""

    def __init__(self, store: Store, faults: Faults, public_url: str) -> None:
        self._store = store
        self._faults = faults
        self._public_url = public_url
        self._knows_conditions = True

    def url(self, key: str) -> str:
        return f"{self._public_url}/{quote(key, safe='/~')}"

    async def sign(self, key: str, lifetime: timedelta) -> str:
        """An address that lets anyone fetch the object for so long."""
        try:
            return await obstore.sign_async(self._store, "GET", key, lifetime)
        except ERRORS as error:
            raise self._faults.outcome(error) from None

    async def head(self, key: str) -> Head | None:
        """None where there is no such object."""
        try:
            # Unlike `head_async`, it brings the notes.
            found = await obstore.get_async(self._store, key, options={"head": True})
        except FileNotFoundError:
            return None
        except ERRORS as error:
            raise self._faults.outcome(error) from None
        notes = {_plain(name): value for name, value in found.attributes.items()}
        return Head(found.meta["size"], notes)

    async def create(self, key: str, content: bytes, notes: Mapping[str, str]) -> bool:
        """Makes an object; False where something else has the key."""
        if self._knows_conditions:
            try:
                await obstore.put_async(self._store, key, content, mode="create", attributes=self._spelled(notes))
            except AlreadyExistsError:
                return False
            except ERRORS as error:
                if not refuses_conditions(error):
                    raise self._faults.outcome(error) from None
                self._knows_conditions = False
            else:
                return True
        if await self.head(key) is not None:
            return False
        await self.overwrite(key, content, notes)
        return True

    async def overwrite(self, key: str, content: bytes, notes: Mapping[str, str]) -> None:
        try:
            await obstore.put_async(self._store, key, content, attributes=self._spelled(notes), use_multipart=False)
        except ERRORS as error:
            raise self._faults.outcome(error) from None

    async def upload(self, key: str, blocks: AsyncIterable[bytes], notes: Mapping[str, str]) -> None:
        """Writes an object of any size, in parts, over what the key held. Raises what the blocks raise."""
        pipe = _Pipe()
        put = asyncio.ensure_future(
            obstore.put_async(
                self._store,
                key,
                pipe,
                attributes=self._spelled(notes),
                use_multipart=True,
                chunk_size=PART,
                max_concurrency=PARTS_AT_ONCE,
            )
        )
        put.add_done_callback(pipe.drain)
        try:
            async for block in blocks:
                await pipe.send(block)
                if put.done():
                    break
            else:
                await pipe.send(None)
            await asyncio.wait((put,))
        except BaseException:
            # A cancelled put would leave its parts in the bucket for ever; one whose source fails takes them away.
            pipe.break_off()
            await asyncio.wait((put,), timeout=_ABORT_S)
            raise
        try:
            put.result()
        except ERRORS as error:
            raise self._faults.outcome(error) from None

    async def remove(self, key: str) -> None:
        """Best effort: what stays is an empty object."""
        with suppress(*ERRORS):
            await obstore.delete_async(self._store, key)

    def _spelled(self, notes: Mapping[str, str]) -> dict[str, str]:
        """Azure takes no hyphens in a name, and proxies in front of other stores drop names with underscores."""
        if not isinstance(self._store, AzureStore):
            return dict(notes)
        return {name if name[0].isupper() else name.replace("-", "_"): value for name, value in notes.items()}


class _BrokenOff(Exception):
    pass


class _Pipe:
    """Blocks on their way into an upload, which reads them from threads of its own."""

    def __init__(self) -> None:
        self._blocks: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._broken = False

    def __aiter__(self) -> "_Pipe":
        return self

    async def __anext__(self) -> bytes:
        block = await self._blocks.get()
        if self._broken:
            raise _BrokenOff
        if block is None:
            raise StopAsyncIteration
        return block

    async def send(self, block: bytes | None) -> None:
        """Waits until the block before was taken; None is the end."""
        await self._blocks.put(block)

    def break_off(self) -> None:
        """Makes the upload fail at its next look for a block."""
        self._broken = True
        self.drain()
        self._blocks.put_nowait(None)

    def drain(self, ended: asyncio.Future[Any] | None = None) -> None:
        """Nobody takes blocks any more: a sender must not wait for it."""
        if ended is not None and not ended.cancelled():
            ended.exception()  # asked for, so that it is not reported as never asked for
        with suppress(asyncio.QueueEmpty):
            self._blocks.get_nowait()


def _plain(name: str) -> str:
    return name.replace("_", "-").lower()
