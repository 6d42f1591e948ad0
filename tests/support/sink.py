"""A handler type of a third party, for tests that kill the process: it writes down what it was given."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Literal

from receiver.handler import Delivery, Handler
from receiver.units import Duration


class Sink(Handler):
    type: Literal["tests.support.sink:Sink"]
    file: Path
    """Where a line for each delivery is appended, on disk when the handler returns."""
    takes: Duration = timedelta()
    """How long a delivery takes."""

    async def handle(self, delivery: Delivery) -> None:
        await asyncio.sleep(self.takes.total_seconds())
        line = f"{delivery.event.type} {delivery.event.task_id} {delivery.id}\n"
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
