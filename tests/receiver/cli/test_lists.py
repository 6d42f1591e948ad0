import asyncio
import json
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from receiver.cli import details
from tests.support.command_line import call_back, fill, run_main
from tests.support.process import ADMIN, CLIENT, command, serving, write_config

Said = pytest.CaptureFixture[str]


def config_in(folder: Path) -> Path:
    return write_config(
        folder,
        providers={"suno": {"type": "sunoapi", "api_key": "provider-key-123"}},
        handlers={"log": {"type": "log"}, "file": {"type": "file", "directory": str(folder / "songs")}},
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = config_in(tmp_path)
    asyncio.run(fill(path))
    return path


def listed(said: Said, config: Path, *arguments: str) -> Any:
    assert run_main(*arguments, "--json", "--config", str(config)) == 0
    return json.loads(said.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("submissions",), 3),
        (("submissions", "--search", "task-two"), 1),
        (("submissions", "--stage", "failed"), 0),
        (("submissions", "--label", "title=two"), 1),
        (("submissions", "--client", "other"), 0),
        (("submissions", "--provider", "suno", "--since", "2h"), 3),
        (("submissions", "--limit", "2"), 2),
        (("events",), 3),
        (("events", "--type", "*.failed"), 0),
        (("events", "--level", "problem"), 0),
        (("events", "--label", "title=one"), 1),
        (("deliveries",), 3),
        (("deliveries", "--state", "dead"), 2),
        (("deliveries", "--handler", "other"), 0),
        (("deliveries", "--type", "music.*"), 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_list_takes_its_filters(arguments: tuple[str, ...], count: int, config: Path, capsys: Said) -> None:
    page = listed(capsys, config, *arguments)
    assert len(page["data"]) == count
    assert set(page) == {"data", "next"}


def test_a_cursor_goes_on_behind_the_page_before(config: Path, capsys: Said) -> None:
    first = listed(capsys, config, "submissions", "--limit", "2")
    second = listed(capsys, config, "submissions", "--limit", "2", "--cursor", first["next"])
    assert len({row["id"] for row in first["data"] + second["data"]}) == 3
    assert second["next"] is None


def test_a_pipe_gets_aligned_text_with_whole_ids(config: Path, capsys: Said) -> None:
    row = listed(capsys, config, "deliveries", "--state", "dead")["data"][0]
    assert run_main("deliveries", "--state", "dead", "--config", str(config)) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert lines[0].index(row["id"]) == lines[1].index("dlv_") == head.index("id ")
    assert lines[0].endswith("The target said no.")


def test_an_empty_list_says_so_and_prints_nothing(config: Path, capsys: Said) -> None:
    assert run_main("events", "--stage", "failed", "--config", str(config)) == 0
    assert capsys.readouterr() == ("", "Nothing was found.\n")


def test_the_next_page_is_told_beside_the_rows(config: Path, capsys: Said) -> None:
    assert run_main("events", "--limit", "1", "--config", str(config)) == 0
    assert "--cursor " in capsys.readouterr().err


def test_one_event_is_shown_with_its_whole_body(config: Path, capsys: Said) -> None:
    song = {"id": "a", "audio_url": "https://cdn.example/a.mp3", "title": "夜の船\u202e"}
    data = {"callbackType": "complete", "task_id": "task-four", "data": [song]}
    asyncio.run(call_back(config, {"code": 200, "data": data}))
    row = listed(capsys, config, "events", "--type", "music.complete")["data"][0]
    assert run_main("events", row["id"], "--config", str(config)) == 0
    said = capsys.readouterr().out
    assert "via          callback" in said
    assert "audio   https://cdn.example/a.mp3" in said
    assert 'raw\n  {\n    "code": 200,\n' in said
    assert '"title": "夜の船\\u202e"' in said
    assert listed(capsys, config, "events", row["id"]) == row


def test_one_delivery_is_shown_with_its_attempts(config: Path, capsys: Said) -> None:
    row = listed(capsys, config, "deliveries", "--state", "dead")["data"][0]
    assert run_main("deliveries", row["id"], "--config", str(config)) == 0
    said = capsys.readouterr().out
    assert "error        The target said no." in said
    (attempt,) = [line for line in said.splitlines() if line.startswith("   1  ")]
    assert attempt.endswith("  dead: The target said no.")
    assert [tried["number"] for tried in listed(capsys, config, "deliveries", row["id"])["history"]] == [1]


@pytest.mark.parametrize("what", ["submissions", "events", "deliveries"])
def test_times_are_of_this_machine_and_its_zone_is_named_once(
    what: str, config: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = listed(capsys, config, what)["data"][0]
    moment = datetime.fromisoformat(row["received_at" if what == "events" else "created_at"])
    monkeypatch.setenv("TZ", "XYZ-5:30")
    time.tzset()
    try:
        assert run_main(what, row["id"], "--config", str(config)) == 0
    finally:
        monkeypatch.undo()
        time.tzset()
    said = capsys.readouterr().out
    assert (moment + timedelta(hours=5, minutes=30)).strftime("%Y-%m-%d %H:%M:%S") in said
    assert said.count("XYZ (UTC+05:30)") == 1
    assert "Z\n" not in said


def test_our_own_events_came_no_way_and_a_standing_url_has_no_stage() -> None:
    paused = {"type": "handler.paused", "via": "callback"}
    assert (details.via(paused), details.via(paused | {"type": "music.complete"})) == ("", "callback")
    assert details.stage({"stage": "accepted", "standing": True}) == "standing"
    assert details.stage({"stage": "accepted"}) == "accepted"


@pytest.mark.parametrize("arguments", [("submissions",), ("events", "evt_1"), ("redeliver", "dlv_1")], ids=" ".join)
def test_looking_into_a_database_that_is_not_there_makes_none(
    arguments: tuple[str, ...], tmp_path: Path, capsys: Said
) -> None:
    config = config_in(tmp_path)
    assert run_main(*arguments, "--config", str(config)) == 1
    assert capsys.readouterr().err.startswith(f"There is no database at {tmp_path / 'receiver.db'}: start")
    assert list(tmp_path.iterdir()) == [config]


@pytest.mark.parametrize("by", ["id", "task_id"])
def test_one_submission_is_shown_with_what_belongs_to_it(by: str, config: Path, capsys: Said) -> None:
    row = listed(capsys, config, "submissions", "--label", "title=two")["data"][0]
    assert run_main("submissions", row[by], "--config", str(config)) == 0
    said = capsys.readouterr().out
    assert row["id"] in said
    assert "music.complete" in said
    assert "log: The target said no." in said


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("submissions", "sub_none"), 1, "There is no submission 'sub_none'"),
        (("events", "evt_none"), 1, "There is no event 'evt_none'."),
        (("deliveries", "dlv_none"), 1, "There is no delivery 'dlv_none'; those past retention.events are removed."),
        (("submissions", "--since", "yesterday"), 2, "Give since as a time"),
        (("submissions", "--label", "title"), 2, "--label wants name=value"),
        (("deliveries", "--state", "lost"), 2, "Give state as one of"),
        (("events", "--cursor", "forged"), 2, "Give cursor as"),
    ],
    ids=["no submission", "no event", "no delivery", "since", "label", "state", "cursor"],
)
def test_what_can_not_be_listed_is_said_in_one_sentence(
    arguments: tuple[str, ...], code: int, sentence: str, config: Path, capsys: Said
) -> None:
    assert run_main(*arguments, "--config", str(config)) == code
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1


def test_a_limit_out_of_bounds_ends_with_2(config: Path, capsys: Said) -> None:
    assert run_main("events", "--limit", "0", "--config", str(config)) == 2


async def test_a_running_receiver_says_the_same_as_its_database(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    ident, *_ = await fill(config)
    asked = [("submissions",), ("events",), ("deliveries", "--state", "dead"), ("submissions", ident)]
    async with serving(config) as running:
        there = {"RECEIVER_URL": running.url, "RECEIVER_TOKEN": ADMIN}
        for arguments in asked:
            by_api = await command(*arguments, "--json", env=there)
            by_database = await command(*arguments, "--json", "--config", str(config))
            assert (by_api.code, by_database.code) == (0, 0)
            assert json.loads(by_api.out) == json.loads(by_database.out)


async def test_what_a_token_may_not_see_ends_with_1(tmp_path: Path) -> None:
    async with serving(config_in(tmp_path)) as running:
        for token, sentence in (("guess", "does not know this token"), (CLIENT, "may not do that")):
            ran = await command("events", env={"RECEIVER_URL": running.url, "RECEIVER_TOKEN": token})
            assert (ran.code, ran.out) == (1, "")
            assert sentence in ran.err
            assert token not in ran.err
        own = await command("submissions", env={"RECEIVER_URL": running.url, "RECEIVER_TOKEN": CLIENT})
        assert own.code == 0
