"""The tree keeps the form that the style rules give it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [path for folder in ("receiver", "handlers", "tests", "bench") for path in (ROOT / folder).rglob("*.py")]
MODULES = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in {"receiver", "handlers", "bench"}]
MOST_LINES, MOST_FUNCTION_LINES, MOST_DOCSTRING_LINES = 400, 50, 40


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MOST_FUNCTION_LINES, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_every_module_says_its_role(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring, "a module says in one to three lines what it is in the flow"
    assert len(docstring.splitlines()) <= MOST_DOCSTRING_LINES


def test_http_is_spoken_in_outbound_only() -> None:
    speaking = {name(path) for path in MODULES if "import httpx2" in path.read_text()}
    assert {path for path in speaking if not path.startswith("receiver/outbound/")} <= set()


def test_the_providers_spelling_stays_in_the_providers() -> None:
    # The simulator is a provider, and what asks it speaks as its client.
    allowed = ("receiver/providers/", "receiver/simulator/", "receiver/settings/model.py", "receiver/cli/", "bench/")
    spelled = [name(path) for path in MODULES if "callBackUrl" in path.read_text()]
    assert [path for path in spelled if not path.startswith(allowed)] == []


def test_there_is_no_init_file_below_tests() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
