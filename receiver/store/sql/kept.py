"""Callbacks as they are kept: the raw bodies, for whoever reads them once more."""

import json

from receiver.events import Via
from receiver.store.records import Callback, KeptCallback
from receiver.store.sql.rows import moment
from receiver.store.sql.turn import Row

# A remark of this form was left by `stages.unrecognised`, `error` where the parser failed.
UNREAD = "(c.via <> 'status' AND (c.remark LIKE 'unrecognised%' OR c.remark = 'error'))"
# An id begins with its time, so their order is that of coming.
KEPT = f"""
SELECT c.* FROM callbacks AS c
WHERE c.pruned_at IS NULL AND c.id > ? AND c.last_at >= ? AND (NOT ? OR {UNREAD})
ORDER BY c.id LIMIT ?
"""  # noqa: S608 - constants


def read_kept(row: Row) -> KeptCallback:
    callback = Callback(
        id=row["id"],
        via=Via(row["via"]),
        headers=json.loads(row["headers"]),
        body=row["body"],
        received_at=moment(row["received_at"]),
    )
    return KeptCallback(callback=callback, submission_id=row["submission_id"], count=row["count"], remark=row["remark"])
