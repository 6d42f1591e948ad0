import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from receiver.cli.listening import line
from receiver.cli.times import moment
from receiver.events import Failure, Result
from receiver.shapes import timestamp
from tests.support import peers
from tests.support.api import event
from tests.support.command_line import call_back, run_main
from tests.support.process import ADMIN, CLIENT, ROOT, Running, environment, serving, write_config

PROVIDERS = {"suno": {"type": "sunoapi", "api_key": "provider-key-123"}}
SECRET = "whsec_c2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXMuLi4uLi4="
Said = pytest.CaptureFixture[str]


@asynccontextmanager
async def listening(*arguments: str, env: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "receiver", "listen", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**env),
        cwd=ROOT,
    )
    try:
        async with asyncio.timeout(40):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def printed(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode()


async def begun(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    said = ""
    while "Ctrl-C ends it" not in said:
        said += (await process.stderr.readline()).decode()
    return said


async def song(running: Running, title: str) -> None:
    wish = {"provider": "suno", "operation": "generate", "client": "app"}
    made = (await running.request("POST", "/v1/callback-urls", wish)).json()
    data = {
        "callbackType": "complete",
        "task_id": title,
        "data": [{"id": "a", "title": title, "audio_url": "https://cdn.example/a.mp3"}],
    }
    path = "/callbacks/" + made["url"].rpartition("/")[2]
    assert (await running.request("POST", path, {"code": 200, "msg": "ok", "data": data})).status == 200


async def test_events_are_shown_and_forwarded_signed_with_what_came_of_it(tmp_path: Path) -> None:
    config = write_config(tmp_path, providers=PROVIDERS)
    env = {"RECEIVER_TOKEN": ADMIN, "WEBHOOK_SECRET": SECRET}
    async with peers.serve(peers.answer(b"", 204), peers.answer(b"", 500)) as peer, serving(config) as running:
        where = f"{peer.url}/hooks"
        env |= {"RECEIVER_URL": running.url}
        async with listening("--since", "1h", "--type", "music.*", "--forward", where, env=env) as process:
            await begun(process)
            await song(running, "Night Ferry")
            await song(running, "Day Ferry")
            first, second = await printed(process), await printed(process)
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130
        listed = (await running.get("/v1/events?type=music.*"))["data"][::-1]
    assert first.split()[1:3] == ["music.complete", listed[0]["id"]]
    assert first.endswith("Night Ferry  → 204\n")
    assert second.endswith("Day Ferry  → 500\n")
    assert [seen.target for seen in peer.seen] == ["/hooks", "/hooks"]
    assert Webhook(SECRET).verify(peer.seen[0].body.decode(), dict(peer.seen[0].headers)) == listed[0]
    assert peer.seen[0].headers["webhook-id"] == listed[0]["id"]


async def test_it_goes_on_after_a_kill_of_the_receiver_and_says_so(tmp_path: Path) -> None:
    config = write_config(tmp_path, providers=PROVIDERS, secret="0123456789abcdef0123456789abcdef")
    async with serving(config) as running:
        port = running.url.rpartition(":")[2]
        near = {"RECEIVER_CONFIG": str(config), "PORT": port}
        async with listening("--json", "--since", "1h", env=near) as process:
            await begun(process)
            await song(running, "one")
            assert json.loads(await printed(process))["results"][0]["title"] == "one"
            await running.end(signal.SIGKILL)
            assert process.stderr is not None
            assert b"Cut off (" in await process.stderr.readline()
            async with serving(config, "--port", port) as again:
                await song(again, "two")
                assert json.loads(await printed(process))["results"][0]["title"] == "two"


async def test_without_a_password_in_the_configuration_a_clients_events_are_shown(tmp_path: Path) -> None:
    config = write_config(tmp_path, providers=PROVIDERS, admin={})
    await call_back(config, {"code": 200, "data": {"callbackType": "complete", "task_id": "t", "data": []}})
    async with serving(config) as running:
        near = {"RECEIVER_CONFIG": str(config), "PORT": running.url.rpartition(":")[2]}
        async with listening(env=near) as process:
            assert "only the events of client 'app' are shown" in await begun(process)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--forward", "localhost:3000"), "--forward wants an http or https address"),
        (("--forward", "http://127.0.0.1:1", "--secret", "whsec_short"), "--secret must be 24 to 64 bytes"),
        (("--secret", SECRET), "--secret signs what is forwarded"),
        (("--label", "x"), "--label wants name=value"),
    ],
)
def test_wrong_use_ends_with_2(arguments: tuple[str, ...], sentence: str, tmp_path: Path, capsys: Said) -> None:
    config = write_config(tmp_path, providers=PROVIDERS)
    assert run_main("listen", "--config", str(config), *arguments) == 2
    assert sentence in capsys.readouterr().err
    assert "short" not in capsys.readouterr().err


def test_a_configuration_with_no_way_in_says_what_to_set(tmp_path: Path, capsys: Said) -> None:
    config = write_config(tmp_path, providers=PROVIDERS, admin={}, clients={})
    assert run_main("listen", "--config", str(config)) == 2
    assert "set RECEIVER_URL, RECEIVER_TOKEN" in capsys.readouterr().err


async def test_a_wrong_token_is_told_in_one_sentence(tmp_path: Path) -> None:
    async with serving(write_config(tmp_path, providers=PROVIDERS)) as running:
        env = {"RECEIVER_URL": running.url, "RECEIVER_TOKEN": CLIENT + "x"}
        async with listening(env=env) as process:
            _, said = await process.communicate()
            assert process.returncode == 1
    assert said.decode().splitlines()[1:] == [
        f"The receiver at {running.url} does not know this token: set RECEIVER_TOKEN."
    ]


def test_a_line_says_what_was_made_or_what_went_wrong() -> None:
    made = event("evt_1", results=(Result(id="r", title="Night\nFerry"),))
    failed = event(
        "evt_2", type="music.failed", submission_id=None, error=Failure(code="1", message="no", meaning="No.")
    )
    at = moment(timestamp(made.received_at), "%H:%M:%S")
    assert line(made) == f"{at}  music.complete          evt_1  sub_1  Night Ferry"
    assert line(failed, "200") == f"{at}  music.failed            evt_2  No.  → 200"
