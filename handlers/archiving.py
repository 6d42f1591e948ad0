"""What the archives share: which files are taken, under which key, from which address, and what is remembered.

An archive type brings a Shelf, the place where bytes are kept; everything else happens here.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import Literal

from pydantic import Field, field_validator

from handlers.derived import Derived, derived_files
from handlers.keys import check_fields, check_inside, keys_of, values_of
from handlers.manifest import ROLE as MANIFEST
from handlers.manifest import manifest
from handlers.records import Records
from handlers.roles import role_advice
from handlers.shelf import PREVIEW, Body, Shelf, Wanted, download, made
from handlers.text import one_line, shorten
from receiver.handler import (
    ArchivedFile,
    Delivery,
    File,
    Handler,
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

# Where all that the provider made is kept, what we make of it is tried so often and then left out.
_TRIES_OF_DERIVED = 3
_MISSING_MOST = 1000

Failure = tuple[Wanted, TemporaryFailure | PermanentFailure]


class Archive(Handler):
    """The keys and the work that every archive type shares."""

    timeout: Duration = timedelta(minutes=10)
    """How long one attempt may take; files that are archived by then are not fetched again."""
    prefix: str = ""
    """Put before every key: songs/2026."""
    roles: Literal["all"] | tuple[str, ...] = "all"
    """Which files to keep: all (but `stream`, a preview), or a list such as [audio, image, lyrics, song]."""
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
        return check_inside(value)

    @field_validator("key")
    @classmethod
    def _known_fields(cls, value: str) -> str:
        return check_fields(value)

    async def archive(self, delivery: Delivery, shelf: Shelf) -> Receipt:
        """Takes every wanted file that is not on the shelf yet. One that fails doesn't stop the others.

        The receipt's `details` name what is missing for good beside what was made and kept. Raises TemporaryFailure as
        long as one file may still come, PermanentFailure where nothing but companions was kept; TargetFailure at once.
        """
        work = _Work(self, delivery, shelf, await Records.read(delivery))
        listed = self.wanted(delivery.results)
        taken = list(islice(listed, MOST_FILES))
        if not taken and not self.takes(MANIFEST):
            _warn_of_nothing(delivery)
        await work.keep(taken)
        if self.takes(MANIFEST):
            await work.keep(work.manifests(taken))
        failures = work.settled(taken)
        if failures and not work.suffices(taken, failures):
            raise _worst([failure for _, failure in failures])
        await work.records.remember()
        missing = _missing(failures, left=sum(1 for _ in listed))
        if missing:
            logger.warning("%s is archived without %s", delivery.event.submission_id or delivery.id, missing)
        return Receipt(files=tuple(work.files), details={"missing": missing} if missing else {})

    def wanted(self, results: Sequence[Result]) -> Iterator[Wanted]:
        """What the provider made of each result, then what we make of it. The manifests come after all of it."""
        seen: set[tuple[str, str]] = set()
        used: Counter[tuple[str, str]] = Counter()
        for result in results:
            sources: tuple[File | Derived, ...] = (*result.files, *derived_files(result, self.takes))
            for source in (source for source in sources if self.takes(source.role)):
                role = source.role
                while (result.id, role) in seen:
                    used[result.id, source.role] += 1
                    role = f"{source.role}-{used[result.id, source.role] + 1}"
                seen.add((result.id, role))
                yield Wanted(result, role, source)

    def takes(self, role: str) -> bool:
        return role != PREVIEW if self.roles == "all" else role in self.roles

    async def link(self, delivery: Delivery, file: ArchivedFile) -> str:
        """The address of a kept file in the receipt."""
        return delivery.link(file.result_id, file.role)

    def lasting(self, link: str) -> str:
        """The same address for the manifest, which outlives the day; empty where it would not."""
        return link


class _Work:
    """One delivery on its way to the shelf: what was kept of it, and what was not."""

    def __init__(self, archive: Archive, delivery: Delivery, shelf: Shelf, records: Records) -> None:
        self.records = records
        self.files: list[ArchivedFile] = []
        self._failures: list[Failure] = []
        self._archive = archive
        self._delivery = delivery
        self._shelf = shelf

    async def keep(self, taken: Sequence[Wanted]) -> None:
        for wanted in taken:
            try:
                self.files.append(await self._keep(wanted))
            except (TemporaryFailure, PermanentFailure) as failure:
                self._failures.append((wanted, failure))

    def manifests(self, taken: Sequence[Wanted]) -> list[Wanted]:
        """One for each result of which something is kept, or of which nothing else was wanted."""
        wanted = {one.result.id for one in taken}
        kept = {file.result_id for file in self.files}
        results = {result.id: result for result in self._delivery.results[:MOST_FILES]}.values()
        return [
            Wanted(result, MANIFEST, self._manifest(result))
            for result in results
            if (result.id in kept or result.id not in wanted) and result.file(MANIFEST) is None
        ]

    def settled(self, taken: Sequence[Wanted]) -> list[Failure]:
        """What failed. What we make ourselves holds a finished song back for some tries only."""
        main = {one.name for one in taken if not one.is_companion}
        patient = not main or main - self._kept() or self._delivery.attempt <= _TRIES_OF_DERIVED
        return [
            (one, failure if patient or not isinstance(one.source, Derived) else PermanentFailure(failure.reason))
            for one, failure in self._failures
        ]

    def suffices(self, taken: Sequence[Wanted], failures: Sequence[Failure]) -> bool:
        """Whether what was kept is worth a receipt, because the rest will never come."""
        main, kept = {one.name for one in taken if not one.is_companion}, self._kept()
        return bool(kept & main if main else kept) and all(isinstance(one, PermanentFailure) for _, one in failures)

    def _kept(self) -> set[tuple[str, str]]:
        return {(file.result_id, file.role) for file in self.files}

    def _manifest(self, result: Result) -> Derived:
        files = [replace(file, link=self._archive.lasting(file.link)) for file in self.records.of_result(result.id)]
        missing = [
            {"role": one.role, "reason": one_line(failure.reason)}
            for one, failure in self._failures
            if one.result.id == result.id
        ]
        return manifest(self._delivery.event, result, files, missing, self.records.since)

    async def _keep(self, wanted: Wanted) -> ArchivedFile:
        known = self.records.files.get(wanted.name)
        if known is not None and await self._shelf.holds(known):
            file = await self._renewed(wanted, known)
        else:
            self.records.files.pop(wanted.name, None)
            file = await self._fetch(wanted)
        file = replace(file, link=await self._archive.link(self._delivery, file))
        self.records.files[wanted.name] = file
        if file != known:
            await self.records.write()
        return file

    async def _renewed(self, wanted: Wanted, known: ArchivedFile) -> ArchivedFile:
        """What is known of a kept file, written anew where we would make it otherwise today."""
        if not isinstance(wanted.source, Derived):
            return known
        if hashlib.sha256(wanted.source.content).hexdigest() == known.sha256:
            return known
        body = made(wanted.source)
        async with self._shelf.room():
            await self._shelf.replace(wanted, body, known.key)
        return _archived(wanted, body, known.key)

    async def _fetch(self, wanted: Wanted) -> ArchivedFile:
        failures: list[TemporaryFailure | PermanentFailure] = []
        async with self._shelf.room():
            for source in self._sources(wanted):
                try:
                    async with source as body:
                        return _archived(wanted, body, await self._put(wanted, body))
                except (TemporaryFailure, PermanentFailure) as failure:
                    failures.append(failure)
        raise _worst(failures, f"{wanted}: ")

    def _sources(self, wanted: Wanted) -> Iterator[AbstractAsyncContextManager[Body]]:
        if isinstance(wanted.source, Derived):
            yield nullcontext(made(wanted.source))
            return
        for url in dict.fromkeys(wanted.source.urls):
            yield download(self._delivery.media, url, wanted.source.role)

    async def _put(self, wanted: Wanted, body: Body) -> str:
        taken = self.records.keys()
        values = values_of(self._delivery.event, wanted.result, wanted.role, body.extension)
        keys = keys_of(self._archive.key, self._archive.prefix, values)
        return await self._shelf.put(wanted, body, (key for key in keys if key.casefold() not in taken))


def _archived(wanted: Wanted, body: Body, key: str) -> ArchivedFile:
    return ArchivedFile(
        result_id=wanted.result.id,
        role=wanted.role,
        key=key,
        size=body.size,
        sha256=body.sha256,
        media_type=body.media_type,
        link="",
    )


def _warn_of_nothing(delivery: Delivery) -> None:
    """An archive that keeps nothing of a finished event is hardly what was meant."""
    event, found = delivery.event, {file.role for result in delivery.results for file in result.files}
    if event.stage == "complete" and found:
        shown = shorten(one_line(", ".join(sorted(found))), 200)
        subject = event.submission_id or delivery.id
        logger.warning("%s is complete and nothing of it is archived: `roles` leaves out %s", subject, shown)


def _worst(failures: Sequence[Outcome], prefix: str = "") -> Outcome:
    reason = prefix + "; ".join(dict.fromkeys(failure.reason for failure in failures))
    temporary = [failure for failure in failures if isinstance(failure, TemporaryFailure)]
    if not temporary:
        return PermanentFailure(reason)
    waits = [failure.retry_after for failure in temporary if failure.retry_after is not None]
    return TemporaryFailure(
        reason, retry_after=max(waits, default=None), stale=any(failure.stale for failure in temporary)
    )


def _missing(failures: Sequence[Failure], left: int) -> str:
    more = [f"{left} more files than the {MOST_FILES} that one delivery may bring"] if left else []
    return shorten("; ".join(more + [one_line(failure.reason) for _, failure in failures]), _MISSING_MOST)
