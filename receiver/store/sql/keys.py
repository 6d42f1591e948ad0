"""Idempotency keys: taken with the submission that they are for, and kept with its first answer."""

import json
from dataclasses import dataclass

from receiver.events import Submission
from receiver.stages import Change
from receiver.store.records import KEY_LIFE, KeptKey, KeptReply, Key
from receiver.store.sql.locks import hold_names
from receiver.store.sql.rows import clean, length, to_json
from receiver.store.sql.submissions import Wanted, change
from receiver.store.sql.turn import Row, Turn

# What was rejected has spent nothing: its key is free, also where nobody lived to say so.
_FIND = """
SELECT * FROM keys WHERE client = ? AND provider = ? AND key = ? AND created_at > ? AND NOT (
    status IS NULL AND EXISTS (SELECT 1 FROM submissions AS s WHERE s.id = submission_id AND s.stage = 'rejected'))
"""
_CLEAR = """
DELETE FROM keys WHERE (client, provider, key) IN (
    SELECT client, provider, key FROM keys WHERE created_at <= ? LIMIT 20 /*! FOR UPDATE SKIP LOCKED */)
"""
_TAKE = """
INSERT INTO keys (client, provider, key, digest, submission_id, created_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (client, provider, key) DO UPDATE SET
    digest = excluded.digest, submission_id = excluded.submission_id, created_at = excluded.created_at,
    status = NULL, headers = NULL, body = NULL
"""
_KEEP = "UPDATE keys SET status = ?, headers = ?, body = ? WHERE submission_id = ?"
_FREE = "DELETE FROM keys WHERE submission_id = ?"


@dataclass(frozen=True, slots=True)
class Taking:
    key: Key
    submission: Submission


@dataclass(frozen=True, slots=True)
class Answer:
    """`reply` None frees the key."""

    submission_id: str
    reply: KeptReply | None


async def take(turn: Turn, wanted: Taking) -> KeptKey | None:
    """The earlier use of the key; None where it is taken now, and the submission is stored with it."""
    key, submission = wanted.key, wanted.submission
    named = (clean(key.client), clean(key.provider), clean(key.key))
    since = turn.now - length(KEY_LIFE)
    await hold_names(turn, "key", ["\n".join(named)])
    await turn.rows(_CLEAR, (since,))
    rows = await turn.rows(_FIND, (*named, since))
    if rows:
        return _read(rows[0])
    await change(turn, [Wanted(submission, lambda current, _: Change(submission=current), None)])
    await turn.rows(_TAKE, (*named, key.digest, submission.id, turn.now))
    return None


async def keep(turn: Turn, answer: Answer) -> None:
    if answer.reply is None:
        await turn.rows(_FREE, (clean(answer.submission_id),))
        return
    reply = answer.reply
    values = (reply.status, to_json(dict(reply.headers)), reply.body, clean(answer.submission_id))
    await turn.rows(_KEEP, values)


def _read(row: Row) -> KeptKey:
    answered = row["status"] is not None
    reply = KeptReply(status=row["status"], headers=json.loads(row["headers"]), body=row["body"]) if answered else None
    return KeptKey(submission_id=row["submission_id"], digest=row["digest"], reply=reply)
