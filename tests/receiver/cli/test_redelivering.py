import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import fill, run_main
from tests.support.process import write_config

Said = pytest.CaptureFixture[str]
SOON = "A running `receiver serve` on this database takes them up within 5 seconds."


@pytest.fixture
def config(tmp_path: Path) -> Path:
    handlers = {"log": {"type": "log"}, "other": {"type": "log"}}
    routes = [{"when": {"labels.title": "two"}, "handlers": ["other"]}]
    path = write_config(
        tmp_path,
        handlers=handlers,
        routes=routes,
        providers={"suno": {"type": "sunoapi", "api_key": "provider-key-123"}},
    )
    asyncio.run(fill(path))
    return path


def deliveries(said: Said, config: Path, state: str) -> list[Any]:
    said.readouterr()
    assert run_main("deliveries", "--state", state, "--json", "--config", str(config)) == 0
    found: list[Any] = json.loads(said.readouterr().out)["data"]
    return found


def test_dead_letters_are_put_back_by_their_ids(config: Path, capsys: Said) -> None:
    ids = [row["id"] for row in deliveries(capsys, config, "dead")]
    assert run_main("redeliver", *ids, "--config", str(config)) == 0
    said = capsys.readouterr()
    assert [line.split() for line in said.out.splitlines()] == [[ident, "pending", "log"] for ident in ids]
    assert said.err.splitlines() == ["2 deliveries put back.", SOON]


def test_a_filter_puts_back_what_it_takes(config: Path, capsys: Said) -> None:
    assert run_main("redeliver", "--state", "dead", "--handler", "log", "--config", str(config)) == 0
    assert len(deliveries(capsys, config, "pending")) == 2
    assert deliveries(capsys, config, "dead") == []


def test_a_dry_run_changes_nothing(config: Path, capsys: Said) -> None:
    assert run_main("redeliver", "--state", "dead", "--since", "1h", "--dry-run", "--config", str(config)) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 2
    assert said.err == "2 deliveries would go out; nothing was changed.\n"
    assert len(deliveries(capsys, config, "dead")) == 2


def test_what_is_delivered_goes_out_again_only_when_told_so(config: Path, capsys: Said) -> None:
    (row,) = deliveries(capsys, config, "delivered")
    assert run_main("redeliver", row["id"], "--config", str(config)) == 1
    assert capsys.readouterr().err == f"{row['id']} is delivered: say --again for a new delivery of its event.\n"
    assert run_main("redeliver", row["id"], "--again", "--json", "--config", str(config)) == 0
    (new,) = json.loads(capsys.readouterr().out)["data"]
    assert (new["event_id"], new["state"]) == (row["event_id"], "pending")
    assert new["id"] != row["id"]


def test_what_was_put_back_before_a_wrong_id_is_said(config: Path, capsys: Said) -> None:
    ident = deliveries(capsys, config, "dead")[0]["id"]
    assert run_main("redeliver", ident, "dlv_none", "--config", str(config)) == 1
    said = capsys.readouterr()
    assert ident in said.out
    assert said.err.endswith("There is no delivery 'dlv_none'; those past retention.events are removed.\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Say which"),
        (("dlv_1", "--state", "dead"), "not both"),
        (("--state", "dead", "--again"), "--again is for"),
        (("dlv_1", "--dry-run"), "--dry-run is for"),
        (("--state", "pending"), "'state'"),
        (("--handler", "nobody"), "Give handler as one of the configured ones: log, other."),
    ],
    ids=["nothing", "ids and filter", "again by filter", "dry run by ids", "state", "handler"],
)
def test_wrong_use_ends_with_2(arguments: tuple[str, ...], sentence: str, config: Path, capsys: Said) -> None:
    assert run_main("redeliver", *arguments, "--config", str(config)) == 2
    assert sentence in capsys.readouterr().err


def test_past_events_go_once_to_a_handler_that_never_had_them(config: Path, capsys: Said) -> None:
    arguments = ("replay", "--handler", "other", "--since", "7d", "--config", str(config))
    assert run_main(*arguments, "--dry-run") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert run_main(*arguments) == 0
    assert run_main(*arguments) == 0
    assert capsys.readouterr().err.splitlines() == [
        "1 delivery put back.",
        SOON,
        "0 deliveries put back.",
        "No route gives such an event to other, or it had them; --all asks no route.",
    ]
    assert [row["handler"] for row in deliveries(capsys, config, "pending")] == ["other"]


def test_all_events_of_a_filter_go_to_a_handler_when_told_so(config: Path, capsys: Said) -> None:
    arguments = ("replay", "--handler", "other", "--since", "7d", "--all", "--config", str(config))
    assert run_main(*arguments) == 0
    assert run_main(*arguments) == 0
    assert capsys.readouterr().err.splitlines() == ["3 deliveries put back.", SOON, "0 deliveries put back."]


def test_a_replayed_event_waits_as_its_route_says(tmp_path: Path, capsys: Said) -> None:
    handlers = {"log": {"type": "log"}, "other": {"type": "log"}}
    routes = [{"handlers": ["log", {"other": {"needs": "log", "on_failure": "stop"}}]}]
    config = write_config(tmp_path, handlers=handlers, routes=routes)
    asyncio.run(fill(config))
    assert run_main("replay", "--handler", "other", "--since", "1h", "--config", str(config)) == 0
    # The other two events' deliveries to `log` are dead.
    assert len(deliveries(capsys, config, "pending")) == 1
    assert len(deliveries(capsys, config, "discarded")) == 2


def test_more_than_a_page_is_replayed_whole(tmp_path: Path, capsys: Said) -> None:
    routes = [{"handlers": ["other"]}]
    config = write_config(tmp_path, handlers={"log": {"type": "log"}, "other": {"type": "log"}}, routes=routes)
    asyncio.run(fill(config, [f"t{number}" for number in range(105)]))
    assert run_main("replay", "--handler", "other", "--since", "1h", "--config", str(config)) == 0
    assert len(capsys.readouterr().out.splitlines()) == 105


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--handler", "nobody", "--since", "1h"), "Give handler as one of the configured ones: log, other."),
        (("--handler", "other"), "Say which events, if only by time: --since 7d."),
        (("--handler", "other", "--dry-run", "--all"), "Say which events, if only by time: --since 7d."),
    ],
    ids=["unknown handler", "no filter", "a dry run without one"],
)
def test_a_replay_wants_a_handler_and_a_filter(
    arguments: tuple[str, ...], sentence: str, config: Path, capsys: Said
) -> None:
    assert run_main("replay", *arguments, "--config", str(config)) == 2
    assert sentence in capsys.readouterr().err
