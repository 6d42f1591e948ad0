"""The table of handler types: each is found, only what is named is imported, and types of one's own work."""

import subprocess
import sys
from pathlib import Path

import pytest

from handlers import TYPES, handler_class
from receiver.errors import ConfigError
from receiver.handler import Handler
from receiver.settings import load


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_type_in_the_table_is_a_handler_that_says_its_name(name: str) -> None:
    found = handler_class(name)
    assert issubclass(found, Handler)
    assert found.model_fields["type"].annotation.__args__ == (name,)  # type: ignore[union-attr]  # a Literal


def test_only_the_type_that_is_named_is_imported() -> None:
    code = (
        "import sys, handlers; handlers.handler_class('log'); print([m for m in sys.modules if m == 'handlers.slack'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


UNKNOWN = [
    ("slak", 'is not a handler type; did you mean slack? (one of your own is "module:Class")'),
    (
        "zzz",
        (
            "is not a handler type; known are apprise, email, file, log, s3, slack, webhook "
            '(one of your own is "module:Class")'
        ),
    ),
    ("json:JSONDecoder", "does not name a class that derives from receiver.handler.Handler; correct the name"),
    ("json:nothing", "does not name a class that derives from receiver.handler.Handler; correct the name"),
    (
        "no_such_module_here:Discord",
        "can't be imported (ModuleNotFoundError: No module named 'no_such_module_here'); install or correct the module",
    ),
]


@pytest.mark.parametrize(("name", "expected"), UNKNOWN, ids=[row[0] for row in UNKNOWN])
def test_an_unknown_type_is_one_sentence(name: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        handler_class(name)
    assert caught.value.mistakes == [expected]


OWN = """
from typing import Literal
from pydantic import field_validator
from receiver.handler import Handler

class Plain(Handler):
    room: str

    async def handle(self, delivery):
        pass

class Named(Plain):
    type: Literal["discord"]

class Talkative(Plain):
    @field_validator("room")
    @classmethod
    def check(cls, value):
        raise ValueError(f"does not like {value}")
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["Plain", "Named"])
def test_a_type_of_ones_own_is_named_by_module_and_class(modules: Path, name: str) -> None:
    (modules / f"own_{name.lower()}.py").write_text(OWN, encoding="utf-8")
    config = modules / "receiver.yaml"
    config.write_text(f'handlers:\n  chat: {{type: "own_{name.lower()}:{name}", room: songs}}\n', encoding="utf-8")
    chat = load(config, {}).handlers["chat"]
    assert type(chat).__name__ == name
    assert getattr(chat, "room", None) == "songs"


def test_a_validator_that_tells_the_value_is_not_repeated(modules: Path) -> None:
    (modules / "own_talkative.py").write_text(OWN, encoding="utf-8")
    config = modules / "receiver.yaml"
    config.write_text('handlers:\n  chat: {type: "own_talkative:Talkative", room: canary-1}\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(config, {})
    assert caught.value.mistakes == [f"{config}:2: handlers.chat.room: does not like …"]


def test_an_installed_type_is_named_by_its_entry_point(modules: Path) -> None:
    (modules / "installed_type.py").write_text(OWN, encoding="utf-8")
    dist = modules / "installed_type-1.0.dist-info"
    dist.mkdir()
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: installed-type\nVersion: 1.0\n", encoding="utf-8")
    (dist / "entry_points.txt").write_text("[receiver.handlers]\ndiscord = installed_type:Named\n", encoding="utf-8")
    assert handler_class("discord").__name__ == "Named"


def test_a_module_that_breaks_on_import_does_not_stop_the_rest(modules: Path) -> None:
    (modules / "broken_type.py").write_text("raise RuntimeError('half written')", encoding="utf-8")
    config = modules / "receiver.yaml"
    config.write_text('handlers:\n  chat: {type: "broken_type:Chat"}\n  out: {type: lgo}\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(config, {})
    first, second = caught.value.mistakes
    assert "chat.type: can't be imported (RuntimeError: half written)" in first
    assert "did you mean log?" in second


HANDLES = [
    ("Missing", "class Missing(Handler):\n    pass", False),
    ("Sync", "class Sync(Handler):\n    def handle(self, delivery):\n        pass", False),
    ("Yielding", "class Yielding(Handler):\n    async def handle(self, delivery):\n        yield", False),
    ("Whole", "class Whole(Handler):\n    async def handle(self, delivery):\n        pass", True),
    ("Wrapped", "class Wrapped(Handler):\n    @kept\n    async def handle(self, delivery):\n        pass", True),
]
KEPT = """
import functools
from receiver.handler import Handler

def kept(work):
    @functools.wraps(work)
    def wrapper(self, delivery):
        return work(self, delivery)
    return wrapper

"""


@pytest.mark.parametrize(("name", "text", "taken"), HANDLES, ids=[row[0] for row in HANDLES])
def test_a_class_must_have_an_async_handle_of_its_own(modules: Path, name: str, text: str, taken: bool) -> None:
    (modules / f"handles_{name.lower()}.py").write_text(KEPT + text, encoding="utf-8")
    expected = f"{name} has no `async def handle(self, delivery)`; write it"
    try:
        handler_class(f"handles_{name.lower()}:{name}")
        found = []
    except ConfigError as error:
        found = error.mistakes
    assert found == ([] if taken else [expected])


def test_a_module_beside_the_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "beside_the_file.py").write_text(OWN, encoding="utf-8")
    config = tmp_path / "receiver.yaml"
    config.write_text('handlers:\n  chat: {type: "beside_the_file:Plain", room: songs}\n', encoding="utf-8")
    for _ in range(2):
        assert type(load(config, {}).handlers["chat"]).__name__ == "Plain"
    assert sys.path.count(str(tmp_path)) == 1
    assert sys.path[-1] == str(tmp_path)


def test_a_configuration_without_types_of_ones_own_leaves_the_import_path_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    config = tmp_path / "receiver.yaml"
    config.write_text("handlers:\n  out: {type: log}\n", encoding="utf-8")
    load(config, {})
    assert str(tmp_path) not in sys.path


def test_a_module_that_another_one_misses_is_no_question_of_folders(modules: Path) -> None:
    (modules / "misses_another.py").write_text("import no_such_module_either", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        handler_class("misses_another:Chat", [modules])
    [sentence] = caught.value.mistakes
    assert sentence.endswith("'no_such_module_either'); install or correct the module")
