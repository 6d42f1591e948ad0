"""Handler type `s3`: archives the files of an event into a bucket of S3 and its kin, of Google or of Azure."""

import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import timedelta
from functools import cached_property
from itertools import islice
from typing import Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from handlers.archiving import Archive
from handlers.bucket_stores import Place, open_bucket
from handlers.buckets import PART, Bucket, room
from handlers.shelf import Body, Wanted
from receiver.dispositions import clean_media_type, content_disposition
from receiver.handler import ArchivedFile, Delivery, Outcome, PermanentFailure, Receipt, TemporaryFailure

# What a redirect from /files/ leads to: long enough to begin a download, too short to be passed on.
_FRESH = timedelta(hours=1)
# The longest that S3 and Google sign for.
_LONGEST = timedelta(days=7)
# One request may take so long at most; a slow line needs minutes for what is in flight.
_PATIENCE = timedelta(minutes=5)
_BLOCK = 512 * 1024
# Each name that something else has costs a request or two.
_MOST_NAMES = 100
_NOTE_MOST = 200
_OWNER = "receiver-file"
_R2 = ".r2.cloudflarestorage.com"


class S3Archive(Archive):
    type: Literal["s3"]
    bucket: str = Field(min_length=1)
    """Where the files go: my-songs (S3, R2, MinIO, B2), gs://my-songs (Google) or azure://container (Azure)."""
    endpoint: str | None = None
    """Where the store is, for everything that is not AWS: https://ACCOUNT.r2.cloudflarestorage.com."""
    region: str | None = None
    """The region of the bucket; us-east-1 where it is left out."""
    access_key: SecretStr | None = None
    """The id of the access key; for Azure the storage account. Left out: the machine's own role or environment."""
    secret_key: SecretStr | None = None
    """The secret of the access key; for Google the JSON of a service account."""
    links: Literal["receiver", "public", "presigned"] = "receiver"
    """Who serves the links: this receiver, the bucket to everyone, or the bucket for at most seven days."""
    public_url: str | None = None
    """Where people reach the bucket, for links: public; left out: the bucket's own address."""

    @field_validator("access_key", "secret_key")
    @classmethod
    def _not_empty(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value is not None and value.get_secret_value() else None

    @field_validator("endpoint", "public_url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if not value:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an http:// or https:// address without ? and #")
        if parts.username is not None:
            raise ValueError("must not hold a user or a password; write access_key and secret_key")
        return value.rstrip("/")

    @field_validator("bucket")
    @classmethod
    def _is_bucket(cls, value: str) -> str:
        scheme, _, name = value.rpartition("://")
        if scheme not in ("", "s3", "gs", "azure"):
            raise ValueError("knows no such scheme: write my-songs, gs://my-songs or azure://container")
        if "/" in name.rstrip("/"):
            raise ValueError("is the bucket alone; write the folder as prefix")
        if not re.fullmatch(r"[A-Za-z0-9$][A-Za-z0-9._-]*", name.rstrip("/")):
            raise ValueError("is no name of a bucket: letters, digits, dots and hyphens")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _fits_together(self) -> "S3Archive":
        scheme, name = self._place()
        if said := _mismatch(self, scheme) or _misplaced(self.endpoint or "", name):
            raise ValueError(said)
        if self.public_url and self.links != "public":
            raise ValueError("public_url has no effect without links: public; write that, or remove it")
        if self.links == "public" and not self.public_url and _host(self.endpoint).endswith(_R2):
            raise ValueError("links: public wants public_url: R2 shows a bucket at an address of its own only")
        # Keys that can't be keys are told now.
        _ = self.store
        return self

    @cached_property
    def store(self) -> Bucket:
        scheme, name = self._place()
        return open_bucket(
            Place(
                scheme=scheme,
                name=name,
                endpoint=self.endpoint,
                region=self.region,
                access_key=_text(self.access_key),
                secret_key=_text(self.secret_key),
                public_url=self.public_url,
                patience=min(self.timeout, _PATIENCE),
            )
        )

    async def handle(self, delivery: Delivery) -> Receipt:
        return await self.archive(delivery, _Shelf(self.store, delivery))

    async def link(self, delivery: Delivery, file: ArchivedFile) -> str:
        if self.links == "public":
            return self.store.url(file.key)
        if self.links == "presigned":
            return await self.store.sign(file.key, _LONGEST)
        return await super().link(delivery, file)

    def lasting(self, link: str) -> str:
        return "" if self.links == "presigned" else link

    async def presign(self, file: ArchivedFile) -> str:
        """A fresh link to the bytes, for an hour. Raises an Outcome where none can be made."""
        return await self.store.sign(file.key, _FRESH)

    def _place(self) -> tuple[str, str]:
        scheme, _, name = self.bucket.rpartition("://")
        return scheme or "s3", name


class _Shelf:
    """The shelf of one delivery."""

    def __init__(self, bucket: Bucket, delivery: Delivery) -> None:
        self._bucket = bucket
        self._subject = delivery.event.submission_id or delivery.id

    def room(self) -> AbstractAsyncContextManager[None]:
        return room()

    async def holds(self, file: ArchivedFile) -> bool:
        found = await self._bucket.head(file.key)
        return found is not None and found.size == file.size

    async def put(self, wanted: Wanted, body: Body, keys: Iterator[str]) -> str:
        async with aclosing(body.blocks(_BLOCK)) as blocks:
            begun = await _begin(blocks)
            whole = sum(map(len, begun)) < PART
            # A body of one part goes out with its reservation.
            content = b"".join(begun) if whole else b""
            key, made = await self._claim(wanted, body, content, keys)
            if whole and not made:
                await self._bucket.overwrite(key, content, self._notes(wanted, body, key))
            elif not whole:
                await self._fill(wanted, body, key, _chain(begun, blocks), reserved=made)
        return key

    async def replace(self, wanted: Wanted, body: Body, key: str) -> None:
        async with aclosing(body.blocks(_BLOCK)) as blocks:
            await self._bucket.upload(key, blocks, self._notes(wanted, body, key))

    async def _claim(self, wanted: Wanted, body: Body, content: bytes, keys: Iterator[str]) -> tuple[str, bool]:
        """The first key that is free, or this file's own since an earlier attempt; and whether it was free."""
        for key in islice(keys, _MOST_NAMES):
            notes = self._notes(wanted, body, key)
            if await self._bucket.create(key, content, notes):
                return key, True
            found = await self._bucket.head(key)
            if found is None:
                raise TemporaryFailure("another upload takes the same name at this moment")
            if found.notes.get(_OWNER) == notes[_OWNER]:
                return key, False
        raise PermanentFailure(f"{_MOST_NAMES} names are taken already; write {{result_id}} into key")

    async def _fill(
        self, wanted: Wanted, body: Body, key: str, blocks: AsyncIterator[bytes], *, reserved: bool
    ) -> None:
        try:
            await self._bucket.upload(key, blocks, self._notes(wanted, body, key))
        except Outcome:
            if reserved and (found := await self._bucket.head(key)) and found.size == 0:
                await self._bucket.remove(key)
            raise

    def _notes(self, wanted: Wanted, body: Body, key: str) -> dict[str, str]:
        """What the object says of itself: whose it is, and how a browser is to take it."""
        media_type = clean_media_type(body.media_type)
        owner = "\0".join((self._subject, *wanted.name)).encode(errors="replace")
        text = {"submission-id": self._subject, "result-id": wanted.result.id, "role": wanted.role}
        return {
            "Content-Type": f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type,
            "Content-Disposition": content_disposition(key, media_type),
            _OWNER: hashlib.sha256(owner).hexdigest()[:32],
            **{name: quote(value, safe="", errors="replace")[:_NOTE_MOST] for name, value in text.items()},
        }


async def _begin(blocks: AsyncIterator[bytes]) -> list[bytes]:
    """The first blocks, a part in all; less where the body ends before."""
    begun: list[bytes] = []
    size = 0
    async for block in blocks:
        begun.append(block)
        size += len(block)
        if size >= PART:
            break
    return begun


async def _chain(begun: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    begun.reverse()
    while begun:
        yield begun.pop()
    async for block in rest:
        yield block


def _text(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None


def _host(address: str | None) -> str:
    return urlsplit(address or "").hostname or ""


def _mismatch(archive: S3Archive, scheme: str) -> str:
    """What the keys of one store are doing at another; empty where all is well."""
    access, secret = archive.access_key is not None, archive.secret_key is not None
    if scheme != "s3" and archive.region is not None:
        return "region is for S3 and its kin; remove it"
    if scheme == "gs":
        said = "access_key is not for Google: secret_key holds the JSON of the service account; remove it"
        return said if access else ""
    if scheme == "azure":
        return "" if access else "access_key is missing; for Azure it is the name of the storage account"
    if access != secret:
        missing, given = ("secret_key", "access_key") if access else ("access_key", "secret_key")
        return f"{missing} is missing beside {given}; write both, or none for the machine's own role"
    return ""


def _misplaced(endpoint: str, bucket: str) -> str:
    parts = urlsplit(endpoint)
    if (parts.hostname or "").startswith(f"{bucket}.") or parts.path.rstrip("/").endswith(f"/{bucket}"):
        return "endpoint names the bucket too; leave it out there"
    return ""
