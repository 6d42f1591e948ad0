"""What the archives share: which files are taken, under which key, from which address, and what is remembered.

An archive type brings a Shelf, the place where bytes are kept; everything else happens here.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count, islice
from string import Formatter
from typing import Literal, Protocol

from pydantic import Field, TypeAdapter, ValidationError, field_validator

from handlers.roles import role_advice
from handlers.sniffing import HEAD, Sort, sort_of
from handlers.text import UNTITLED, one_line, safe_name, shorten
from receiver.handler import (
    ArchivedFile,
    Delivery,
    File,
    Handler,
    Media,
    Notes,
    Outcome,
    PermanentFailure,
    Receipt,
    Result,
    TemporaryFailure,
)
from receiver.units import Duration

logger = logging.getLogger(__name__)

# A song is made of few files; a body that names thousands must not keep an archive busy for a day.
MOST_FILES = 200

# A preview that still grows while it is made: taken only where `roles` names it.
_PREVIEW = "stream"
# What only goes along with the thing that was made.
_COMPANIONS = frozenset({"image", _PREVIEW})
# Roles that the extension tells already; every other one is part of the file's name.
_PLAIN_ROLES = frozenset({"audio", "image", "video", "wav", "midi"})
_FIELDS = frozenset({"date", "title", "result_id", "ext", "role", "provider", "operation", "submission_id", "task_id"})
# In bytes; together with an id, a role and an extension they fit into one name.
_TITLE_MOST, _VALUE_MOST, _NAME_MOST = 64, 40, 120
_MISSING_MOST = 1000
_FILES = TypeAdapter(tuple[ArchivedFile, ...])

Known = dict[tuple[str, str], ArchivedFile]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to take; `role` is numbered where one result has several of the same."""

    result: Result
    role: str
    file: File


class Body:
    """A download that is what its role promises. `size` (in bytes) and `sha256` are right once it was read."""

    def __init__(self, sort: Sort, head: bytes, rest: AsyncIterator[bytes]) -> None:
        self.media_type = sort.media_type
        self.extension = sort.extension
        self.size = 0
        self._head = head
        self._rest = rest
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def blocks(self, size: int) -> AsyncGenerator[bytes, None]:
        """The bytes, once, in blocks of at least `size` bytes but for the last. Raises what the download raises."""
        block = bytearray(self._count(self._head))
        async for chunk in self._rest:
            block += self._count(chunk)
            if len(block) >= size:
                yield bytes(block)
                block.clear()
        yield bytes(block)

    def _count(self, chunk: bytes) -> bytes:
        self.size += len(chunk)
        self._digest.update(chunk)
        return chunk


class Shelf(Protocol):
    """The place where an archive type keeps bytes."""

    async def holds(self, file: ArchivedFile) -> bool:
        """Whether this file is still there, with its size."""

    async def put(self, body: Body, keys: Iterator[str]) -> str:
        """Keeps the whole body under the first key that nothing else has, and returns that key.

        Bytes that are there already under a key are kept once. Raises TargetFailure, or what the body raises.
        """


class Archive(Handler):
    """The keys and the work that every archive type shares."""

    timeout: Duration = timedelta(minutes=10)
    """How long one attempt may take; files that are archived by then are not fetched again."""
    prefix: str = ""
    """Put before every key: songs/2026."""
    roles: Literal["all"] | tuple[str, ...] = "all"
    """Which files to keep: all (but `stream`, a preview), or a list such as [audio, image]."""
    key: str = Field("{date}/{title}-{result_id}.{ext}", min_length=1)
    """The name of a file, from date, title, result_id, ext, role, provider, operation, submission_id, task_id and
    labels[name]."""

    @field_validator("roles")
    @classmethod
    def _are_roles(cls, value: Literal["all"] | tuple[str, ...]) -> Literal["all"] | tuple[str, ...]:
        if not value:
            raise ValueError("is empty, so nothing would be kept; write all, or a list such as [audio, image]")
        words = () if value == "all" else value
        wrong = [f"number {at} is no role; {said}" for at, word in enumerate(words, 1) if (said := role_advice(word))]
        if wrong:
            raise ValueError(" ".join(wrong))
        return value

    @field_validator("key", "prefix")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        if value.startswith("/") or "\\" in value or ".." in value.split("/"):
            raise ValueError("must stay inside the archive: no leading slash, no backslash, no ..")
        return value

    @field_validator("key")
    @classmethod
    def _known_fields(cls, value: str) -> str:
        for _, name in _pieces(value):
            if name and name not in _FIELDS and _label(name) is None:
                raise ValueError(f"knows no {{{name}}}: write {', '.join(sorted(_FIELDS))} or labels[name]")
        return value

    async def archive(self, delivery: Delivery, shelf: Shelf) -> Receipt:
        """Takes every wanted file that is not on the shelf yet. One that fails doesn't stop the others.

        The receipt's `details` name what is missing for good beside what was made and kept. Raises TemporaryFailure as
        long as one file may still come, PermanentFailure where nothing but companions was kept; TargetFailure at once.
        """
        known = await _known(delivery)
        files: list[ArchivedFile] = []
        failures: list[Outcome] = []
        listed = self._wanted(delivery.results)
        taken = list(islice(listed, MOST_FILES))
        if not taken:
            _warn_of_nothing(delivery)
        for wanted in taken:
            try:
                files.append(await self._keep(delivery, shelf, wanted, known))
            except (TemporaryFailure, PermanentFailure) as failure:
                failures.append(failure)
        if failures and not _suffices(taken, files, failures):
            raise _worst(failures)
        await _note(delivery.memory, known)
        missing = _missing(failures, left=sum(1 for _ in listed))
        if missing:
            logger.warning("%s is archived without %s", delivery.event.submission_id or delivery.id, missing)
        return Receipt(files=tuple(files), details={"missing": missing} if missing else {})

    async def _keep(self, delivery: Delivery, shelf: Shelf, wanted: Wanted, known: Known) -> ArchivedFile:
        name = (wanted.result.id, wanted.role)
        link = delivery.link(*name)
        if name in known and await shelf.holds(known[name]):
            return replace(known[name], link=link)
        known.pop(name, None)
        taken = frozenset(file.key.casefold() for file in known.values())
        known[name] = replace(await self._fetch(delivery, shelf, wanted, taken), link=link)
        # Both, so that neither a retry nor a later event of this submission fetches it again.
        await _note(delivery.progress, known)
        await _note(delivery.memory, known)
        return known[name]

    async def _fetch(self, delivery: Delivery, shelf: Shelf, wanted: Wanted, taken: frozenset[str]) -> ArchivedFile:
        failures: list[Outcome] = []
        for url in dict.fromkeys(wanted.file.urls):
            try:
                async with _open(delivery.media, url, wanted) as body:
                    keys = self._keys(delivery, wanted, body.extension)
                    key = await shelf.put(body, (key for key in keys if key.casefold() not in taken))
            except (TemporaryFailure, PermanentFailure) as failure:
                failures.append(failure)
            else:
                return ArchivedFile(
                    result_id=wanted.result.id,
                    role=wanted.role,
                    key=key,
                    size=body.size,
                    sha256=body.sha256,
                    media_type=body.media_type,
                    link="",
                )
        raise _worst(failures, f"{_describe(wanted)}: ")

    def _wanted(self, results: Sequence[Result]) -> Iterator[Wanted]:
        seen: set[tuple[str, str]] = set()
        used: Counter[tuple[str, str]] = Counter()
        for result in results:
            for file in filter(self._takes, result.files):
                role = file.role
                while (result.id, role) in seen:
                    used[result.id, file.role] += 1
                    role = f"{file.role}-{used[result.id, file.role] + 1}"
                seen.add((result.id, role))
                yield Wanted(result, role, file)

    def _takes(self, file: File) -> bool:
        return file.role != _PREVIEW if self.roles == "all" else file.role in self.roles

    def _keys(self, delivery: Delivery, wanted: Wanted, extension: str) -> Iterator[str]:
        """Keys for a file, best first and without an end: as the template says, with its role, with a number."""
        values = _values(delivery, wanted, extension)
        key = "".join(literal + _value(name, values) for literal, name in _pieces(self.key))
        *folders, last = [part for part in f"{self.prefix}/{key}".split("/") if part]
        folder = "".join(f"{name}/" for part in folders if (name := safe_name(part)))
        stem, ending = last.removesuffix(f".{extension}"), f".{extension}"
        shows_role = "{role}" in self.key
        if shows_role or wanted.role in _PLAIN_ROLES:
            yield folder + _file_name(stem, "", ending)
        role = "" if shows_role else f"-{values['role']}"
        if role:
            yield folder + _file_name(stem, role, ending)
        for number in count(2):
            yield folder + _file_name(stem, f"{role}-{number}", ending)


@asynccontextmanager
async def _open(media: Media, url: str, wanted: Wanted) -> AsyncIterator[Body]:
    """The file behind an address. Raises TemporaryFailure (stale) where it is no such file."""
    async with media.stream(url) as download:
        chunks = aiter(download.chunks)
        head = b""
        while len(head) < HEAD and (chunk := await anext(chunks, None)) is not None:
            head += chunk
        sort = sort_of(head, wanted.file.role, url)
        if isinstance(sort, str):
            raise TemporaryFailure(sort, stale=True)
        yield Body(sort, head, chunks)


def _warn_of_nothing(delivery: Delivery) -> None:
    """An archive that keeps nothing of a finished event is hardly what was meant."""
    event, found = delivery.event, {file.role for result in delivery.results for file in result.files}
    if event.stage == "complete" and found:
        shown = shorten(one_line(", ".join(sorted(found))), 200)
        subject = event.submission_id or delivery.id
        logger.warning("%s is complete and nothing of it is archived: `roles` leaves out %s", subject, shown)


async def _known(delivery: Delivery) -> Known:
    files = [*await _read(delivery.memory), *await _read(delivery.progress)]
    return {(file.result_id, file.role): file for file in files}


async def _read(notes: Notes) -> tuple[ArchivedFile, ...]:
    try:
        return _FILES.validate_python((await notes.read()).get("files", ()))
    except ValidationError:
        return ()  # what another version wrote: the files are fetched again


async def _note(notes: Notes, known: Known) -> None:
    await notes.write({"files": _FILES.dump_python(tuple(known.values()), mode="json")})


def _worst(failures: Sequence[Outcome], prefix: str = "") -> Outcome:
    reason = prefix + "; ".join(dict.fromkeys(failure.reason for failure in failures))
    temporary = [failure for failure in failures if isinstance(failure, TemporaryFailure)]
    if not temporary:
        return PermanentFailure(reason)
    waits = [failure.retry_after for failure in temporary if failure.retry_after is not None]
    return TemporaryFailure(
        reason, retry_after=max(waits, default=None), stale=any(failure.stale for failure in temporary)
    )


def _suffices(wanted: Sequence[Wanted], files: Sequence[ArchivedFile], failures: Sequence[Outcome]) -> bool:
    """Whether what was kept is worth a receipt, because the rest will never come."""
    main = {(one.result.id, one.role) for one in wanted if one.file.role not in _COMPANIONS}
    kept = {(file.result_id, file.role) for file in files}
    return bool(kept & main if main else kept) and all(isinstance(failure, PermanentFailure) for failure in failures)


def _missing(failures: Sequence[Outcome], left: int) -> str:
    more = [f"{left} more files than the {MOST_FILES} that one delivery may bring"] if left else []
    return shorten("; ".join(more + [one_line(failure.reason) for failure in failures]), _MISSING_MOST)


def _describe(wanted: Wanted) -> str:
    return f"{shorten(one_line(wanted.role), 40)} of {shorten(one_line(wanted.result.title or wanted.result.id), 60)}"


def _pieces(template: str) -> list[tuple[str, str]]:
    """Literal texts, each with the field after it. Raises ValueError."""
    try:
        parsed = [
            (literal, name, spec or conversion) for literal, name, spec, conversion in Formatter().parse(template)
        ]
    except ValueError:
        raise ValueError("has a brace without its partner: write {title}, or {{ for a brace") from None
    if any(name == "" or extra for _, name, extra in parsed):
        raise ValueError("takes plain names in braces, such as {title}")
    return [(literal, name or "") for literal, name, _ in parsed]


def _label(name: str) -> str | None:
    return name[len("labels[") : -1] or None if name.startswith("labels[") and name.endswith("]") else None


def _values(delivery: Delivery, wanted: Wanted, extension: str) -> Mapping[str, str]:
    event = delivery.event
    raw = {f"labels[{label}]": value for label, value in event.labels.items()} | {
        "date": f"{event.received_at:%Y-%m-%d}",
        "result_id": wanted.result.id,
        "role": wanted.role,
        "provider": event.provider or "",
        "operation": event.operation or "",
        "submission_id": event.submission_id or "",
        "task_id": event.task_id or "",
    }
    values = {name: safe_name(value, _VALUE_MOST) or "none" for name, value in raw.items()}
    title = safe_name(wanted.result.title or "", _TITLE_MOST) or UNTITLED.lower()
    return values | {"title": title, "ext": extension}


def _value(name: str, values: Mapping[str, str]) -> str:
    return values.get(name, "none") if name else ""


def _file_name(stem: str, suffix: str, ending: str) -> str:
    tail = safe_name(f"x{suffix}{ending}")[1:]
    return (safe_name(stem, _NAME_MOST - len(tail.encode())) or "file") + tail
