"""The Python that the documentation shows for users of a receiver runs as it stands."""

import asyncio
import random
import re
import sys
from pathlib import Path

import pytest

from receiver.app import bind
from receiver.cli.loopback import address_of
from receiver.cli.loopback import serving as on_loopback
from receiver.outbound import Http
from receiver.simulator import Script, Simulator
from tests.support.process import CLIENT, ROOT, environment, serving, write_config

BLOCKS = {
    f"{page}-{number}": text
    for page in ("README.md", "docs/waiting.md")
    for number, text in enumerate(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL), 1)
    if "receiver.client" in text
}


def test_there_are_blocks_to_run() -> None:
    assert len(BLOCKS) == 3


@pytest.mark.parametrize("name", BLOCKS)
async def test_a_block_runs_against_a_receiver_and_prints_a_song(name: str, tmp_path: Path) -> None:
    listener, http, door = bind("127.0.0.1", 0), Http(), bind("127.0.0.1", 0)
    port = door.getsockname()[1]
    door.close()
    script = Script(text_after=0, first_after=0, complete_after=0.2)
    provider = Simulator(http=http, base_url=address_of(listener), entropy=random.Random(1), script=script)
    config = write_config(
        tmp_path,
        public_url=f"http://127.0.0.1:{port}",
        providers={"suno": {"type": "sunoapi", "api_key": "provider-key-123", "base_url": address_of(listener)}},
    )
    async with on_loopback(provider.app, listener), serving(config, "--port", str(port)) as running:
        if "submit(" not in BLOCKS[name]:
            body = {"prompt": "rain", "customMode": False, "instrumental": False, "model": "V5"}
            await running.request("POST", "/suno/api/v1/generate", body, token=CLIENT)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", BLOCKS[name]),
            stdout=asyncio.subprocess.PIPE,
            env=environment(RECEIVER_URL=running.url, RECEIVER_TOKEN=CLIENT),
            cwd=ROOT,
        )
        async with asyncio.timeout(40):
            out, _ = await process.communicate()
        titles = [result["title"] for result in (await running.get("/v1/submissions"))["data"][0]["results"]]
        await provider.close()
    await http.close()
    assert process.returncode == 0
    assert titles
    assert titles[0] in out.decode()
