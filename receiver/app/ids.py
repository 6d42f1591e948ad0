"""Names of what is new: records, and this very process."""

import os
import socket
from secrets import token_hex

from receiver.events import new_id, utc_now
from receiver.store.records import Process


def fresh_id(prefix: str) -> str:
    return new_id(prefix, utc_now(), os.urandom(10))


def this_process(*, web: bool, work: bool) -> Process:
    """A new name each time: in a container every process has the same number, after a restart too."""
    host = socket.gethostname()
    return Process(id=f"{host}-{os.getpid()}-{token_hex(4)}", host=host, does_web=web, does_work=work)
