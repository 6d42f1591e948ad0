"""What a worker gets of the deliveries that it leased: read beside the writer, as bodies may be large."""

import json
import logging
from collections.abc import Iterable

from receiver.errors import StoreUnavailable
from receiver.events import Submission, Via
from receiver.handler import RECEIPT, ArchivedFile, RawCallback, Receipt
from receiver.store.records import Claim
from receiver.store.sql.rows import load, read_event, read_submission
from receiver.store.sql.turn import Row

_FILE = ("result_id", "role", "key", "size", "sha256", "media_type", "link")

_log = logging.getLogger(__name__)

LEASED = """
SELECT d.*, e.doc AS event, e.callback_id, c.body, c.headers, c.via, s.doc AS submission, s.ask_at,
    coalesce((SELECT h.probes FROM handlers AS h WHERE h.name = d.handler), 0) AS probes
FROM json_each(?) AS given
JOIN deliveries AS d ON d.id = given.value AND d.owner = ?
JOIN events AS e ON e.id = d.event_id
LEFT JOIN callbacks AS c ON c.id = e.callback_id AND c.pruned_at IS NULL
LEFT JOIN submissions AS s ON s.id = d.submission_id
ORDER BY CAST(given.key AS BIGINT)
"""
# CROSS, as SQLite would else look through all that was ever delivered. Of several copies the last one counts.
RECEIPTS = """
SELECT d.id, n.handler, n.receipt
FROM json_each(?) AS given CROSS JOIN deliveries AS d CROSS JOIN json_each(d.needs) AS need CROSS JOIN deliveries AS n
WHERE d.id = given.value AND n.event_id = d.event_id AND n.handler = need.value
  AND n.state = 'delivered' AND n.receipt IS NOT NULL
ORDER BY n.copy
"""
FILES = """
SELECT d.id, f.result_id, f.role, f.key, f.size, f.sha256, f.media_type, f.link
FROM json_each(?) AS given CROSS JOIN deliveries AS d CROSS JOIN files AS f
WHERE d.id = given.value AND f.submission_id = d.submission_id
"""


class Claimed:
    """What stands around the leased deliveries: the receipts that they need, and the files of their submissions."""

    def __init__(self, receipts: Iterable[Row], files: Iterable[Row]) -> None:
        self._receipts = _by_delivery(receipts)
        self._files = _by_delivery(files)

    def read(self, row: Row) -> Claim:
        """Raises StoreUnavailable where its event can't be read; what else can't be is left out."""
        ident = row["id"]
        return Claim(
            id=ident,
            event=read_event(row),
            submission=_submission(row),
            handler=row["handler"],
            attempt=row["attempts"],
            failures=row["failures"],
            owner=row["owner"],
            probe=bool(row["probe"]),
            probes=row["probes"],
            progress=json.loads(row["progress"]) if row["progress"] else {},
            receipts=_read_receipts(ident, self._receipts.get(ident, ())),
            files=tuple(read_file(file) for file in self._files.get(ident, ())),
            callback=_callback(row),
        )


def _by_delivery(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["id"], []).append(row)
    return found


def read_file(row: Row) -> ArchivedFile:
    return ArchivedFile(**{name: row[name] for name in _FILE})


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


def _read_receipts(ident: str, rows: Iterable[Row]) -> dict[str, Receipt]:
    found = {}
    for row in rows:
        try:
            found[row["handler"]] = load(RECEIPT, row["receipt"], ident)
        except StoreUnavailable as error:
            _log.warning("%s goes on without the receipt of %s: %s", ident, row["handler"], error)
    return found
