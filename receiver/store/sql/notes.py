"""Small values: settings made once, leases kept alive, what handlers remember."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from receiver.store.records import Claim
from receiver.store.sql.rows import clean, to_json
from receiver.store.sql.turn import Turn

_EXTEND = """
UPDATE deliveries SET lease_until = ? WHERE id = ? AND owner = ? AND attempts = ? AND state = 'running'
"""
_PROGRESS = """
UPDATE deliveries SET progress = ? WHERE id = ? AND owner = ? AND attempts = ? AND state = 'running'
"""
_REMEMBER = """
INSERT INTO memory (handler, submission_id, value) VALUES (?, ?, ?)
ON CONFLICT (handler, submission_id) DO UPDATE SET value = excluded.value
"""


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    make: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Beat:
    """Leases to be kept for so many microseconds from now."""

    claims: tuple[Claim, ...]
    lease: int


@dataclass(frozen=True, slots=True)
class Progress:
    claim: Claim
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Memory:
    handler: str
    submission_id: str
    value: Mapping[str, Any]


async def setting(turn: Turn, wanted: Setting) -> str:
    look = "SELECT value FROM meta WHERE name = ?"
    found = await turn.rows(look, (wanted.name,))
    if not found:
        made = clean(wanted.make())
        await turn.rows("INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", (wanted.name, made))
        # Another process may have made it at the same time: what is kept counts.
        found = await turn.rows(look, (wanted.name,))
    return str(found[0]["value"])


async def ping(turn: Turn, _: None) -> None:
    await turn.rows(
        "INSERT INTO meta (name, value) VALUES ('ping', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (str(turn.now),),
    )


async def heartbeat(turn: Turn, beat: Beat) -> None:
    until = turn.now + beat.lease
    await turn.many(_EXTEND, [(until, claim.id, claim.owner, claim.attempt) for claim in beat.claims])


async def save_progress(turn: Turn, items: list[Progress]) -> list[None]:
    await turn.many(
        _PROGRESS,
        [(to_json(dict(item.value)), item.claim.id, item.claim.owner, item.claim.attempt) for item in items],
    )
    return [None] * len(items)


async def remember(turn: Turn, items: list[Memory]) -> list[None]:
    await turn.many(
        _REMEMBER, [(clean(item.handler), clean(item.submission_id), to_json(dict(item.value))) for item in items]
    )
    return [None] * len(items)
