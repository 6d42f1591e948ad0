"""What an object store answers, as outcomes in one sentence: never its own words, which repeat keys and signatures."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from obstore.exceptions import BaseError

from receiver.handler import Outcome, PermanentFailure, TargetFailure, TemporaryFailure
from receiver.outbound.answers import describe_status

# Everything that the client raises; a missing object or bucket is an OSError of Python's own.
ERRORS = (BaseError, OSError, ValueError)

_STATUS = re.compile(r"status code: (\d{3})")
# The store's word for what is wrong: one word, so nothing secret.
_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>")
_CONNECTION = re.compile(r"kind: (Timeout|Connect)\b")
_ASKED = re.compile(r"Error performing [A-Z]+ (https?://\S+)")

_BUCKET_IS_WRONG = frozenset({401, 402, 403, 404, 405, 410, 411})
_AGAIN = frozenset({408, 409, 412, 425, 429})
# 400 says many things; these are about the whole bucket, or about this moment. The others are about the one key.
_WRONG_CODES = frozenset(
    {
        "AuthorizationHeaderMalformed",
        "AuthenticationFailed",
        "ExpiredToken",
        "IllegalLocationConstraintException",
        "InvalidAccessKeyId",
        "InvalidBucketName",
        "InvalidRegion",
        "InvalidSecurity",
        "InvalidToken",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    }
)
_AGAIN_CODES = frozenset({"NoSuchUpload", "RequestTimeout", "SlowDown", "OperationAborted", "BadDigest"})
_ADVICE = {
    401: "check access_key and secret_key",
    403: "check access_key, secret_key and what they may do",
    404: "check bucket and endpoint",
}
_OTHER_ADVICE = "check region and endpoint"


@dataclass(frozen=True, slots=True)
class Faults:
    """Reads the errors of one bucket; `shown` is how sentences call it."""

    endpoint: str
    shown: str

    def outcome(self, error: BaseException) -> Outcome:
        text = str(error)
        if isinstance(error, ValueError):
            return PermanentFailure(f"{self.shown} takes no such key")
        status = status_of(error)
        asked = _ASKED.search(text)
        if asked and _place(asked[1]) != _place(self.endpoint) and (status or 0) < 500:
            # The client asked the machine who it is, not the store.
            said = f"no credentials for {self.shown}: write access_key and secret_key, or give this machine a role"
            return TargetFailure(said)
        return self._without_status(text) if status is None else self._answered(status, text)

    def _answered(self, status: int, text: str) -> Outcome:
        found = _CODE.search(text)
        code = found[1] if found else ""
        reason = f"{self.shown} answered {describe_status(status)}" + (f" ({code})" if code else "")
        if code in _AGAIN_CODES or status in _AGAIN or status >= 500:
            return TemporaryFailure(reason)
        if status in _BUCKET_IS_WRONG or code in _WRONG_CODES or 300 <= status < 400:
            advice = _ADVICE.get(status, _OTHER_ADVICE)
            return TargetFailure(f"{reason}: {advice}")
        return PermanentFailure(reason)

    def _without_status(self, text: str) -> Outcome:
        if "redirect" in text.partition("\n")[0].rpartition(" in ")[2]:
            return TargetFailure(f"{self.shown} redirects: {_OTHER_ADVICE}")
        found = _CONNECTION.search(text)
        said = {"Timeout": "took too long to answer", "Connect": "can't be reached"}
        return TemporaryFailure(f"{self.shown} {said[found[1]] if found else 'broke the connection off'}")


def status_of(error: BaseException) -> int | None:
    found = _STATUS.search(str(error))
    return int(found[1]) if found else None


def _place(url: str) -> tuple[str | None, int]:
    parts = urlsplit(url)
    return parts.hostname, parts.port or (80 if parts.scheme == "http" else 443)


def refuses_conditions(error: BaseException) -> bool:
    """Whether the store says that it knows no `If-None-Match`."""
    return status_of(error) == 501 or "<Code>NotImplemented</Code>" in str(error)
