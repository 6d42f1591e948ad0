from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from receiver.api.parts import CallbackUrlWish, Registration
from receiver.app.urls import NOWHERE, UrlMaker, Urls
from receiver.errors import Rejection
from receiver.tokens import Signer
from tests.support.kit import Kit, kit


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Kit]:
    async with kit(tmp_path) as made:
        yield made


def status_mode(house: Kit) -> UrlMaker:
    urls = Urls(signer=Signer(["s"]), public_url=None, local_url="http://127.0.0.1:8000")
    return UrlMaker(urls=urls, store=house.store, intake=house.intake, providers=house.intake.providers, clients=())


async def test_without_public_url_no_callback_url_is_handed_out(house: Kit) -> None:
    with pytest.raises(Rejection, match="Set public_url") as caught:
        await status_mode(house).make(CallbackUrlWish(provider="suno", operation="generate"))
    assert caught.value.status == 422


async def test_a_rehearsal_needs_no_public_url(house: Kit) -> None:
    made = await status_mode(house).make(CallbackUrlWish(provider="suno", operation="generate", simulated=True))
    assert made.url.startswith(f"{NOWHERE}/callbacks/")


TASK = Registration(provider="suno", operation="generate", task_id="task-9", client="app", labels={"a": "b"})


def maker(house: Kit) -> UrlMaker:
    return replace(status_mode(house), clients=("app",))


async def test_a_task_that_was_made_elsewhere_is_asked_about_at_once(house: Kit) -> None:
    submission, new = await maker(house).register(TASK)
    assert new
    assert (submission.task_id, submission.client, submission.labels) == ("task-9", "app", {"a": "b"})
    assert await house.store.due_asks(10, timedelta(minutes=1)) == [submission]


async def test_a_task_is_registered_once_for_a_client(house: Kit) -> None:
    first, _ = await maker(house).register(TASK)
    assert await maker(house).register(TASK) == (first, False)
    other, new = await maker(house).register(replace(TASK, client=None, by_admin=True))
    assert (new, other.id != first.id) == (True, True)


@pytest.mark.parametrize("wrong", [{"provider": "nobody"}, {"operation": "nothing"}, {"client": "stranger"}])
async def test_an_unknown_name_is_refused(house: Kit, wrong: dict[str, str]) -> None:
    with pytest.raises(Rejection, match="There is no"):
        await maker(house).register(replace(TASK, **wrong))  # type: ignore[arg-type]  # each is a text


async def test_a_client_does_not_register_what_is_known_as_anothers(house: Kit) -> None:
    await maker(house).register(TASK)
    other = replace(maker(house), clients=("app", "other"))
    with pytest.raises(Rejection, match="no such task of yours"):
        await other.register(replace(TASK, client="other"))
