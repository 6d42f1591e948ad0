"""The configuration's documents: the commented default is whole and loads, the examples load, the schema is current."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

import handlers
from receiver import providers
from receiver.events import OWN_TYPES
from receiver.settings import load, warnings
from receiver.settings.model import (
    Admin,
    Bounds,
    Client,
    Limits,
    Outbound,
    Retention,
    RouteSection,
    Settings,
    StepOptions,
    When,
)
from receiver.settings.schema import PLACE, schema, text

CONFIG = Path("config")
MANUAL = CONFIG / "receiver.yaml"
EXAMPLES = sorted((CONFIG / "examples").glob("*.yaml"))
ENVIRON = {
    "S3_ACCESS_KEY": "AKIAEXAMPLE",
    "S3_SECRET_KEY": "secret-key-of-a-bucket",
    "APP_TOKEN": "app-token-0123456789",
    "SUNO_API_KEY": "key",
    "PUBLIC_URL": "https://music.example.com",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/x",
    "SLACK_BOT_TOKEN": "xoxb-token-of-our-bot",
    "WEBHOOK_URL": "https://hooks.example.com/songs",
    "WEBHOOK_SECRET": "whsec_c2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXMuLi4uLi4=",
    "API_TOKEN": "token-of-our-own-api",
    "APPRISE_URL": "ntfys://ntfy.sh/topic",
    "SMTP_PASSWORD": "password-of-our-mail",
}
HOST = {
    "DATABASE_URL": "postgresql://me:password@db.example.com/receiver",
    "ADMIN_PASSWORD": "password-of-the-admin",
    "S3_BUCKET": "my-songs",
}
SECTIONS: list[type[BaseModel]] = [
    Settings,
    Admin,
    Client,
    Outbound,
    Limits,
    Retention,
    RouteSection,
    When,
    Bounds,
    StepOptions,
    *(handlers.handler_class(name) for name in handlers.TYPES),
    *(providers.provider_class(name) for name in providers.TYPES),
]
KEYS = sorted({field.alias or name for model in SECTIONS for name, field in model.model_fields.items()})


def switched_on() -> str:
    """The manual with every key that is switched off switched on."""
    return re.sub(r"^( *)#(?=\S)", r"\1", MANUAL.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_the_default_asks_for_nothing_but_a_key_and_a_token() -> None:
    settings = load(MANUAL, {"APP_TOKEN": ENVIRON["APP_TOKEN"], "SUNO_API_KEY": "key"})
    assert settings.public_url is None
    assert settings.default_provider == "suno"


def test_the_default_has_no_warning_once_it_is_reachable() -> None:
    assert warnings(load(MANUAL, ENVIRON), ENVIRON) == []


def test_the_default_states_the_defaults() -> None:
    plain = Settings()
    settings = load(MANUAL, ENVIRON)
    for name in ("database", "secret", "admin", "outbound", "limits", "retention"):
        assert getattr(settings, name) == getattr(plain, name), name
    stated = settings.handlers["archive"]
    bare = type(stated).model_validate({"type": "file", "directory": "data/songs"})
    assert stated == bare


def test_every_key_that_is_switched_off_works_when_switched_on(tmp_path: Path) -> None:
    path = tmp_path / "receiver.yaml"
    path.write_text(switched_on(), encoding="utf-8")
    settings = load(path, ENVIRON)
    assert "team" in settings.handlers
    assert settings.routes[0].when.unless is not None


@pytest.mark.parametrize("key", KEYS)
def test_every_key_stands_in_the_default(key: str) -> None:
    assert re.search(rf"(^|[\s{{,]){re.escape(key)}(:|\.\w)", switched_on(), re.MULTILINE)


@pytest.mark.parametrize("event_type", OWN_TYPES)
def test_every_type_of_our_own_stands_in_the_default(event_type: str) -> None:
    assert event_type in MANUAL.read_text(encoding="utf-8")


@pytest.mark.parametrize("model", SECTIONS, ids=lambda model: str(model.__name__))
def test_every_key_is_described(model: type[BaseModel]) -> None:
    undescribed = [name for name, field in model.model_fields.items() if name != "type" and not field.description]
    assert undescribed == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.stem))
def test_every_example_loads(path: Path) -> None:
    settings = load(path, ENVIRON | HOST)
    assert settings.routes
    assert settings.clients


def test_the_example_for_a_procfile_host_has_no_warning_there() -> None:
    environ = ENVIRON | HOST | {"DYNO": "web.1"}
    assert warnings(load(CONFIG / "examples" / "procfile-host.yaml", environ), environ) == []


def test_there_is_a_slack_example_of_twelve_lines() -> None:
    assert len((CONFIG / "examples" / "slack.yaml").read_text(encoding="utf-8").splitlines()) <= 12


def test_the_schema_is_current() -> None:
    assert PLACE.read_text(encoding="utf-8") == text(), "run: python -m receiver.settings.schema"


def fits(value: Any, shape: dict[str, Any], root: dict[str, Any]) -> bool:
    """Whether a value fits the parts of JSON Schema that ours is made of."""
    if "$ref" in shape:
        return fits(value, root["$defs"][shape["$ref"].rpartition("/")[2]], root)
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}
    checks = [
        "type" not in shape or isinstance(value, kinds[shape["type"]]),
        "const" not in shape or value == shape["const"],
        "enum" not in shape or value in shape["enum"],
        "pattern" not in shape or not isinstance(value, str) or bool(re.search(shape["pattern"], value)),
        "anyOf" not in shape or any(fits(value, part, root) for part in shape["anyOf"]),
        "oneOf" not in shape or sum(fits(value, part, root) for part in shape["oneOf"]) == 1,
        all(fits(value, part, root) for part in shape.get("allOf", ())),
        not isinstance(value, list) or all(fits(item, shape.get("items", {}), root) for item in value),
        not isinstance(value, dict) or fits_object(value, shape, root),
    ]
    return all(checks)


def fits_object(value: dict[str, Any], shape: dict[str, Any], root: dict[str, Any]) -> bool:
    if not set(shape.get("required", ())) <= set(value):
        return False
    named = shape.get("propertyNames", {})
    return all(fits(key, named, root) and fits(item, shape_of(key, shape), root) for key, item in value.items())


def shape_of(key: str, shape: dict[str, Any]) -> dict[str, Any]:
    if key in shape.get("properties", {}):
        return dict(shape["properties"][key])
    for pattern, found in shape.get("patternProperties", {}).items():
        if re.search(pattern, key):
            return dict(found)
    rest = shape.get("additionalProperties", {})
    return {"enum": []} if rest is False else dict(rest)


def parsed(source: str) -> Any:
    """The YAML as an editor sees it."""
    return json.loads(json.dumps(YAML(typ="safe", pure=True).load(source)))


@pytest.mark.parametrize("path", [MANUAL, *EXAMPLES], ids=lambda path: str(path.stem))
def test_the_schema_accepts_what_we_ship(path: Path) -> None:
    assert fits(parsed(path.read_text(encoding="utf-8")), schema(), schema())


def test_the_schema_accepts_every_key() -> None:
    assert fits(parsed(switched_on()), schema(), schema())


ACCEPTED = [
    ("a secret from a file", "clients: {app: {token_file: x}}"),
    ("several secrets", "secret: [a, b]"),
    ("a number from a variable", 'handlers: {out: {type: log, concurrency: "${N:-4}"}}'),
    ("a truth from a variable", 'providers: {suno: {type: sunoapi, api_key: k, default: "${D}"}}'),
    ("a duration from a variable", 'retention: {events: "${KEEP:-90d}"}'),
    ("a type of one's own", 'handlers: {chat: {type: "my_handlers:Discord", room: 5}}'),
]
REFUSED = [
    ("an unknown key", "public_ur: x"),
    ("an unknown key of a handler", "handlers: {out: {type: log, colour: red}}"),
    ("an unknown type", "handlers: {out: {type: lgo}}"),
    ("a missing secret", "clients: {app: {}}"),
    ("a missing key", "handlers: {archive: {type: file}}"),
    ("a duration without unit", "retention: {events: 90}"),
    ("a word that is none", "handlers: {out: {type: log, level: loud}}"),
    ("a name with spaces", "handlers: {my out: {type: log}}"),
    ("nested labels", "routes: [{when: {labels: {a: b}}, handlers: [out]}]"),
    ("a route without handlers", "routes: [{when: {type: a}}]"),
]


@pytest.mark.parametrize("source", [row[1] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_the_schema_accepts(source: str) -> None:
    assert fits(parsed(source), schema(), schema())


@pytest.mark.parametrize("source", [row[1] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_the_schema_refuses(source: str) -> None:
    assert not fits(parsed(source), schema(), schema())
