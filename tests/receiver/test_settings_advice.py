from pathlib import Path

import pytest

from receiver.settings import load, warnings

GOOD = """
public_url: {url}
admin: {{password: a long password}}
clients:
  app: {{token: 0123456789abcdef}}
providers:
  suno: {{type: sunoapi, api_key: k}}
handlers:
  archive: {{type: file, directory: data}}
  problems: {{type: log}}
routes:
  - handlers: [archive]
  - when: {{level: problem}}
    handlers: [problems]
"""


def advice(folder: Path, text: str) -> list[str]:
    path = folder / "receiver.yaml"
    path.write_text(text, encoding="utf-8")
    return warnings(load(path, {}), {})


def good(url: str = "https://music.example.com") -> str:
    return GOOD.format(url=url)


def test_a_good_configuration_has_no_warning(tmp_path: Path) -> None:
    assert advice(tmp_path, good()) == []


CHANGES = [
    ("status mode", "public_url: https://music.example.com\n", "", "public_url: is left out"),
    ("no clients", "  app: {token: 0123456789abcdef}\n", "", "clients: there is none"),
    ("no providers", "  suno: {type: sunoapi, api_key: k}\n", "", "providers: there is none"),
    (
        "no default",
        "  suno: {type: sunoapi, api_key: k}\n",
        "  suno: {type: sunoapi, api_key: k}\n  two: {type: sunoapi, api_key: k}\n",
        "providers: none says `default: true`",
    ),
    ("short password", "a long password", "short", "admin.password: is short"),
    ("unused handler", "handlers: [archive]", "handlers: [problems]", "handlers.archive: no route names it"),
    ("alarms unheard", "{level: problem}", "{stage: failed}", "handlers.archive: its alarms have nowhere to go"),
    (
        "alarms to itself",
        "handlers: [problems]",
        "handlers: [archive]",
        "handlers.archive: its alarms have nowhere to go",
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_what_may_not_be_meant_is_warned_of(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in good()
    found = advice(tmp_path, good().replace(old, new))
    assert [sentence for sentence in found if sentence.startswith(expected)], found


ALARMS = ["{type: delivery.dead}", "{type: handler.*}", "{type: [music.failed, delivery.*]}", "{level: problem}"]


@pytest.mark.parametrize("when", ALARMS)
def test_alarms_that_another_handler_hears_are_no_warning(tmp_path: Path, when: str) -> None:
    assert advice(tmp_path, good().replace("{level: problem}", when)) == []


def test_without_routes_only_that_is_said_of_handlers(tmp_path: Path) -> None:
    found = advice(tmp_path, good().partition("routes:")[0])
    assert [sentence.split(":")[0] for sentence in found] == ["routes"]


HOSTS = [
    ("http://music.example.com", True),
    ("http://93.184.216.34:8000", True),
    ("https://music.example.com", False),
    ("http://localhost:8000", False),
    ("http://receiver:8000", False),
    ("http://10.0.0.5", False),
    ("http://music.home.arpa", False),
]


@pytest.mark.parametrize(("url", "warned"), HOSTS, ids=[row[0] for row in HOSTS])
def test_http_on_a_public_host_is_warned_of(tmp_path: Path, url: str, warned: bool) -> None:
    assert bool(advice(tmp_path, good(url))) is warned


API = "https://music.example.com/api"
PATHS = [
    ("https://music.example.com", []),
    ("https://music.example.com/", []),
    ("https://music.example.com/songs/", ["…/songs/callbacks/…; leave it out, unless a proxy takes it off"]),
    ("https://music.example.com/apis", ["…/apis/callbacks/…; leave it out, unless a proxy takes it off"]),
    (API, ["…/api/callbacks/…; write the address without it"]),
    (f"{API}/v1/generate", ["…/api/v1/generate/callbacks/…; write the address without it"]),
]


@pytest.mark.parametrize(("url", "expected"), PATHS, ids=[row[0] for row in PATHS])
def test_a_path_in_the_public_address_is_warned_of(tmp_path: Path, url: str, expected: list[str]) -> None:
    start = "public_url: has a path: the provider's callbacks would go to "
    assert advice(tmp_path, good(url)) == [start + said for said in expected]


IDLE = [
    ("admin: {password: a long password", ", metrics_token: abc", "admin.metrics_token"),
]


@pytest.mark.parametrize(("after", "added", "key"), IDLE, ids=[row[2] for row in IDLE])
def test_a_key_that_nothing_reads_is_warned_of_where_it_is_set(
    tmp_path: Path, after: str, added: str, key: str
) -> None:
    assert good().count(after) == 1
    [sentence] = advice(tmp_path, good().replace(after, after + added))
    assert sentence.startswith(f"{key}: has no effect, this version ")
    assert sentence.endswith("; remove it")


def test_an_idle_key_that_a_variable_leaves_empty_is_not_set(tmp_path: Path) -> None:
    text = good().replace("admin: {", 'admin: {metrics_token: "${NOTHING:-}", ')
    assert advice(tmp_path, text) == []
