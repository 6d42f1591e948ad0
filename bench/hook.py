"""A handler type for the benches, named in their configuration as `bench.hook:Hook`: one small POST to loopback."""

from typing import Literal

from receiver.handler import Delivery, Handler, TemporaryFailure


class Hook(Handler):
    type: Literal["bench.hook:Hook"]
    url: str
    """Where the event's id is sent."""

    async def handle(self, delivery: Delivery) -> None:
        event = delivery.event
        answer = await delivery.http.request("POST", self.url, json={"id": delivery.id, "type": event.type})
        if answer.status != 200:
            raise TemporaryFailure(f"the target answered {answer.status}")
