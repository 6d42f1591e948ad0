"""A handler type whose target never takes anything."""

from typing import Literal

from receiver.errors import PermanentFailure, TargetFailure, TemporaryFailure
from receiver.handler import Delivery, Handler


class Broken(Handler):
    type: Literal["tests.support.broken:Broken"]
    how: Literal["for now", "for good", "as a whole"]

    async def handle(self, delivery: Delivery) -> None:
        raised = {"for now": TemporaryFailure, "for good": PermanentFailure, "as a whole": TargetFailure}[self.how]
        raise raised(f"the target is broken {self.how}")
