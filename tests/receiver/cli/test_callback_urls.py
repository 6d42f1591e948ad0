from pathlib import Path

import pytest

from tests.support.command_line import run_main
from tests.support.process import ADMIN, command, serving, write_config

PROVIDERS = {"suno": {"type": "sunoapi", "api_key": "provider-key-123"}}
Said = pytest.CaptureFixture[str]


async def test_the_url_that_a_command_made_is_the_receivers_own(tmp_path: Path) -> None:
    config = write_config(tmp_path, providers=PROVIDERS)
    made = await command("callback-url", "--provider", "suno", "--label", "a=b", "--config", str(config))
    (url,) = made.out.splitlines()
    (ident,) = made.err.splitlines()
    async with serving(config) as running:
        assert (await running.request("POST", url.removeprefix("http://127.0.0.1:9"), json={})).status == 200
        kept = await running.get(f"/v1/submissions/{ident}")
        assert (kept["labels"], kept["operation"]) == ({"a": "b"}, "generate")
        assert [event["type"] for event in kept["events"]] == ["callback.unrecognised"]
        there = {"RECEIVER_URL": running.url, "RECEIVER_TOKEN": ADMIN}
        other = await command("callback-url", "--provider", "suno", "--standing", env=there)
        assert other.out.startswith("http://127.0.0.1:9/callbacks/")


def test_a_url_that_would_lead_nowhere_is_refused(tmp_path: Path, capsys: Said) -> None:
    config = write_config(tmp_path, providers=PROVIDERS, public_url=None)
    assert run_main("callback-url", "--provider", "suno", "--config", str(config)) == 2
    said = capsys.readouterr()
    assert (said.out, "Set public_url" in said.err) == ("", True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--provider", "nope"), "There is no provider 'nope'. Known here: suno."),
        (("--provider", "suno", "--operation", "nope"), "There is no operation 'nope'."),
        (("--provider", "suno", "--client", "nope"), "There is no client 'nope'."),
        ((), "--provider"),
    ],
    ids=["provider", "operation", "client", "nothing"],
)
def test_unknown_names_end_with_2(arguments: tuple[str, ...], sentence: str, tmp_path: Path, capsys: Said) -> None:
    config = write_config(tmp_path, providers=PROVIDERS)
    assert run_main("callback-url", *arguments, "--config", str(config)) == 2
    assert sentence in capsys.readouterr().err
