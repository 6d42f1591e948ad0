"""Warnings about settings that can be used, but may not do what was meant."""

import ipaddress
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from receiver.events import Level
from receiver.routing import Route
from receiver.settings.disks import disk_warnings
from receiver.settings.model import Settings
from receiver.units import Section

_ALARMS = ("delivery.dead", "handler.paused")
_LEAST_PASSWORD = 12
# Keys that are accepted and that nothing in this version reads.
_IDLE = {
    "admin": {"metrics_token": "this version has no /metrics"},
}
_HOME = (".local", ".localhost", ".internal", ".lan", ".home.arpa", ".test")


def warnings(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """A sentence for each thing that an operator should know, with its remedy. `environ` tells which host this is."""
    return [
        *_doors(settings),
        *_links(settings),
        *disk_warnings(settings, environ),
        *_routes(settings),
        *_alarms(settings),
        *_idle(settings),
    ]


def _doors(settings: Settings) -> list[str]:
    found = []
    if not settings.clients:
        found.append("clients: there is none, so the gateway is closed; add one to submit through it")
    if not settings.providers:
        found.append("providers: there is none, so nothing can be submitted; add one")
    elif settings.default_provider is None:
        found.append(
            "providers: none says `default: true`, so nothing is served under /api/; clients name one in the path"
        )
    passwords = settings.admin.password or ()
    if any(len(password.get_secret_value()) < _LEAST_PASSWORD for password in passwords):
        found.append(f"admin.password: is short; use at least {_LEAST_PASSWORD} characters")
    return found


def _links(settings: Settings) -> list[str]:
    if settings.public_url is None:
        said = "public_url: is left out, so providers can't call back; submissions are settled by status calls, "
        return [said + "and links point at this machine"]
    parts = urlsplit(settings.public_url)
    found = []
    if parts.scheme == "http" and _public(parts.hostname or ""):
        found.append("public_url: is http://, so callbacks and links travel in the clear; use https://")
    if parts.path:
        said = f"public_url: has a path: the provider's callbacks would go to …{parts.path}/callbacks/…; "
        # Under /api/ is what clients submit to; no proxy makes callbacks of it.
        is_api = parts.path.split("/")[1] == "api"
        found.append(said + ("write the address without it" if is_api else "leave it out, unless a proxy takes it off"))
    return found


def _public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith(_HOME)


def _routes(settings: Settings) -> list[str]:
    if not settings.routes:
        return ["routes: there is none, so events are kept and shown, but no handler gets them; add one"]
    used = _used(settings)
    return [
        f"handlers.{name}: no route names it; add it to one, or remove it"
        for name in settings.handlers
        if name not in used
    ]


def _alarms(settings: Settings) -> list[str]:
    used = _used(settings)
    return [
        f"handlers.{name}: its alarms have nowhere to go; add a route `when: {{level: problem}}` to another handler"
        for name, handler in settings.handlers.items()
        # A log line has no target that could break.
        if name in used and handler.type != "log" and not _heard(name, settings.routes)
    ]


def _used(settings: Settings) -> set[str]:
    """Handlers that may get an event: by a route, or in place of another one."""
    routed = {step.handler for route in settings.routes for step in route.handlers}
    return routed | {handler.fallback for handler in settings.handlers.values() if handler.fallback}


def _heard(name: str, routes: tuple[Route, ...]) -> bool:
    """Whether another handler hears when this one fails."""
    return any(
        route.when.names(alarm, Level.PROBLEM) and any(step.handler != name for step in route.handlers)
        for route in routes
        for alarm in _ALARMS
    )


def _idle(settings: Settings) -> Iterator[str]:
    """What is written in the file and has no effect yet."""
    for name, words in _IDLE.items():
        yield from _unread(name, getattr(settings, name), words)


def _unread(place: str, section: Section, words: Mapping[str, str]) -> Iterator[str]:
    for key in (key for key in words if key in section.model_fields_set):
        yield f"{place}.{key}: has no effect, {words[key]}; remove it"
