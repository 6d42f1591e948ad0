"""`reparse` and `drift`: the callbacks that are kept, read once more by the parsers of now."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from receiver.app import fresh_id, open_database
from receiver.cli.context import ConfigOption, JsonOption, err, out, run, settings_from, usage
from receiver.cli.interrupts import finished
from receiver.cli.lists import print_json
from receiver.cli.options import taking
from receiver.cli.tables import Column, show
from receiver.cli.times import since as local_since
from receiver.errors import Rejection
from receiver.events import Via, utc_now
from receiver.intake import Intake
from receiver.providers.base import Provider
from receiver.settings import Settings
from receiver.shapes import timestamp
from receiver.store.base import Store
from receiver.store.records import KeptCallback
from receiver.tokens import redact_tokens
from receiver.units import format_duration
from receiver.web.params import read_since

_PAGE = 200
_LONGEST_WORD = 40
_COLUMNS = ("unknown", "provider", "operation", "count", "first_at", "last_at")

SinceOption = Annotated[str | None, typer.Option(help="A time, or how long ago (2h, 7d); else all that is kept.")]


@dataclass(frozen=True, kw_only=True)
class ReparseOptions:
    since: SinceOption = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which would be understood.")] = False
    json: JsonOption = False
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class DriftOptions:
    since: SinceOption = None
    sample: Annotated[str | None, typer.Option(metavar="WORD", help="A redacted body that has it, as JSON.")] = None
    json: JsonOption = False
    config: ConfigOption = None


@dataclass(slots=True)
class _Stranger:
    """A field or word that no adapter knows: how often it came, when first and last, and where to look."""

    count: int
    first_at: datetime
    last_at: datetime
    callback_id: str
    body: bytes


@taking(ReparseOptions)
def reparse(wanted: ReparseOptions) -> None:
    """Run unrecognised callbacks through the parsers of now.

    What they understand takes effect as if it came now: the song moves on, handlers are told.
    """
    settings = settings_from(wanted.config)
    understood, looked = run(_reparse(settings, _moment(wanted.since), dry_run=wanted.dry_run))
    if wanted.json:
        print_json({"looked": looked, "understood": understood, "dry_run": wanted.dry_run})
        return
    said = "would be understood; nothing was changed" if wanted.dry_run else "are understood now"
    out.print(f"{understood} of {looked} callbacks {said}.", soft_wrap=True)


@taking(DriftOptions)
def drift(wanted: DriftOptions) -> None:
    """Say which fields and words of the providers no adapter knows."""
    settings, since = settings_from(wanted.config), _moment(wanted.since)
    found = run(_drift(settings, since))
    if wanted.sample is not None:
        _print_sample(found, wanted.sample)
        return
    rows = [_row(name, stranger) for name, stranger in sorted(found.items(), key=lambda item: -item[1].count)]
    if wanted.json:
        print_json({"data": rows})
        return
    kept = settings.retention.callbacks
    if since is None or utc_now() - since > kept:
        err.print(f"Bodies are kept for {format_duration(kept)} (retention.callbacks): of older ones nothing is known.")
    if not rows:
        out.print("Nothing unknown: the adapters know every field and word that came.", soft_wrap=True)
        return
    show(out, rows, [Column(name, partial(_cell, name=name)) for name in _COLUMNS])
    err.print("`receiver drift --sample UNKNOWN` shows a body that has it, redacted.", soft_wrap=True)


def _moment(text: str | None) -> datetime | None:
    try:
        return read_since(local_since(text), utc_now())
    except Rejection as error:
        raise usage(error.detail) from None


async def _reparse(settings: Settings, since: datetime | None, *, dry_run: bool) -> tuple[int, int]:
    store = await open_database(settings)
    try:
        intake = Intake(
            store=store,
            providers=settings.providers,
            new_id=fresh_id,
            callback_limit=settings.limits.callback_body,
        )
        understood = looked = 0
        async for kept in _kept(store, since, unread=True):
            looked += 1
            understood += await intake.reread(kept, dry_run=dry_run)
        return understood, looked
    finally:
        await finished(store.close())


async def _drift(settings: Settings, since: datetime | None) -> dict[tuple[str, str, str], _Stranger]:
    """By provider, operation and what is unknown."""
    store = await open_database(settings)
    found: dict[tuple[str, str, str], _Stranger] = {}
    try:
        async for kept in _kept(store, since, unread=False):
            submission = await store.submission(kept.submission_id)
            provider = settings.providers.get(submission.provider) if submission else None
            if submission is not None and provider is not None:
                for word in _unknown(provider, submission.operation, kept):
                    _count(found, (submission.provider, submission.operation, word), kept)
        return found
    finally:
        await finished(store.close())


async def _kept(store: Store, since: datetime | None, *, unread: bool) -> AsyncIterator[KeptCallback]:
    columns = (SpinnerColumn(), TextColumn("{task.completed} read"))
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task, after = progress.add_task("", total=None), None
        while page := await store.kept_callbacks(after, _PAGE, since=since, unread=unread):
            for kept in page:
                yield kept
                progress.advance(task)
            after = page[-1].callback.id


def _unknown(provider: Provider, operation: str, kept: KeptCallback) -> tuple[str, ...]:
    status = kept.callback.via is Via.STATUS
    return provider.unknown(provider.operation(operation), kept.callback.body, status=status)


def _count(found: dict[tuple[str, str, str], _Stranger], name: tuple[str, str, str], kept: KeptCallback) -> None:
    at, callback = kept.callback.received_at, kept.callback
    known = found.setdefault(name, _Stranger(0, at, at, callback.id, callback.body))
    known.count += kept.count
    known.last_at = max(known.last_at, at)


def _cell(row: Mapping[str, Any], name: str) -> str:
    return str(row[name])


def _row(name: tuple[str, str, str], stranger: _Stranger) -> dict[str, Any]:
    provider, operation, word = name
    return {
        "unknown": word,
        "provider": provider,
        "operation": operation,
        "count": stranger.count,
        "first_at": timestamp(stranger.first_at),
        "last_at": timestamp(stranger.last_at),
        "callback_id": stranger.callback_id,
    }


def _print_sample(found: Mapping[tuple[str, str, str], _Stranger], word: str) -> None:
    stranger = next((one for (_, _, name), one in found.items() if name == word), None)
    if stranger is None:
        err.print(f"Nothing that is kept has {word!r}. `receiver drift` lists what there is.", markup=False)
        raise typer.Exit(1)
    try:
        content = json.loads(redact_tokens(stranger.body.decode("utf-8", "replace")))
    except ValueError:
        content = "[no JSON]"
    out.print_json(json.dumps({"sampled_at": timestamp(utc_now()), "body": redacted(content)}))


def redacted(value: Any) -> Any:
    """The shape of a value: keys, short words and lengths, and nothing that somebody wrote."""
    if isinstance(value, dict):
        return {key: redacted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [redacted(inner) for inner in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, str):
        is_word = value.replace("_", "").isalpha() and value.isascii() and len(value) <= _LONGEST_WORD
        return value if is_word and (value.islower() or value.isupper()) else f"[text of {len(value)}]"
    return 0
