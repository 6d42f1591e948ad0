from pathlib import Path

import pytest

from receiver.cli.program import spelt


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def nowhere(name: str) -> str | None:
    return None


@pytest.mark.parametrize(
    ("started", "found", "said"),
    [
        ("HERE/.venv/bin/receiver", None, ".venv/bin/receiver"),
        (".venv/bin/receiver", "/usr/bin/receiver", ".venv/bin/receiver"),
        ("HERE/.venv/bin/receiver", "HERE/.venv/bin/receiver", "receiver"),
        ("/opt/my tools/receiver", None, "'/opt/my tools/receiver'"),
        ("HERE/receiver/__main__.py", None, ".venv/bin/python -m receiver"),
        ("HERE/receiver/__main__.py", "HERE/.venv/bin/python", "python -m receiver"),
    ],
    ids=["below here", "another by this name", "by its name", "elsewhere", "as a module", "as a module, by its name"],
)
def test_a_command_to_copy_runs_this_very_program(started: str, found: str | None, said: str, here: Path) -> None:
    def which(name: str) -> str | None:
        return found.replace("HERE", str(here)) if found and found.endswith(f"/{name}") else None

    assert spelt(started.replace("HERE", str(here)), f"{here}/.venv/bin/python", which) == said


def test_a_link_to_a_python_elsewhere_is_not_followed(here: Path) -> None:
    (here / "python").symlink_to("/usr/bin/env")
    assert spelt("receiver/__main__.py", f"{here}/python", nowhere) == "python -m receiver"
