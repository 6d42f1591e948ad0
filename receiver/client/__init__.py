"""The Python client of a running receiver: submit, wait, list, and events as they happen.

`Receiver` is for programs without an event loop, `AsyncReceiver` for those with one; they are the same otherwise.
"""

from receiver.client.blocking import Receiver
from receiver.client.calls import AsyncReceiver
from receiver.client.problems import ClientError, Conflict, NoAnswer, NotAllowed, NotFinal, NotFound, Refused

__all__ = [
    "AsyncReceiver",
    "ClientError",
    "Conflict",
    "NoAnswer",
    "NotAllowed",
    "NotFinal",
    "NotFound",
    "Receiver",
    "Refused",
]
