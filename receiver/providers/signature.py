"""kie's signature of callbacks: it covers the task id and the time, not the body.

https://docs.kie.ai/common-api/webhook-verification
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from receiver.errors import Unrecognised
from receiver.providers.body import load
from receiver.providers.envelope import task_ids

TIMESTAMP, SIGNATURE = "x-webhook-timestamp", "x-webhook-signature"
# The page gives no window; what is older may have been captured.
FRESH = timedelta(seconds=300)

_SECONDS = re.compile(r"[0-9]{1,12}")


def is_signed(keys: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Whether one of the keys signed this callback's task within the last, or the next, 300 seconds."""
    sent, signature = headers.get(TIMESTAMP, "").strip(), headers.get(SIGNATURE, "").strip()
    if not _SECONDS.fullmatch(sent) or abs(now.timestamp() - int(sent)) > FRESH.total_seconds():
        return False
    # Every pair is compared, whichever matches, so that the time tells nothing.
    made = [_sign(key, task_id, sent) for key in keys for task_id in _candidates(body)]
    matches = [hmac.compare_digest(one, signature.encode("utf-8", "replace")) for one in made]
    return any(matches)


def _sign(key: str, task_id: str, sent: str) -> bytes:
    return b64encode(hmac.digest(key.encode(), f"{task_id}.{sent}".encode("utf-8", "replace"), "sha256"))


def _candidates(body: bytes) -> set[str]:
    """The samples sign data.task_id, the page's example has taskId beside data, jobs have data.taskId."""
    try:
        value = load(body)
    except Unrecognised:
        return set()
    return set(task_ids(value)) if isinstance(value, dict) else set()
