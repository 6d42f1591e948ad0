import asyncio
from dataclasses import replace

import pytest

from receiver.api import routes
from receiver.api.health import worst
from receiver.api.parts import Check, Finding, Health
from tests.support.api import APP, Api, make_api
from tests.support.web import Ask, application, ask


@pytest.fixture
def api() -> Api:
    return make_api()


def check(health: Health, *, vital: bool = False) -> Check:
    async def look() -> Finding:
        return Finding("disk", health, "Free some space.")

    return Check("disk", look, vital)


def broken(*, vital: bool = False) -> Check:
    async def look() -> Finding:
        raise RuntimeError("hunter2")

    return Check("broken", look, vital)


def hanging(*, vital: bool = False) -> Check:
    async def look() -> Finding:
        found: asyncio.Future[Finding] = asyncio.get_running_loop().create_future()
        return await found

    return Check("hanging", look, vital)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize(
    ("checks", "status", "word"),
    [
        ([], 200, "ok"),
        ([check(Health.OK), check(Health.WARN)], 200, "warn"),
        ([check(Health.FAIL, vital=True), check(Health.WARN)], 503, "fail"),
        ([check(Health.OK), broken(vital=True)], 503, "fail"),
        ([hanging(vital=True)], 503, "fail"),
        ([check(Health.OK, vital=True), check(Health.FAIL)], 200, "warn"),
        ([check(Health.OK, vital=True), broken()], 200, "warn"),
        ([check(Health.OK, vital=True), hanging()], 200, "warn"),
    ],
    ids=["none", "warn", "fail", "broken", "hanging", "other fails", "other broken", "other hangs"],
)
async def test_anyone_learns_the_health_but_no_details(
    api: Api, path: str, checks: list[Check], status: int, word: str
) -> None:
    api.parts = replace(api.parts, alive=checks, ready=checks, check_time=0.01)

    for headers in ([], APP, [("authorization", "Bearer wrong")]):
        answered = await api.get(path, headers=headers)

        assert (answered.status, answered.json()) == (status, {"status": word})


async def test_admin_learns_what_is_wrong(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    api.parts = replace(api.parts, alive=[check(Health.WARN), broken(vital=True)], ready=[check(Health.OK)])

    alive, ready = await api.get("/healthz"), await api.get("/readyz")

    assert alive.json()["checks"] == [
        {"name": "disk", "status": "warn", "detail": "Free some space."},
        {"name": "broken", "status": "fail", "detail": "The check itself failed with RuntimeError."},
    ]
    assert (ready.status, ready.json()["checks"][0]["status"]) == (200, "ok")
    assert "hunter2" not in caplog.text


def test_worst_finding_counts() -> None:
    found = [Finding("a", Health.WARN), Finding("b", Health.FAIL), Finding("c")]

    assert (worst([]), worst(found)) == (Health.OK, Health.FAIL)


async def test_many_questions_are_one_look(api: Api) -> None:
    looks = 0

    async def count() -> Finding:
        nonlocal looks
        looks += 1
        return Finding("count")

    api.parts = replace(api.parts, alive=[Check("count", count)])
    app = application(routes(api.parts))
    answers = await asyncio.gather(*(ask(app, Ask("/healthz")) for _ in range(20)))
    assert ({answer.status for answer in answers}, looks) == ({200}, 1)


async def test_readiness_does_not_wait_for_a_slow_check_of_health(api: Api) -> None:
    api.parts = replace(api.parts, alive=[hanging()], ready=[check(Health.OK)])
    app = application(routes(api.parts))
    alive = asyncio.create_task(ask(app, Ask("/healthz")))
    try:
        async with asyncio.timeout(2):
            answered = await ask(app, Ask("/readyz"))
        assert (answered.status, alive.done()) == (200, False)
    finally:
        alive.cancel()
