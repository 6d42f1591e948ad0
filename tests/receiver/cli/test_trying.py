import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import peers
from tests.support.command_line import run_main
from tests.support.process import ADMIN, command, environment, write_config

Said = pytest.CaptureFixture[str]
WEBHOOK = "https://hooks.slack.com/services/T0/B0/s3cr3t-v4lue"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    broken = {"type": "tests.support.broken:Broken"}
    handlers: dict[str, Any] = {
        "archive": {"type": "file", "directory": str(tmp_path / "songs")},
        "team": {"type": "slack", "webhook_url": WEBHOOK, "template": "{{ title }} & more"},
        "log": {"type": "log"},
        "now": {**broken, "how": "for now"},
        "good": {**broken, "how": "for good"},
        "whole": {**broken, "how": "as a whole"},
    }
    return write_config(tmp_path, handlers=handlers)


def run(config: Path, *arguments: str) -> int:
    return run_main(*arguments, "--config", str(config))


def test_a_preview_shows_what_would_be_sent_without_sending_it(config: Path, capsys: Said) -> None:
    assert run(config, "preview", "team", "--type", "music.complete") == 0
    said = capsys.readouterr().out
    assert "A test of the receiver & more" in said
    assert "s3cr3t-v4lue" not in said


def test_a_preview_takes_an_event_from_a_file(config: Path, capsys: Said, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"type": "music.complete", "results": [{"id": "a", "title": "Salt Lanterns"}]}))
    assert run(config, "preview", "team", "--event", str(event)) == 0
    assert "Salt Lanterns & more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("preview", "log"), 1, "A handler of the type log sends nothing that can be shown."),
        (("preview", "team", "--html"), 1, "A handler of the type slack has no page; leave --html out."),
        (("preview", "teem"), 2, "There is no handler 'teem'; did you mean team?"),
        (("preview", "team", "--type", "music.don"), 2, "--type is no type of event"),
        (("preview", "team", "--type", "music.text", "--event", "x"), 2, "not both"),
        (("preview", "team", "--event", "no-such-file"), 2, "no-such-file can't be read: No such file"),
        (("test-handler", "nobody"), 2, "There is no handler 'nobody'"),
    ],
)
def test_wrong_use_says_what_to_do(config: Path, capsys: Said, arguments: Any, code: int, said: str) -> None:
    assert run(config, *arguments) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("log", 0, "log: delivered."),
        ("now", 1, "now: it would be tried again. the target is broken for now"),
        ("good", 1, "good: a dead letter. the target is broken for good"),
        ("whole", 1, "whole: the target is broken, so it would pause. the target is broken as a whole"),
    ],
)
def test_a_try_says_what_came_of_it(config: Path, capsys: Said, name: str, code: int, said: str) -> None:
    assert run(config, "test-handler", name) == code
    assert capsys.readouterr().out.strip() == said


def test_an_archive_is_tried_without_a_download(config: Path, capsys: Said, tmp_path: Path) -> None:
    assert run(config, "test-handler", "archive", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    kept = [tmp_path / "songs" / file["key"] for file in said["receipt"]["files"]]
    assert len(kept) == 2
    assert all(path.is_file() for path in kept)


async def test_a_running_receiver_tries_it_where_it_is_named(config: Path) -> None:
    row = {"id": "dlv_1", "state": "pending", "attempts": 0, "error": None, "receipt": None, "waiting_for": None}
    ended = {**row, "state": "waiting", "attempts": 1, "error": "Slack says no_service"}
    answers = [peers.answer(json.dumps(row).encode(), 202), peers.answer(json.dumps(ended).encode())]
    async with peers.serve(*answers) as there:
        env = environment(RECEIVER_URL=there.url, RECEIVER_TOKEN=ADMIN)
        tried = await command("test-handler", "team", "--type", "music.failed", "--config", str(config), env=env)
    assert (tried.code, tried.err) == (1, "")
    assert tried.out == "team: the target is broken, so it would pause. Slack says no_service\n"
    assert [(one.method, one.target, one.body) for one in there.seen] == [
        ("POST", "/v1/handlers/team/test", b'{"type":"music.failed"}'),
        ("GET", "/v1/deliveries/dlv_1", b""),
    ]


def test_a_file_is_for_a_try_on_this_machine(config: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECEIVER_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("RECEIVER_TOKEN", ADMIN)
    assert run(config, "test-handler", "team", "--event", "x") == 2
    assert "--event is for a try on this machine" in capsys.readouterr().err
