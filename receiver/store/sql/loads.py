"""What a worker gets of the deliveries that it leased: read beside the writer, as bodies may be large."""

import json
import logging
from typing import Any

from pydantic import TypeAdapter

from receiver.errors import StoreUnavailable
from receiver.events import Submission, Via
from receiver.handler import RECEIPT, ArchivedFile, RawCallback, Receipt
from receiver.store.records import Claim
from receiver.store.sql.rows import load, read_event, read_submission
from receiver.store.sql.turn import Row

_FILES = TypeAdapter(tuple[ArchivedFile, ...])

_log = logging.getLogger(__name__)

# CROSS, as SQLite would else look through all that was ever delivered.
LEASED = """
SELECT d.*, e.doc AS event, e.callback_id, c.body, c.headers, c.via, s.doc AS submission, s.ask_at,
    coalesce((SELECT h.probes FROM handlers AS h WHERE h.name = d.handler), 0) AS probes,
    (SELECT json_group_array(json_array(n.copy, n.handler, n.receipt))
     FROM json_each(d.needs) AS need
     CROSS JOIN deliveries AS n ON n.event_id = d.event_id AND n.handler = need.value
     WHERE n.state = 'delivered' AND n.receipt IS NOT NULL) AS receipts,
    (SELECT json_group_array(json_object(
        'result_id', f.result_id, 'role', f.role, 'key', f.key, 'size', f.size, 'sha256', f.sha256,
        'media_type', f.media_type, 'link', f.link))
     FROM files AS f WHERE f.submission_id = d.submission_id) AS files
FROM json_each(?) AS given
JOIN deliveries AS d ON d.id = given.value AND d.owner = ?
JOIN events AS e ON e.id = d.event_id
LEFT JOIN callbacks AS c ON c.id = e.callback_id
LEFT JOIN submissions AS s ON s.id = d.submission_id
ORDER BY given.key
"""


def read_claim(row: Row) -> Claim:
    """Raises StoreUnavailable where its event can't be read; what else can't be is left out."""
    return Claim(
        id=row["id"],
        event=read_event(row),
        submission=_submission(row),
        handler=row["handler"],
        attempt=row["attempts"],
        failures=row["failures"],
        owner=row["owner"],
        probe=bool(row["probe"]),
        probes=row["probes"],
        progress=json.loads(row["progress"]) if row["progress"] else {},
        receipts=_receipts(row),
        files=_FILES.validate_json(row["files"]),
        callback=_callback(row),
    )


def _callback(row: Row) -> RawCallback | None:
    if row["body"] is None or row["via"] != Via.CALLBACK:
        return None
    return RawCallback(headers=json.loads(row["headers"]), body=row["body"])


def _submission(row: Row) -> Submission | None:
    if row["submission"] is None:
        return None
    try:
        return read_submission(row)
    except StoreUnavailable as error:
        _log.warning("%s goes on without its submission: %s", row["id"], error)
        return None


def _receipts(row: Row) -> dict[str, Receipt]:
    """By handler; of several copies the last one counts."""
    given: list[list[Any]] = sorted(json.loads(row["receipts"]))
    found = {}
    for _, handler, receipt in given:
        try:
            found[handler] = load(RECEIPT, receipt, row["id"])
        except StoreUnavailable as error:
            _log.warning("%s goes on without the receipt of %s: %s", row["id"], handler, error)
    return found
