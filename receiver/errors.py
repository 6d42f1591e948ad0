"""Every error, and every outcome of a handler.

ReceiverError
├── ConfigError                the configuration can't be used; exit code 2
├── StoreError
│   ├── StoreUnavailable       it can't commit now: 503, and the provider calls again
│   ├── StoreBusy              another process holds this SQLite file
│   ├── SchemaTooNew           the database was migrated by a newer version
│   └── SchemaTooOld           the database wants `receiver migrate` first
├── Outcome                    what a handler raises instead of returning
│   ├── TemporaryFailure       try again
│   │   ├── Unreachable        no answer: reset, timed out, cut off
│   │   │   └── NotSent        the connection failed before a byte of the request was sent
│   │   └── LinkDead           the provider's link answers 403, 404, 410 or 441: fresh links are fetched first
│   ├── PermanentFailure       dead letter now
│   │   ├── AddressRefused     the outbound guard's no, with its rule
│   │   └── TooLarge           above the size limit
│   └── TargetFailure          the target is broken as a whole: the handler pauses
├── Unrecognised               no parser understands this body; it is kept and shown
└── Rejection                  an HTTP answer of ours: status, sentence, remedy
"""

from datetime import timedelta


class ReceiverError(Exception):
    pass


class ConfigError(ReceiverError):
    """`mistakes` are whole sentences, each with its place and its remedy."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class StoreError(ReceiverError):
    pass


class StoreUnavailable(StoreError):
    pass


class StoreBusy(StoreError):
    pass


class SchemaTooNew(StoreError):
    pass


class SchemaTooOld(StoreError):
    pass


class Outcome(ReceiverError):
    """`reason` is one sentence without secrets; it is shown to the operator."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TemporaryFailure(Outcome):
    """`retry_after` is how long the target asks us to wait; `stale` asks for fresh links before the next try."""

    def __init__(self, reason: str, *, retry_after: timedelta | None = None, stale: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.stale = stale


class Unreachable(TemporaryFailure):
    pass


class NotSent(Unreachable):
    pass


class LinkDead(TemporaryFailure):
    def __init__(self, reason: str) -> None:
        super().__init__(reason, stale=True)


class PermanentFailure(Outcome):
    pass


class AddressRefused(PermanentFailure):
    pass


class TooLarge(PermanentFailure):
    pass


class TargetFailure(Outcome):
    pass


class Unrecognised(ReceiverError):
    pass


class Rejection(ReceiverError):
    """An answer of ours that is an error: `application/problem+json` with `detail` as the remedy."""

    def __init__(self, status: int, title: str, detail: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers or {}
