from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from handlers.file import FileArchive
from handlers.log import Log
from receiver.events import Trust
from receiver.providers.sunoapi import SunoApi
from receiver.routing import Globs, Match, Route, Step
from receiver.settings import Settings, load

TOKEN = "0123456789abcdef"


def loaded(folder: Path, text: str, **environ: str) -> Settings:
    path = folder / "receiver.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, environ)


def shown(secrets: tuple[SecretStr, ...] | None) -> list[str]:
    return [secret.get_secret_value() for secret in secrets or ()]


def test_a_file_with_one_key_has_the_documented_defaults(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "outbound: {}\n")
    assert settings == Settings()
    assert (settings.public_url, settings.database, settings.secret) == (None, "sqlite:///data/receiver.db", ())
    assert settings.limits.callback_body == 8 * 2**20
    assert settings.limits.free_disk == 500 * 2**20
    assert settings.retention.events == timedelta(days=90)
    assert settings.retention.callbacks == timedelta(days=30)


def test_settings_can_not_be_changed(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "outbound: {}\n")
    with pytest.raises(ValidationError, match="frozen"):
        settings.database = "sqlite:///other.db"  # type: ignore[misc]  # the very thing that must fail


def test_providers_and_handlers_are_of_the_class_that_their_type_names(tmp_path: Path) -> None:
    text = """
providers:
  suno: {type: sunoapi, api_key: k, deadline: 7m}
handlers:
  archive: {type: file, directory: data/songs}
  out: {type: log, concurrency: 2, retry: [1s, 1m]}
"""
    settings = loaded(tmp_path, text)
    assert isinstance(settings.providers["suno"], SunoApi)
    assert settings.providers["suno"].deadline == timedelta(minutes=7)
    assert isinstance(settings.handlers["archive"], FileArchive)
    out = settings.handlers["out"]
    assert isinstance(out, Log)
    assert (out.concurrency, out.retry) == (2, (timedelta(seconds=1), timedelta(minutes=1)))


def test_a_route_is_what_was_written(tmp_path: Path) -> None:
    text = """
clients:
  app: {token: 0123456789abcdef}
handlers:
  archive: {type: file, directory: data}
  out: {type: log}
routes:
  - when:
      type: [music.complete, "lyrics.*"]
      client: app
      labels.project: "pod*"
      duration: {min: 60s, max: 4m}
      trust: signed
      not: {labels.project: podium, via: status}
    handlers:
      - archive
      - out: {needs: archive, wait: 1h, on_failure: stop}
  - otherwise: true
    handlers: [out: ]
"""
    unless = Match(fields={"via": Globs(("status",))}, labels={"project": Globs(("podium",))})
    when = Match(
        fields={"type": Globs(("music.complete", "lyrics.*")), "client": Globs(("app",))},
        labels={"project": Globs(("pod*",))},
        shortest=timedelta(seconds=60),
        longest=timedelta(minutes=4),
        trust=Trust.SIGNED,
        unless=unless,
    )
    waiting = Step(handler="out", needs=("archive",), wait=timedelta(hours=1), stop=True)
    assert loaded(tmp_path, text).routes == (
        Route(when=when, handlers=(Step(handler="archive"), waiting)),
        Route(handlers=(Step(handler="out"),), otherwise=True),
    )


SCALARS = [
    ("0123", "0123"),
    ("1.10", "1.10"),
    ("on", "on"),
    ("yes", "yes"),
    ("2026-01-02", "2026-01-02"),
    ("'null'", "null"),
    ("22:30", "22:30"),
    ("0x10", "0x10"),
    ("${PLAIN}", "007"),
    ("a${PLAIN}b", "a007b"),
    ("$${PLAIN}", "${PLAIN}"),
    ("${GONE:-fallback}", "fallback"),
    ("${GONE:-}x", "x"),
    ("${EMPTY:-fallback}", "fallback"),
    ("${PLAIN:-fallback}", "007"),
    ("$PLAIN", "$PLAIN"),
    ('"${QUOTED}"', "a: b # c ${PLAIN}"),
]


@pytest.mark.parametrize(("written", "expected"), SCALARS, ids=[row[0] for row in SCALARS])
def test_a_value_is_the_text_that_was_written(tmp_path: Path, written: str, expected: str) -> None:
    text = f"clients:\n  app:\n    token: {TOKEN}\n    labels:\n      x: {written}\n"
    settings = loaded(tmp_path, text, PLAIN="007", EMPTY="", QUOTED="a: b # c ${PLAIN}")
    assert settings.clients["app"].labels == {"x": expected}


def test_numbers_and_truths_may_come_from_variables(tmp_path: Path) -> None:
    text = """
providers:
  suno: {type: sunoapi, api_key: k, default: "${DEFAULT:-true}"}
handlers:
  out: {type: log, concurrency: "${MANY:-7}", timeout: "${TIME:-5m}"}
limits: {file: "${SIZE:-1MiB}"}
"""
    settings = loaded(tmp_path, text)
    assert settings.providers["suno"].default is True
    assert settings.handlers["out"].concurrency == 7
    assert settings.handlers["out"].timeout == timedelta(minutes=5)
    assert settings.limits.file == 2**20


@pytest.mark.parametrize("nothing", ["", "~", "null", "${GONE:-}"], ids=["nothing", "tilde", "null", "empty variable"])
def test_what_is_empty_counts_as_left_out(tmp_path: Path, nothing: str) -> None:
    text = "".join(f"{key}: {nothing}\n" for key in ("public_url", "database", "secret", "clients", "routes", "limits"))
    assert loaded(tmp_path, text + f"admin:\n  password: {nothing}\n") == Settings()


@pytest.mark.parametrize("key", ["secret", "public_url"])
def test_an_empty_text_is_no_secret_and_no_address(tmp_path: Path, key: str) -> None:
    if key == "secret":
        assert loaded(tmp_path, 'secret: ""\nadmin: {password: ""}\n') == Settings()
    else:
        assert loaded(tmp_path, "public_url: ${GONE:-}\n").public_url is None


ROTATIONS = [
    ("comma-separated text", f'"{TOKEN}-new, {TOKEN}-old"'),
    ("a list", f"[{TOKEN}-new, {TOKEN}-old]"),
    ("a variable with commas", "${TOKENS}"),
    ("a list of variables", '["${NEW}", "${OLD}", "${OLDER:-}"]'),
]


@pytest.mark.parametrize("written", [row[1] for row in ROTATIONS], ids=[row[0] for row in ROTATIONS])
def test_several_secrets_stay_in_order(tmp_path: Path, written: str) -> None:
    environ = {"TOKENS": f"{TOKEN}-new,{TOKEN}-old", "NEW": f"{TOKEN}-new", "OLD": f"{TOKEN}-old"}
    settings = loaded(tmp_path, f"secret: {written}\nclients:\n  app:\n    token: {written}\n", **environ)
    assert shown(settings.secret) == [f"{TOKEN}-new", f"{TOKEN}-old"]
    assert shown(settings.clients["app"].token) == shown(settings.secret)


def test_any_secret_may_come_from_a_file(tmp_path: Path) -> None:
    contents = {
        "secret": f"{TOKEN}\n",
        "password": "a long password\r\n",
        "token": f"{TOKEN}-a,{TOKEN}-b",
        "key": "${NOT_A_VARIABLE}",
        "url": "https://hooks.slack.com/services/T/B/x\n",
    }
    (tmp_path / "run").mkdir()
    for name, content in contents.items():
        (tmp_path / "run" / name).write_text(content, encoding="utf-8")
    text = f"""
secret_file: run/secret
admin: {{password_file: run/password}}
clients:
  app: {{token_file: "{tmp_path}/run/token"}}
providers:
  suno: {{type: sunoapi, api_key_file: run/key}}
handlers:
  team: {{type: slack, webhook_url_file: run/url}}
"""
    settings = loaded(tmp_path, text)
    assert shown(settings.secret) == [TOKEN]
    assert shown(settings.admin.password) == ["a long password"]
    assert shown(settings.clients["app"].token) == [f"{TOKEN}-a", f"{TOKEN}-b"]
    assert settings.providers["suno"].api_key.get_secret_value() == "${NOT_A_VARIABLE}"
    assert settings.handlers["team"].secrets() == ("https://hooks.slack.com/services/T/B/x",)


def test_no_secret_shows_in_the_settings_text(tmp_path: Path) -> None:
    text = "database: postgresql://me:${S}@localhost/songs\nsecret: ${S}\n"
    text += "admin: {password: '${S}1', metrics_token: '${S}2'}\nclients: {app: {token: '${S}3'}}\n"
    settings = loaded(tmp_path, text + "providers: {suno: {type: sunoapi, api_key: '${S}4'}}\n", S="canary-0123456789")
    assert "canary" not in repr(settings) + str(settings)


ENV_LINES = [
    ("KEY=plain", "plain"),
    ("export KEY=plain", "plain"),
    ("KEY = spaced  ", "spaced"),
    ("KEY=plain # comment", "plain"),
    ("KEY=pl#ain", "pl#ain"),
    ("KEY='single # $x \"' # comment", 'single # $x "'),
    ('KEY="double # \\"quoted\\" \\n"', 'double # "quoted" \n'),
    ("# KEY=comment\n\nKEY=after", "after"),
    ("KEY=first\nKEY=second", "second"),
    ("KEY=a=b", "a=b"),
]


@pytest.mark.parametrize(("line", "expected"), ENV_LINES, ids=[row[0] for row in ENV_LINES])
def test_the_env_file_beside_the_configuration_is_read(tmp_path: Path, line: str, expected: str) -> None:
    (tmp_path / ".env").write_text(line + "\n", encoding="utf-8")
    settings = loaded(tmp_path, f"clients:\n  app:\n    token: {TOKEN}\n    labels:\n      x: ${{KEY}}\n")
    assert settings.clients["app"].labels == {"x": expected}


def test_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("URL=https://file.example.com\n", encoding="utf-8")
    assert (
        loaded(tmp_path, "public_url: ${URL}\n", URL="https://real.example.com").public_url
        == "https://real.example.com"
    )


PUBLIC_URLS = [
    ("https://music.example.com/", "https://music.example.com"),
    ("https://music.example.com:8443/suno/", "https://music.example.com:8443/suno"),
    ("http://[::1]:8000", "http://[::1]:8000"),
]


@pytest.mark.parametrize(("written", "expected"), PUBLIC_URLS, ids=[row[0] for row in PUBLIC_URLS])
def test_a_public_url_ends_without_a_slash(tmp_path: Path, written: str, expected: str) -> None:
    assert loaded(tmp_path, f"public_url: '{written}'\n").public_url == expected


BAD_URLS = [
    "ftp://music.example.com",
    "https://",
    "https://:443",
    "https://music.example.com:99999",
    "https://music.example.com:0",
    "https://[::1",
    "https://music.example.com/#top",
    "https://music.example.com/?",
    "https://user@music.example.com",
    "https://music.example.com/a b",
    "https://*.example.com",
    "music.example.com",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_what_is_no_public_address_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        Settings(public_url=url)


DATABASES = [
    ("sqlite:///data/receiver.db", True),
    ("sqlite:////var/lib/receiver.db", True),
    ("sqlite://data/receiver.db", False),
    ("sqlite:///", False),
    ("sqlite:////", False),
    ("sqlite:///:memory:", False),
    ("sqlite:///data/x.db?mode=ro", False),
    ("data/receiver.db", False),
    ("postgres://localhost/x", True),
    ("postgresql://me:se:cret%40@db.example.com:5432/receiver?sslmode=verify-full&sslrootcert=/etc/ca.pem", True),
    ("postgresql://me@[::1]:5432/receiver", True),
    ("postgresql://one.example.com:5432,two.example.com:5433/receiver", True),
    ("postgresql:///receiver?host=/var/run/postgresql", True),
    ("postgresql://me@%2Fvar%2Frun%2Fpostgresql/receiver", True),
    ("postgresql+asyncpg://localhost/x", False),
    ("postgresql://localhost", False),
    ("postgresql://localhost/", False),
    ("postgresql:///receiver", False),
    ("postgresql:localhost/x", False),
    ("postgresql://me:se@cret@localhost/x", False),
    ("postgresql://me:se/cret@localhost/x", False),
    ("postgresql://me:se#cret@localhost/x", False),
    ("postgresql://localhost:70000/x", False),
    ("postgresql://localhost:db/x", False),
    ("postgresql://localhost/x?sslmode", False),
    ("postgresql://localhost/x y", False),
]


@pytest.mark.parametrize(("url", "good"), DATABASES, ids=[row[0] for row in DATABASES])
def test_databases_are_sqlite_files_and_postgresql_servers(url: str, good: bool) -> None:
    if good:
        assert Settings(database=url).database == url
        return
    with pytest.raises(ValidationError):
        Settings(database=url)


DEFAULTS = [
    ("none", "", None),
    ("the only one", "  suno: {type: sunoapi, api_key: k}", "suno"),
    ("the one that says so", "  a: {type: sunoapi, api_key: k}\n  b: {type: sunoapi, api_key: k, default: true}", "b"),
    ("none says so", "  a: {type: sunoapi, api_key: k}\n  b: {type: sunoapi, api_key: k}", None),
]


@pytest.mark.parametrize(("providers", "expected"), [row[1:] for row in DEFAULTS], ids=[row[0] for row in DEFAULTS])
def test_the_default_provider(tmp_path: Path, providers: str, expected: str | None) -> None:
    assert loaded(tmp_path, f"providers:\n{providers}\n").default_provider == expected


def test_anchors_and_merge_keys_share_what_is_common(tmp_path: Path) -> None:
    text = """
handlers:
  a: &slow {type: log, timeout: 9m, level: error}
  b: {<<: *slow, level: debug}
  c: {<<: [{level: warning, type: log}, *slow]}
"""
    handlers = loaded(tmp_path, text).handlers
    assert [(handler.timeout, getattr(handler, "level", "")) for handler in handlers.values()] == [
        (timedelta(minutes=9), "error"),
        (timedelta(minutes=9), "debug"),
        (timedelta(minutes=9), "warning"),
    ]


def test_needs_may_run_in_one_direction_over_several_routes(tmp_path: Path) -> None:
    text = """
handlers: {a: {type: log}, b: {type: log}, c: {type: log}}
routes:
  - handlers: [a, b: {needs: a}]
  - handlers: [b, c: {needs: b}]
  - handlers: [a, c: {needs: a}]
"""
    assert len(loaded(tmp_path, text).routes) == 3


def test_five_hundred_routes_load(tmp_path: Path) -> None:
    routes = "".join(f"  - when: {{type: music.complete, labels.n: '{n}'}}\n    handlers: [out]\n" for n in range(500))
    assert len(loaded(tmp_path, "handlers: {out: {type: log}}\nroutes:\n" + routes).routes) == 500


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    assert loaded(tmp_path, "\ufeffhandlers:\r\n  out:\r\n    type: log\r\n").handlers.keys() == {"out"}
