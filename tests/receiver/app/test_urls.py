from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.api.parts import CallbackUrlWish
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
