import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from receiver.cli.following import Following
from receiver.cli.source import Source
from receiver.outbound import Answer

PENDING = {
    "id": "dlv_1",
    "handler": "team",
    "state": "pending",
    "waiting_for": None,
    "attempts": 0,
    "due_at": None,
    "error": None,
    "receipt": None,
}


def view(stage: str) -> dict[str, Any]:
    return {"id": "sub_1", "operation": "generate", "stage": stage, "results": [], "error": None, "deliveries": []}


async def silence() -> AsyncGenerator[object]:
    await asyncio.Event().wait()
    yield None


class Receiver:
    """A submission at this stage whose delivery never begins; `seen` are the questions."""

    def __init__(self, stage: str) -> None:
        self.answers: dict[str, Any] = {"/v1/submissions/sub_1": view(stage), "/v1/deliveries": {"data": [PENDING]}}
        self.seen: list[str] = []

    async def send(self, method: str, target: str, body: bytes | None) -> Answer:
        self.seen.append(target.partition("?")[0])
        return Answer(status=200, headers={}, body=json.dumps(self.answers[self.seen[-1]]).encode())


async def test_a_refused_song_is_told_at_once_whoever_is_still_to_hear_of_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    receiver = Receiver("rejected")
    last, well = await Following(Source(receiver.send, live=True), "sub_1", 60, silence).to_its_end()
    assert (last["stage"], well) == ("rejected", False)
    assert receiver.seen == ["/v1/submissions/sub_1", "/v1/deliveries"]
    assert capsys.readouterr().out == "sub_1  rejected\n"


@pytest.mark.parametrize(("stage", "well"), [("complete", True), ("failed", False), ("lost", False)])
async def test_the_song_decides_where_the_time_is_over(stage: str, well: bool) -> None:
    following = Following(Source(Receiver(stage).send, live=True), "sub_1", 0.05, silence, quiet=True)
    assert await following.to_its_end() == (view(stage), well)


async def test_lasting_links_are_told_when_the_files_are_archived(capsys: pytest.CaptureFixture[str]) -> None:
    receiver = Receiver("complete")
    files = [{"role": "audio", "url": "https://provider.example/a.mp3"}]
    receiver.answers["/v1/submissions/sub_1"]["results"] = [{"id": "r1", "title": "Night Ferry", "files": files}]
    archived = {"result_id": "r1", "role": "audio", "link": "https://ours.example/files/1"}
    done = PENDING | {"state": "delivered", "receipt": {"files": [archived]}}

    async def send(method: str, target: str, body: bytes | None) -> Answer:
        answer = await receiver.send(method, target, body)
        if receiver.seen[-1] == "/v1/deliveries":
            receiver.answers["/v1/deliveries"] = {"data": [done]}
        return answer

    _, well = await Following(Source(send, live=True), "sub_1", 60, silence).to_its_end()
    assert well
    first, last = capsys.readouterr().out.split("archived")
    assert "https://provider.example/a.mp3" in first
    assert last.split() == ["Night", "Ferry", "audio", "https://ours.example/files/1"]
