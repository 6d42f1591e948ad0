import asyncio
import json
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from receiver.app import bind
from receiver.cli.loopback import address_of
from receiver.cli.loopback import serving as on_loopback
from receiver.cli.submitting import SubmitOptions, compose, read_body
from receiver.outbound import Http
from receiver.simulator import Script, Simulator
from tests.support.command_line import run_main
from tests.support.process import ADMIN, CLIENT, ROOT, Running, command, environment, serving, write_config

QUICK = Script(text_after=0, first_after=0, complete_after=0)
PLAIN = {"instrumental": False, "model": "V5"}
Said = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("options", "body"),
    [
        ({}, {"prompt": "rain", "customMode": False, **PLAIN}),
        ({"style": "folk"}, {"prompt": "rain", "customMode": True, **PLAIN, "style": "folk", "title": "rain"}),
        (
            {"lyrics": "la la", "title": "T"},
            {"prompt": "la la", "customMode": True, **PLAIN, "style": "rain", "title": "T"},
        ),
        (
            {"title": "T", "instrumental": True, "model": "V4"},
            {"customMode": True, "instrumental": True, "model": "V4", "style": "rain", "title": "T"},
        ),
    ],
    ids=["prompt", "style", "lyrics", "instrumental"],
)
def test_options_become_the_providers_body(options: dict[str, Any], body: dict[str, Any]) -> None:
    assert compose(SubmitOptions(**options), "rain") == body


def test_data_is_sent_byte_for_byte(tmp_path: Path) -> None:
    content = '{"prompt":   "rain"}'
    file = tmp_path / "body.json"
    file.write_text(content)
    assert read_body(SubmitOptions(data=content)) == content.encode()
    assert read_body(SubmitOptions(data=f"@{file}")) == content.encode()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Say what the song is about"),
        (("--data", "{"), "--data wants JSON"),
        (("--data", "@missing.json"), "missing.json can't be read"),
        (("rain", "--data", "{}"), "--data is the whole body: leave out PROMPT, or"),
        (
            ("--data", "{}", "--title", "T", "--style", "folk", "--lyrics", "la", "--instrumental", "--model", "V4"),
            "leave out --title, --style, --lyrics, --instrumental, --model, or write it into the JSON.",
        ),
        (("rain", "--timeout", "soon"), "--timeout is not a duration"),
        (("rain", "--provider", "nope"), "There is no provider 'nope'; known are suno"),
        (("rain", "--operation", "genrate"), "There is no operation 'genrate'; did you mean generate?"),
        (("rain", "--label", "x"), "--label wants name=value"),
    ],
    ids=[
        "nothing",
        "no json",
        "no file",
        "data and prompt",
        "data and more",
        "timeout",
        "provider",
        "operation",
        "label",
    ],
)
def test_wrong_use_ends_with_2(arguments: tuple[str, ...], sentence: str, tmp_path: Path, capsys: Said) -> None:
    config = write_config(tmp_path, providers={"suno": {"type": "sunoapi", "api_key": "provider-key-123"}})
    assert run_main("migrate", "--config", str(config)) == 0
    assert run_main("submit", *arguments, "--config", str(config)) == 2
    assert sentence in capsys.readouterr().err


@asynccontextmanager
async def installation(folder: Path, script: Script = QUICK, **handlers: Any) -> AsyncIterator[tuple[Running, Path]]:
    """A receiver whose provider is simulated, whose songs are archived, and these further handlers are told of."""
    listener, http = bind("127.0.0.1", 0), Http()
    provider = Simulator(http=http, base_url=address_of(listener), entropy=random.Random(1), script=script)
    door = bind("127.0.0.1", 0)
    port = door.getsockname()[1]
    door.close()
    config = write_config(
        folder,
        public_url=f"http://127.0.0.1:{port}",
        providers={"suno": {"type": "sunoapi", "api_key": "provider-key-123", "base_url": address_of(listener)}},
        handlers={"songs": {"type": "file", "directory": str(folder / "songs")}, **handlers},
        routes=[{"when": {"type": "music.complete"}, "handlers": ["songs", *handlers]}],
        limits={"free_disk": "1MiB"},
    )
    async with on_loopback(provider.app, listener), serving(config, "--port", str(port)) as running:
        yield running, config
        await provider.close()
    await http.close()


@pytest.mark.parametrize("beside", [True, False], ids=["by the config", "by RECEIVER_URL"])
async def test_a_song_is_watched_until_its_files_are_archived(beside: bool, tmp_path: Path) -> None:
    async with installation(tmp_path) as (running, config):
        near = {"PORT": running.url.rpartition(":")[2], "RECEIVER_CONFIG": str(config)}
        far = {"RECEIVER_URL": running.url, "RECEIVER_TOKEN": ADMIN}
        ran = await command("submit", "rain", "--label", "a=b", env=near if beside else far)
        kept = (await running.get("/v1/submissions"))["data"]
    assert ran.code == 0, ran.err
    assert len(kept) == 1
    assert (kept[0]["client"], kept[0]["labels"]) == ("app" if beside else None, {"a": "b"})
    assert ran.out.count(f"{running.url}/files/") == 4
    assert "complete" in ran.err
    assert len(list((tmp_path / "songs").rglob("*.mp3"))) == 2


async def test_a_clients_token_submits_and_sees_the_providers_links(tmp_path: Path) -> None:
    async with installation(tmp_path) as (running, _):
        ran = await command("submit", "rain", env={"RECEIVER_URL": running.url, "RECEIVER_TOKEN": CLIENT})
    assert ran.code == 0, ran.err
    assert ran.out.count("/media/") == 4


async def test_a_failure_says_what_to_do_and_ends_with_1(tmp_path: Path) -> None:
    async with installation(tmp_path, Script(text_after=0, fail=501)) as (running, _):
        ran = await command("submit", "rain", env={"RECEIVER_URL": running.url, "RECEIVER_TOKEN": ADMIN})
    assert ran.code == 1
    assert "error        The generation failed at the provider." in ran.out
    assert "what to do   Change the prompt" in ran.out


def broken(how: str) -> dict[str, str]:
    return {"type": "tests.support.broken:Broken", "how": how}


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("as a whole", 0, "team is paused: the target is broken as a whole; it gets the song when"),
        ("for now", 0, "team failed once: the target is broken for now; it is tried again at "),
        ("for good", 1, "team did not get it: the target is broken for good; see `receiver deliveries dlv_"),
    ],
)
async def test_nobody_waits_for_a_handler_that_can_not_be_told(how: str, code: int, said: str, tmp_path: Path) -> None:
    async with installation(tmp_path, team=broken(how)) as (running, _):
        env = {"RECEIVER_URL": running.url, "RECEIVER_TOKEN": ADMIN}
        async with asyncio.timeout(20):
            ran = await command("submit", "rain", "--timeout", "5m", env=env)
    assert ran.code == code
    assert said in ran.err
    assert ran.out.count(f"{running.url}/files/") == 4


async def test_a_pause_that_was_there_before_is_said_with_its_reason(tmp_path: Path) -> None:
    async with installation(tmp_path, team=broken("as a whole")) as (running, _):
        env = {"RECEIVER_URL": running.url, "RECEIVER_TOKEN": ADMIN}
        await command("submit", "rain", "--no-wait", env=env)
        await running.until("/v1/events?type=handler.paused", lambda page: page["data"])
        ran = await command("submit", "rain", env=env)
    assert ran.code == 0
    assert "team is paused: the target is broken as a whole; it gets the song when" in ran.err


async def test_results_are_printed_before_the_handlers_have_them(tmp_path: Path) -> None:
    slow = {"type": "tests.support.sink:Sink", "file": str(tmp_path / "sink"), "takes": "1h", "timeout": "2h"}
    async with installation(tmp_path, slow=slow) as (running, _):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "receiver", "submit", "rain"),
            stdout=asyncio.subprocess.PIPE,
            env=environment(RECEIVER_URL=running.url, RECEIVER_TOKEN=ADMIN),
            cwd=ROOT,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(20):
                await process.stdout.readuntil(b"results\n")
                assert process.returncode is None
        finally:
            process.send_signal(signal.SIGINT)
            code = await process.wait()
    assert code == 130


async def test_the_time_is_over_for_handlers_too(tmp_path: Path) -> None:
    slow = {"type": "tests.support.sink:Sink", "file": str(tmp_path / "sink"), "takes": "1h", "timeout": "2h"}
    async with installation(tmp_path, slow=slow) as (running, _):
        env = {"RECEIVER_URL": running.url, "RECEIVER_TOKEN": ADMIN}
        ran = await command("submit", "rain", "--timeout", "5s", env=env)
    assert ran.code == 0
    assert "slow has it not yet: see `receiver deliveries dlv_" in ran.err


async def test_a_refusal_is_told_like_a_failure(tmp_path: Path) -> None:
    async with installation(tmp_path, Script(reply="refuse")) as (running, _):
        ran = await command("submit", "rain", "--json", env={"RECEIVER_URL": running.url, "RECEIVER_TOKEN": ADMIN})
    assert ran.code == 1
    assert json.loads(ran.out)["stage"] == "rejected"


async def test_no_wait_prints_the_id_alone(tmp_path: Path) -> None:
    async with installation(tmp_path) as (running, config):
        near = {"PORT": running.url.rpartition(":")[2], "RECEIVER_CONFIG": str(config)}
        ran = await command("submit", "rain", "--no-wait", env=near)
        kept = (await running.get("/v1/submissions"))["data"]
    assert (ran.code, ran.out) == (0, f"{kept[0]['id']}\n")


async def test_a_time_that_is_over_leaves_the_song_alone(tmp_path: Path) -> None:
    async with installation(tmp_path, Script(text_after=600)) as (running, _):
        env = {"RECEIVER_URL": running.url, "RECEIVER_TOKEN": ADMIN}
        ran = await command("submit", "rain", "--timeout", "200ms", env=env)
    assert ran.code == 1
    assert "The time is over, the song goes on. Look later with `receiver submissions sub_" in ran.err


async def test_an_interrupt_says_that_the_song_goes_on(tmp_path: Path) -> None:
    async with installation(tmp_path, Script(text_after=600)) as (running, _):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "receiver", "submit", "rain"),
            stderr=asyncio.subprocess.PIPE,
            env=environment(RECEIVER_URL=running.url, RECEIVER_TOKEN=ADMIN),
            cwd=ROOT,
        )
        assert process.stderr is not None
        async with asyncio.timeout(30):
            assert b"accepted" in await process.stderr.readline()
            process.send_signal(signal.SIGINT)
            said = (await process.stderr.read()).decode()
            code = await process.wait()
    assert code == 130
    assert said.startswith("No longer watched; the song goes on. Look later with `receiver submissions sub_")
    assert "Traceback" not in said


async def test_a_receiver_that_is_not_there_is_told_in_one_sentence(tmp_path: Path) -> None:
    ran = await command("submit", "rain", env={"RECEIVER_URL": "http://127.0.0.1:9", "RECEIVER_TOKEN": ADMIN})
    assert (ran.code, ran.out) == (1, "")
    assert "Start `receiver serve`" in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize("admin", [{}, {"password": ADMIN}], ids=["nobody", "the admin alone"])
async def test_without_clients_only_the_admin_may_submit(admin: dict[str, str], tmp_path: Path) -> None:
    async with installation(tmp_path) as (running, config):
        content = json.loads(config.read_text()) | {"clients": {}, "admin": admin}
        config.write_text(json.dumps(content))
        near = {"PORT": running.url.rpartition(":")[2], "RECEIVER_CONFIG": str(config)}
        ran = await command("submit", "rain", "--no-wait", env=near)
    assert ran.code == (0 if admin else 2)
