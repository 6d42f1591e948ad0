"""Reads the file: YAML, variables, secret files, then every part; all mistakes are told at once."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from handlers import handler_class
from receiver.errors import ConfigError
from receiver.providers import TYPES, provider_class
from receiver.providers.base import Provider
from receiver.settings.fallbacks import check_fallbacks
from receiver.settings.mistakes import Mistakes
from receiver.settings.model import Client, Settings
from receiver.settings.parts import Reading, build, build_each, classes, entries
from receiver.settings.routes import build_routes
from receiver.settings.variables import Variables, read_env
from receiver.settings.vocabulary import RESERVED_HANDLERS, RESERVED_PROVIDERS, Vocabulary
from receiver.settings.yaml import parse
from receiver.units import suggestion


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings in this file. A `.env` beside it fills what `environ` lacks.

    Raises ConfigError with every mistake: one line each, with file, line, key path and remedy, in the file's order.
    """
    mistakes = Mistakes(str(path))
    raw = _raw(path, mistakes)
    known = {**read_env(path.parent / ".env", mistakes), **environ}
    variables = Variables(known, mistakes)
    settings = _settings(variables.fill(raw), Reading(mistakes, path.parent, variables))
    mistakes.settle()
    if settings is None:
        raise ConfigError([f"{path}: can't be used"])
    return settings


def _raw(path: Path, mistakes: Mistakes) -> dict[str, Any]:
    """What is written in the file. Raises ConfigError where there is nothing to go on with."""
    text = _text(path, mistakes)
    mistakes.settle()
    raw = parse(text, mistakes)
    # Duplicate keys and the like are told with all the rest; without any key there is no rest.
    if not isinstance(raw, dict):
        mistakes.settle()
        said = "is empty" if raw is None else "must be a mapping with keys such as `routes:`"
        mistakes.add((), f"{said}; the README shows an example")
        mistakes.settle()
    found: dict[str, Any] = raw
    return found


def _text(path: Path, mistakes: Mistakes) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        mistakes.add((), "is not there; write one as the README shows, or name another with --config")
    except IsADirectoryError:
        mistakes.add((), "is a directory; name the file in it")
    except UnicodeDecodeError:
        mistakes.add((), "is not UTF-8 text; save it as UTF-8")
    except OSError as error:
        mistakes.add((), f"can't be read ({error.strerror}); check its permissions")
    return ""


def _settings(raw: dict[str, Any], reading: Reading) -> Settings | None:
    clients = entries(raw.get("clients"), "clients", frozenset(), reading)
    providers = entries(raw.get("providers"), "providers", RESERVED_PROVIDERS, reading)
    handlers = entries(raw.get("handlers"), "handlers", RESERVED_HANDLERS, reading)
    provider_types = classes(providers, "providers", _provider_class, reading)
    # A module of the user's lies where the receiver is started, or beside the file that names it.
    find_handler = partial(handler_class, folders=(Path.cwd(), reading.folder))
    handler_types = classes(handlers, "handlers", find_handler, reading)
    built_clients = build_each(clients, "clients", dict.fromkeys(clients, Client), reading)
    built_providers = build_each(providers, "providers", provider_types, reading)
    vocabulary = Vocabulary(frozenset(providers), frozenset(clients), _operations(built_providers, len(providers)))
    built_handlers = build_each(handlers, "handlers", handler_types, reading)
    check_fallbacks(built_handlers, handlers, reading.mistakes)
    parts = {
        "clients": built_clients,
        "providers": built_providers,
        "handlers": built_handlers,
        "routes": build_routes(raw.get("routes"), handlers, vocabulary, reading),
    }
    settings = build(Settings, raw | parts, (), reading)
    _check_tokens(built_clients, settings, reading.mistakes)
    _check_default(built_providers, reading.mistakes)
    return settings


def _provider_class(type_name: str) -> type[Provider]:
    if type_name not in TYPES:
        raise ConfigError([f"is not a provider type; {suggestion(type_name, TYPES)}"])
    return provider_class(type_name)


def _operations(built: Mapping[str, Provider], wanted: int) -> frozenset[str]:
    """What can be asked for; nothing where a provider has mistakes: nothing is called unknown because of those."""
    if len(built) < wanted or not built:
        return frozenset()
    return frozenset(row.name for provider in built.values() for row in provider.rows()) | {"other"}


def _check_tokens(clients: Mapping[str, Client], settings: Settings | None, mistakes: Mistakes) -> None:
    password = settings.admin.password if settings is not None else None
    owners = {secret.get_secret_value(): "admin.password" for secret in password or ()}
    for name, client in clients.items():
        for token in client.token:
            owner = owners.setdefault(token.get_secret_value(), f"clients.{name}.token")
            if owner != f"clients.{name}.token":
                mistakes.add(("clients", name, "token"), f"is the same as {owner}; give each its own")


def _check_default(providers: Mapping[str, Provider], mistakes: Mistakes) -> None:
    defaults = [name for name, provider in providers.items() if provider.default]
    for name in defaults[1:]:
        mistakes.add(
            ("providers", name, "default"), f"is true for {defaults[0]} too; only one provider can be the default"
        )
