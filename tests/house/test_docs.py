"""What the documentation shows works, and what exists is documented."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import handlers
from receiver.cli.commands import app
from receiver.handler import Handler
from receiver.settings import load
from tests.support.deliveries import FakeHttp, World, make_answer, make_delivery

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
VARIABLES = {
    "S3_ACCESS_KEY": "AKIAEXAMPLE",
    "S3_SECRET_KEY": "secret-key-of-a-bucket",
    "PUBLIC_URL": "https://music.example.com",
    "APP_TOKEN": "client-token-123456",
    "SUNO_API_KEY": "provider-key-123",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.example/services/T0/B0/x",
    "SLACK_BOT_TOKEN": "xoxb-token-of-our-bot",
    "WEBHOOK_URL": "https://hooks.example.com/songs",
    "WEBHOOK_SECRET": "whsec_c2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXMuLi4uLi4=",
    "API_TOKEN": "token-of-our-own-api",
    "APPRISE_URL": "ntfys://ntfy.sh/topic",
    "SMTP_PASSWORD": "password-of-our-mail",
    "DATABASE_URL": "postgresql://me:password@db.example.com/receiver",
    "ADMIN_PASSWORD": "password-of-the-admin",
    "S3_BUCKET": "my-songs",
}


def blocks(language: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for number, text in enumerate(re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL), 1):
            yield f"{page.name}-{number}", text


YAML = list(blocks("yaml"))
PYTHON = dict(blocks("python"))


@pytest.mark.parametrize(("name", "text"), YAML, ids=[name for name, _ in YAML])
def test_every_yaml_block_is_a_configuration_that_loads(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "receiver.yaml"
    path.write_text(text)
    load(path, VARIABLES)


def test_the_configuration_that_tells_slack_is_twelve_lines() -> None:
    text = next(text for name, text in YAML if name == "README.md-1")
    assert "type: slack" in text
    assert len(text.splitlines()) <= 12


async def test_the_handler_in_the_readme_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PYTHON["README.md-1"]
    assert len([line for line in text.splitlines() if line]) <= 16
    (tmp_path / "my_handlers.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_handlers", raising=False)
    discord = handlers.handler_class("my_handlers:Discord").model_validate(
        {"type": "my_handlers:Discord", "webhook_url": "https://discord.example/webhook"}
    )
    http = FakeHttp(make_answer(204))
    assert isinstance(discord, Handler)
    assert await discord.handle(make_delivery(World(http=http))) is None
    assert http.sent[0].url == "https://discord.example/webhook"


@pytest.mark.parametrize("type_", handlers.TYPES)
def test_every_handler_type_has_its_section(type_: str) -> None:
    assert f"## `{type_}`" in (ROOT / "docs/handlers.md").read_text()
    assert f"| `{type_}` |" in (ROOT / "README.md").read_text()


def commands() -> list[str]:
    return list(typer.main.get_command(app).commands)  # type: ignore[attr-defined]  # a group, as the app has commands


@pytest.mark.parametrize("command", commands())
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"`receiver {command}" in README or f"`{command}`" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


README = (ROOT / "README.md").read_text()
