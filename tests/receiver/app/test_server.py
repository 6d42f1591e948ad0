import asyncio
from pathlib import Path

import pytest

from receiver.app.loops import Loops
from receiver.app.server import serve_until_signal
from receiver.app.service import Service
from receiver.errors import StoreUnavailable
from tests.receiver.app.test_loops import Broken, Quiet
from tests.support.kit import kit


async def test_a_worker_ends_where_one_of_its_loops_broke_off(tmp_path: Path) -> None:
    async with kit(tmp_path) as house:
        quiet = Quiet()
        loops = Loops([quiet])
        loops.add([Broken()])
        async with asyncio.timeout(10):
            with pytest.raises(RuntimeError, match="no such table"):
                await serve_until_signal(Service(app=None, store=house.store, loops=loops), None)
        assert loops.dead() == ["Quiet", "Broken"]
        with pytest.raises(StoreUnavailable):
            await house.store.ping()
