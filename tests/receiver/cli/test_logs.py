import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

from receiver.cli import logs

SECRET = 'a"b\\c\nd'


class Screen(StringIO):
    """What a terminal shows, or what a pipe takes."""

    terminal = False

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture(params=[True, False], ids=["terminal", "pipe"])
def said(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn")
    handlers, levels = root.handlers[:], (root.level, uvicorn.level)
    # They are put back afterwards, so they may not be closed.
    root.handlers.clear()
    screen = Screen()
    screen.terminal = request.param
    monkeypatch.setattr("sys.stderr", screen)
    logs.set_up(lambda text: text.replace(SECRET, "[redacted]"))
    yield screen
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    uvicorn.setLevel(levels[1])


@pytest.mark.parametrize(
    ("message", "extra"),
    [
        (f"the key is {SECRET}", {}),
        ("attempt", {"error": SECRET}),
        ("attempt", {"seen": {"deep": [SECRET, {SECRET: 1}]}}),
        ("attempt", {"error": ValueError(SECRET)}),
    ],
    ids=["message", "text", "nested", "object"],
)
def test_a_secret_with_quotes_is_redacted_wherever_it_stands(message: str, extra: dict[str, Any], said: Screen) -> None:
    logging.getLogger("receiver.test").info(message, extra=extra)
    line = said.getvalue()
    assert "[redacted]" in line
    assert not any(spelt in line for spelt in (SECRET, repr(SECRET)[1:-1], json.dumps(SECRET)[1:-1]))


def test_a_secret_in_a_traceback_is_redacted(said: Screen) -> None:
    logging.getLogger("receiver.test").error("it failed", exc_info=RuntimeError(SECRET))
    assert "RuntimeError: [redacted]" in said.getvalue()


@pytest.mark.parametrize("said", [False], indirect=True, ids=["pipe"])
def test_values_keep_their_types_in_json(said: Screen) -> None:
    logging.getLogger("receiver.test").warning("attempt", extra={"attempt": 2, "error": None, "late": False})
    line = json.loads(said.getvalue())
    assert list(line) == ["time", "level", "logger", "message", "attempt", "error", "late"]
    assert [line[name] for name in list(line)[1:]] == ["warning", "receiver.test", "attempt", 2, None, False]
