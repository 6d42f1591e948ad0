import json
from pathlib import Path
from typing import Any

import pytest

from receiver.cli.simulating import SimulateOptions, nearer, row_of, script_of
from receiver.errors import ConfigError
from receiver.simulator import Script
from tests.support.process import ADMIN, command, serving, write_config

PROVIDERS = {"suno": {"type": "sunoapi", "api_key": "provider-key-123", "base_url": "http://127.0.0.1:9"}}
LOG = {"log": {"type": "log"}}


@pytest.mark.parametrize(
    ("options", "script"),
    [
        ({}, {}),
        ({"stage": "text"}, {"lose": frozenset({"first", "complete"})}),
        ({"stage": "first", "lose": ["text"]}, {"lose": frozenset({"text", "complete"})}),
        ({"stage": "failed"}, {"fail": 501}),
        ({"fail": 400}, {"fail": 400}),
        ({"repeat": 3, "reorder": True}, {"duplicates": 3, "reorder": True}),
        ({"malformed": ["first"]}, {"malformed": frozenset({"first"})}),
        ({"half": True}, {"half": "callback"}),
    ],
    ids=["complete", "text", "first", "failed", "code", "repeat", "malformed", "half"],
)
def test_options_become_the_simulators_script(options: dict[str, Any], script: dict[str, Any]) -> None:
    times: dict[str, Any] = {"text_after": 1, "first_after": 2, "complete_after": 3, "whole_after": 1, "retry_after": 1}
    assert script_of(SimulateOptions(delay=1.0, **options)) == Script(**times, **script)


@pytest.mark.parametrize("options", [{"stage": "second"}, {"lose": ["second"]}, {"malformed": ["second"]}])
def test_an_unknown_stage_is_wrong_use(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        script_of(SimulateOptions(**options))


def test_a_callback_url_is_reached_from_this_machine() -> None:
    url = nearer("https://music.example.com/callbacks/abc", "http://127.0.0.1:8000")
    assert url == "http://127.0.0.1:8000/callbacks/abc"


def via(word: str) -> dict[str, Any]:
    return {"handlers": LOG, "routes": [{"when": {"stage": "complete", "via": word}, "handlers": ["log"]}]}


@pytest.mark.parametrize(("word", "told"), [("simulated", False), ("callback", True)])
async def test_a_rehearsal_goes_only_to_routes_that_say_so(word: str, told: bool, tmp_path: Path) -> None:
    config = write_config(tmp_path, providers=PROVIDERS, **via(word))
    async with serving(config) as running:
        env = {"RECEIVER_URL": running.url, "RECEIVER_TOKEN": ADMIN}
        ran = await command("simulate", "--lose", "first", "--repeat", "2", "--delay", "0", "--json", env=env)
        said = json.loads(ran.out)
        assert [sent["status"] for sent in said["callbacks"]] == [200] * 4
        types = [event["type"] for event in reversed(said["submission"]["events"])]
        assert types == ["music.text", "music.complete"]
        states = [row["state"] for row in said["submission"]["deliveries"]]
        assert states == ([] if told else ["delivered"])
        near = {"PORT": running.url.rpartition(":")[2], "RECEIVER_CONFIG": str(config)}
        plain = await command("simulate", "--stage", "failed", "--delay", "0", env=near)
    assert (ran.code, plain.code) == (0, 0)
    assert "failed    200" in plain.out
    assert "rehearsals go only to routes that say `via: simulated`" in plain.err


@pytest.mark.parametrize(
    ("operation", "stage", "said"),
    [
        ("persona", "complete", "'persona' can't be rehearsed: it is not called back, or not known"),
        ("lyric", "complete", "did you mean lyrics?"),
        ("wav", "text", "'wav' has no stage 'text'; use complete or failed."),
    ],
)
def test_what_is_never_called_back_is_wrong_use(operation: str, stage: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        row_of(SimulateOptions(operation=operation, stage=stage))
    assert said in caught.value.mistakes[0]


@pytest.mark.parametrize("operation", ["lyrics", "stems", "voice_phrase_regenerate", "recovery"])
async def test_other_kinds_than_songs_are_rehearsed_too(operation: str, tmp_path: Path) -> None:
    config = write_config(tmp_path, providers=PROVIDERS, **via("simulated"))
    async with serving(config) as running:
        env = {"RECEIVER_URL": running.url, "RECEIVER_TOKEN": ADMIN}
        ran = await command("simulate", "--operation", operation, "--delay", "0", "--json", env=env)
    said = json.loads(ran.out)
    assert said["callbacks"] == [{"stage": "complete", "status": 200}]
    submission = said["submission"]
    assert [event["type"] for event in submission["events"]] == [f"{submission['kind']}.complete"]
    assert [row["state"] for row in submission["deliveries"]] == ["delivered"]


async def test_an_operation_that_can_not_be_rehearsed_ends_with_2(tmp_path: Path) -> None:
    async with serving(write_config(tmp_path, providers=PROVIDERS)) as running:
        env = {"RECEIVER_URL": running.url, "RECEIVER_TOKEN": ADMIN}
        ran = await command("simulate", "--operation", "other", env=env)
    assert (ran.code, ran.out) == (2, "")
    assert "'other' can't be rehearsed" in ran.err


async def test_a_receiver_that_is_not_there_ends_with_1(tmp_path: Path) -> None:
    config = write_config(tmp_path, providers=PROVIDERS)
    assert (await command("migrate", "--config", str(config))).code == 0
    ran = await command("simulate", "--delay", "0", env={"PORT": "9", "RECEIVER_CONFIG": str(config)})
    assert ran.code == 1
    assert "No receiver answers at http://127.0.0.1:9" in ran.err
