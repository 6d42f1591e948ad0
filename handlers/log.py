"""Handler type `log`: one line per event in the receiver's own log. The smallest handler there is."""

import logging
from typing import Literal

from handlers.text import one_line
from receiver.handler import Delivery, Handler

_log = logging.getLogger(__name__)
_LEVELS = logging.getLevelNamesMapping()


class Log(Handler):
    type: Literal["log"]
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The level of the lines."""

    async def handle(self, delivery: Delivery) -> None:
        event = delivery.event
        titles = ", ".join(result.title or result.id for result in delivery.results)
        subject = event.about or titles or delivery.title
        why = event.error.message if event.error else None
        said = one_line(": ".join(filter(None, (subject, why))))
        _log.log(_LEVELS[self.level.upper()], "%s %s %s", event.type, event.submission_id or "-", said or "-")
