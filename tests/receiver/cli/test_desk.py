import json
from collections.abc import Sequence
from typing import Any

import pytest

from receiver.cli.desk import watch
from receiver.cli.source import Source
from receiver.outbound import Answer


def view(stage: str, *states: str) -> dict[str, Any]:
    return {"stage": stage, "deliveries": [{"state": state} for state in states]}


class Receiver:
    """Answers with these views in turn, the last one for ever."""

    def __init__(self, views: Sequence[dict[str, Any]]) -> None:
        self.views = views
        self.asked = 0

    async def send(self, method: str, target: str, body: bytes | None) -> Answer:
        self.asked += 1
        content = self.views[min(self.asked, len(self.views)) - 1]
        return Answer(status=200, headers={}, body=json.dumps(content).encode())


DONE = view("complete", "delivered", "dead")


@pytest.mark.parametrize(
    ("views", "final", "looks"),
    [
        ([DONE], True, 3),
        ([view("text", "delivered"), DONE], True, 4),
        ([view("complete"), view("complete", "running"), DONE], True, 5),
        ([view("text", "delivered")], False, 3),
    ],
    ids=["done", "not final", "routed late", "a rehearsal"],
)
async def test_it_looks_until_nothing_more_is_expected(views: list[dict[str, Any]], final: bool, looks: int) -> None:
    receiver = Receiver(views)
    told: list[Any] = []
    last = await watch(Source(receiver.send, live=True), "sub_1", told.append, 0, final=final)
    assert last == views[-1]
    assert (receiver.asked, len(told)) == (looks, looks)
