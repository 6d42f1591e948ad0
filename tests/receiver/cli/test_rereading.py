import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from receiver.cli.rereading import redacted
from tests.support.command_line import call_back, run_main
from tests.support.process import write_config

Said = pytest.CaptureFixture[str]
SONG = {"id": "a", "title": "My secret song", "audio_url": "https://cdn.example/a.mp3?signature=abc", "mood": "Blue!"}
BODY = {"code": 200, "data": {"callbackType": "complete", "task_id": "t", "data": [SONG]}}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path, providers={"suno": {"type": "sunoapi", "api_key": "provider-key-123"}})


def run(config: Path, *arguments: str) -> int:
    return run_main(*arguments, "--config", str(config))


def test_unknown_fields_are_counted(config: Path, capsys: Said) -> None:
    for _ in range(2):
        asyncio.run(call_back(config, BODY))
    assert run(config, "drift", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["data"]
    assert (row["unknown"], row["provider"], row["operation"], row["count"]) == (
        "data.data[].mood",
        "suno",
        "generate",
        2,
    )
    assert run(config, "drift") == 0
    assert "data.data[].mood" in capsys.readouterr().out


def test_a_sample_shows_its_shape_and_nothing_that_somebody_wrote(config: Path, capsys: Said) -> None:
    asyncio.run(call_back(config, BODY))
    assert run(config, "drift", "--sample", "data.data[].mood") == 0
    said = capsys.readouterr().out
    song = json.loads(said)["body"]["data"]["data"][0]
    assert set(song) == set(SONG)
    assert not any(word in said for word in ("secret", "cdn.example", "signature", "Blue"))


def test_a_sample_of_what_nothing_has_is_said(config: Path, capsys: Said) -> None:
    asyncio.run(call_back(config, BODY))
    assert run(config, "drift", "--sample", "data.nothing") == 1
    assert "Nothing that is kept has 'data.nothing'" in capsys.readouterr().err


def test_where_everything_is_known_it_is_said(config: Path, capsys: Said) -> None:
    known = {key: value for key, value in SONG.items() if key != "mood"}
    asyncio.run(call_back(config, {"code": 200, "data": {**BODY["data"], "data": [known]}}))  # type: ignore[dict-item]  # a mapping, above
    assert run(config, "drift") == 0
    said = capsys.readouterr()
    assert said.out.startswith("Nothing unknown")
    assert said.err == "Bodies are kept for 30d (retention.callbacks): of older ones nothing is known.\n"
    assert run(config, "drift", "--since", "29d") == 0
    assert capsys.readouterr().err == ""


def test_reparse_says_how_many_it_read(config: Path, capsys: Said) -> None:
    asyncio.run(call_back(config, ["an array"]))
    assert run(config, "reparse", "--dry-run") == 0
    assert capsys.readouterr().out == "0 of 1 callbacks would be understood; nothing was changed.\n"
    assert run(config, "reparse", "--since", "1h", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"looked": 1, "understood": 0, "dry_run": False}
    assert run(config, "reparse", "--since", "yesterday") == 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("SUCCESS", "SUCCESS"),
        ("complete", "complete"),
        ("first_success", "first_success"),
        ("Night Ferry", "[text of 11]"),
        ("Ferry", "[text of 5]"),
        ("a" * 60, "[text of 60]"),
        (12.5, 0),
        (True, True),
        (None, None),
        ([{"a": "B c"}], [{"a": "[text of 3]"}]),
    ],
)
def test_words_of_the_wire_stay_and_everything_else_goes(value: Any, shown: Any) -> None:
    assert redacted(value) == shown
