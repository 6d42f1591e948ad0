import pytest

from receiver.api.parts import Registration
from tests.support.api import APP, make_api

WISH = {"provider": "suno", "operation": "generate", "task_id": "task-9"}


async def test_the_admin_registers_for_anybody() -> None:
    api = make_api()
    answered = await api.post("/v1/submissions", {**WISH, "client": "app", "labels": {"project": "x"}})
    assert (answered.status, answered.json()["task_id"]) == (201, "task-9")
    wish = Registration(
        provider="suno", operation="generate", task_id="task-9", client="app", labels={"project": "x"}, by_admin=True
    )
    assert api.registered == [wish]


async def test_a_client_registers_its_own() -> None:
    api = make_api()
    assert (await api.post("/v1/submissions", WISH, APP)).status == 201
    assert api.registered[0].client == "app"
    assert (await api.post("/v1/submissions", {**WISH, "client": "other"}, APP)).status == 403
    assert len(api.registered) == 1


async def test_what_is_known_already_is_answered_as_it_is() -> None:
    assert (await make_api().post("/v1/submissions", {**WISH, "task_id": "known"})).status == 200


async def test_nobody_else_registers() -> None:
    assert (await make_api().post("/v1/submissions", WISH, ())).status == 401


@pytest.mark.parametrize("missing", ["provider", "operation", "task_id"])
async def test_what_is_missing_is_named(missing: str) -> None:
    body = {name: value for name, value in WISH.items() if name != missing}
    answered = await make_api().post("/v1/submissions", body)
    assert answered.status == 422
    assert missing in answered.json()["detail"]
