"""What can go wrong for a client, each with what to do.

ClientError
├── NoAnswer          no receiver is there, it went away, or it speaks another language
├── Refused           it said no, with a status and a remedy
│   ├── NotAllowed    401, 403: the token
│   ├── NotFound      404: nothing of yours has this id
│   └── Conflict      409: as it is now, that can't be done
└── NotFinal          the time of a wait is over; the submission goes on
"""

import json

from receiver.errors import NotSent, Outcome, ReceiverError
from receiver.events import Submission


class ClientError(ReceiverError):
    """`remedy` says in a sentence what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.remedy = remedy


class NoAnswer(ClientError):
    pass


class Refused(ClientError):
    def __init__(self, status: int, title: str, remedy: str) -> None:
        super().__init__(f"{status} {title}:", remedy)
        self.status = status
        self.title = title


class NotAllowed(Refused):
    pass


class NotFound(Refused):
    pass


class Conflict(Refused):
    pass


class NotFinal(ClientError):
    """`submission` is as it was last."""

    def __init__(self, submission: Submission) -> None:
        super().__init__(f"{submission.id} is {submission.stage}.", "Wait once more: it goes on by itself.")
        self.submission = submission


_KINDS: dict[int, type[Refused]] = {401: NotAllowed, 403: NotAllowed, 404: NotFound, 409: Conflict}


def refusal(status: int, body: bytes) -> Refused:
    """What an answer that is none says: https://www.rfc-editor.org/rfc/rfc9457"""
    title, remedy = "", ""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if isinstance(content, dict):
        title, remedy = str(content.get("title") or ""), str(content.get("detail") or "")
    kind = _KINDS.get(status, Refused)
    return kind(status, title or "Refused", remedy or "These are not the words of a receiver: check its address.")


def no_answer(failure: Outcome, *, submitting: bool = False) -> NoAnswer:
    """What a failed exchange means; a submission may have been made in one that had begun."""
    if submitting and not isinstance(failure, NotSent):
        remedy = "It may have been submitted: look in the list, or repeat it with the same idempotency key."
    else:
        remedy = "See that `receiver serve` runs there, and that the address is right."
    return NoAnswer(f"{failure.reason}.", remedy)
