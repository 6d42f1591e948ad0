"""One mistake a file in tests/config/bad, its message in the file's first lines."""

from pathlib import Path

import pytest

from receiver.errors import ConfigError
from receiver.settings import load

BAD = Path("tests/config/bad")
ENVIRON = {"APP_TOKEN": "app-token-0123456789", "EMPTY": "", "PORT": "x"}
MARK = "# expects"


def mistakes_of(path: Path, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, ENVIRON if environ is None else environ)
    return caught.value.mistakes


def written(folder: Path, text: str) -> Path:
    path = folder / "receiver.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: str(path.stem))
def test_each_mistake_is_told_in_exactly_these_words(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    marked = [f"{path}{line.removeprefix(MARK)}" for line in lines if line.startswith(MARK)]
    expected = [line.replace("{cwd}", str(Path.cwd())) for line in marked]
    assert expected
    assert mistakes_of(path) == expected


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: str(path.stem))
def test_every_mistake_says_what_to_do(path: Path) -> None:
    for sentence in mistakes_of(path):
        said = sentence.partition(": ")[2]
        remedies = (";", "must", "write", "did you mean", "known are", "quote")
        assert any(word in said for word in remedies), said


FILES = [
    ("missing", None, "is not there; write one as the README shows, or name another with --config"),
    ("not UTF-8", b"public_url: \xff\xfe\n", "is not UTF-8 text; save it as UTF-8"),
    ("only comments", b"# nothing\n", "is empty; the README shows an example"),
    ("a text", b"hello\n", "must be a mapping with keys such as `routes:`; the README shows an example"),
    ("control character", b"a: \x01\n", "holds a character that YAML does not allow; remove control characters"),
    ("deep", b"[" * 5000, "is nested too deeply, or an alias stands inside its own anchor; write it out"),
]


@pytest.mark.parametrize(("content", "expected"), [row[1:] for row in FILES], ids=[row[0] for row in FILES])
def test_a_file_that_can_not_be_read_is_one_sentence(tmp_path: Path, content: bytes | None, expected: str) -> None:
    path = tmp_path / "receiver.yaml"
    if content is not None:
        path.write_bytes(content)
    (sentence,) = mistakes_of(path)
    assert sentence.endswith(expected)
    assert sentence.startswith(str(path))


def test_a_directory_is_one_sentence(tmp_path: Path) -> None:
    assert mistakes_of(tmp_path) == [f"{tmp_path}: is a directory; name the file in it"]


CANARY = "canary-3f9a"


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: str(path.stem))
def test_no_mistake_shows_what_a_variable_holds(tmp_path: Path, path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("APP_TOKEN", "CANARY").replace("SLACK_WEBHOOK_URL", "CANARY")
    found = mistakes_of(written(tmp_path, text), {"CANARY": CANARY, "PORT": CANARY, "EMPTY": ""})
    assert found
    assert not [sentence for sentence in found if CANARY in sentence]


VALUES = [
    "public_url: {}",
    "database: {}",
    "secret: [{}, short]",
    "admin: {{password: {{a: {}}}}}",
    "admin: [{}]",
    "clients: {{app: {{token: [tiny, {}]}}}}",
    "clients: {{app: {{token: 0123456789abcdefgh, forward_callbacks: [{}]}}}}",
    "providers: {{suno: {{type: sunoapi, api_key: {{a: {}}}}}}}",
    "providers: {{suno: {{type: sunoapi, api_key: k, base_url: {}}}}}",
    "providers: {{suno: {{type: {}}}}}",
    "handlers: {{team: {{type: slack, webhook_url: {}}}}}",
    "handlers: {{team: {{type: slack, webhook_url: x, retry: [{}], rate: {}, concurrency: {}}}}}",
    "handlers: {{team: {{type: log, level: {}}}}}",
    "limits: {{file: {}}}",
    "outbound: {{allow: ['{}/x']}}",
    "routes: [{{handlers: [{}]}}]",
    "routes: [{{when: {{type: {}, stage: {}, trust: {}}}, handlers: {}}}]",
]


@pytest.mark.parametrize("template", VALUES)
def test_no_mistake_shows_a_value(tmp_path: Path, template: str) -> None:
    found = mistakes_of(written(tmp_path, template.replace("{}", CANARY).format()))
    assert found
    assert not [sentence for sentence in found if CANARY in sentence]


def test_mistakes_stand_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "retention: {events: soon}\nnonsense: 1\nhandlers:\n  a: {type: log, timeout: later}\nsecret: short\n"
    lines = [sentence.split(":")[1] for sentence in mistakes_of(written(tmp_path, text))]
    assert lines == ["1", "2", "4", "5"]


def test_a_broken_handler_is_not_called_unknown_in_routes(tmp_path: Path) -> None:
    text = "handlers:\n  team: {type: slak}\nroutes:\n  - handlers: [team]\n"
    (sentence,) = mistakes_of(written(tmp_path, text))
    assert "did you mean slack?" in sentence


def test_a_mistake_in_a_merged_mapping_points_to_where_it_is_written(tmp_path: Path) -> None:
    text = "handlers:\n  a: &slow\n    type: log\n    timeout: long\n  b:\n    <<: *slow\n"
    lines = {sentence.split(": ")[1]: sentence.split(":")[1] for sentence in mistakes_of(written(tmp_path, text))}
    assert lines == {"handlers.a.timeout": "4", "handlers.b.timeout": "4"}


def test_merging_something_else_than_a_mapping_is_a_mistake(tmp_path: Path) -> None:
    (sentence,) = mistakes_of(written(tmp_path, "handlers:\n  a:\n    <<: text\n    type: log\n"))
    assert sentence.endswith(":3: handlers.a: << takes an alias of a mapping, or a list of them")


def test_a_broken_line_of_the_env_file_is_named_without_its_value(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f'GOOD=1\n{CANARY}\nOPEN="{CANARY}\n', encoding="utf-8")
    found = mistakes_of(written(tmp_path, "database: sqlite:///x.db\n"))
    assert [sentence.removeprefix(str(tmp_path)).split(": ")[0] for sentence in found] == ["/.env:2", "/.env:3"]
    assert CANARY not in str(found)


SECRET_FILES = [
    ("missing", None, "names a file that is not there; create it, or correct the path"),
    ("empty", b"\n", "names an empty file; write the secret into it"),
    ("binary", b"\xff\xfe", "names a file that can't be read as UTF-8 text; check what it is and its permissions"),
]


@pytest.mark.parametrize(
    ("content", "expected"), [row[1:] for row in SECRET_FILES], ids=[row[0] for row in SECRET_FILES]
)
def test_a_secret_file_that_holds_no_secret_is_one_mistake(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    path = written(tmp_path, "clients:\n  app:\n    token_file: token\n")
    assert mistakes_of(path) == [f"{path}:3: clients.app.token_file: {expected}"]


def test_a_secret_from_a_file_is_checked_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("tiny", encoding="utf-8")
    path = written(tmp_path, "clients:\n  app:\n    labels: {a: b}\n    token_file: token\n")
    (sentence,) = mistakes_of(path)
    assert sentence.startswith(f"{path}:4: clients.app.token: is too short")


def test_a_file_for_what_is_no_secret_is_an_unknown_key(tmp_path: Path) -> None:
    (sentence,) = mistakes_of(written(tmp_path, "database_file: db\n"))
    assert "database_file: is not a key here; did you mean database?" in sentence
