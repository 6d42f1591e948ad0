import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from receiver.cli.event_files import read_event
from receiver.cli.route_test import describe, when, why_not
from receiver.errors import ConfigError
from receiver.events import Event, Level, Via
from receiver.routing import Globs, Match, Route, Step, plan
from tests.support.command_line import run_main
from tests.support.process import write_config

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def event(**fields: Any) -> Event:
    return read_event({"type": "music.complete", "provider": "suno", "labels": {"project": "podcast"}, **fields}, NOW)


def match(**fields: str) -> Match:
    return Match(fields={name: Globs((pattern,)) for name, pattern in fields.items()})


ARCHIVE = Route(when=match(type="music.complete"), handlers=(Step(handler="archive"),))
TEAM = Step(handler="team", needs=("archive",), wait=timedelta(minutes=5), stop=True)


def test_each_handler_is_said_with_its_routes_and_needs() -> None:
    routes = [
        Route(when=match(type="music.complete"), handlers=(Step(handler="archive"), TEAM)),
        Route(when=match(type="*.failed"), handlers=(Step(handler="team"),)),
        Route(when=match(stage="complete"), handlers=(Step(handler="archive"),)),
    ]
    assert list(describe(event(), plan(event(), routes), routes)) == [
        "archive gets it by route 1 (type: music.complete), route 3 (stage: complete).",
        "team gets it by route 1 (type: music.complete); it needs archive, waits 5m at most, then is discarded.",
        "route 2 does not take it: type is music.complete, not *.failed.",
    ]


def test_a_route_for_the_rest_says_that_another_one_took_it() -> None:
    rest = Route(when=match(stage="complete"), handlers=(Step(handler="archive"),), otherwise=True)
    *_, last = describe(event(), plan(event(), [ARCHIVE, rest]), [ARCHIVE, rest])
    assert last == "route 2 does not take it: it is for what no other route takes."


@pytest.mark.parametrize(
    ("told", "fields", "reason"),
    [
        (match(client="app"), {}, "client is absent, not app"),
        (Match(labels={"user": Globs(("4*",))}), {}, "labels.user is absent, not 4*"),
        (match(type="*"), {"via": "simulated"}, "it is simulated, and the route does not say via: simulated"),
        (
            match(type="*"),
            {"type": "submission.lost"},
            "it is one of our own events, and neither type nor level names it",
        ),
        (Match(shortest=timedelta(minutes=1)), {}, "no result lasts at least 1m"),
        (Match(unless=match(provider="su*")), {}, "what its not: says holds (provider: su*)"),
    ],
    ids=["absent", "label", "simulated", "own", "duration", "not"],
)
def test_the_first_condition_that_does_not_hold_is_said(told: Match, fields: dict[str, Any], reason: str) -> None:
    assert not told.takes(event(**fields))
    assert why_not(told, event(**fields)) == reason


def test_a_route_without_conditions_is_always_taken() -> None:
    assert when(Match()) == "always"


def test_what_an_event_lacks_is_filled_in() -> None:
    made = read_event({"type": "submission.lost"}, NOW)
    assert (made.level, made.via, made.received_at) == (Level.PROBLEM, Via.CALLBACK, NOW)
    assert event().stage == "complete"


@pytest.mark.parametrize(
    ("raw", "place"),
    [([], "JSON object"), ({}, "type"), ({"type": "music.complete", "via": "pigeon"}, "via")],
    ids=["no object", "no type", "unknown word"],
)
def test_what_is_no_event_is_refused_with_its_place(raw: Any, place: str) -> None:
    with pytest.raises(ConfigError, match=place):
        read_event(raw, NOW)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    routes = [{"when": {"type": "music.complete"}, "handlers": ["log"]}]
    return write_config(tmp_path, handlers={"log": {"type": "log"}}, routes=routes)


def test_an_event_from_a_file_is_routed(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps({"type": "music.complete"}))
    assert run_main("route-test", str(file), "--config", str(config)) == 0
    assert capsys.readouterr().out == "log gets it by route 1 (type: music.complete).\n"


def test_an_event_that_nobody_gets_ends_with_1(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("route-test", "--type", "music.failed", "--json", "--config", str(config)) == 1
    said = capsys.readouterr()
    assert json.loads(said.out) == {
        "handlers": [],
        "refused": [{"route": 1, "why": "type is music.failed, not music.complete"}],
    }
    assert said.err == "No handler would get it.\n"


@pytest.mark.parametrize(
    "arguments",
    [(), ("event.json", "--type", "music.complete"), ("missing.json",), ("--type", "music.complete", "--label", "x")],
    ids=["nothing", "both", "no such file", "half a label"],
)
def test_wrong_use_ends_with_2(arguments: tuple[str, ...], config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("route-test", *arguments, "--config", str(config)) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
