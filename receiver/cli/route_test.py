"""`route-test`: which handlers would get an event, by which route, and why the other routes would not take it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.text import Text

from receiver.cli.context import ConfigOption, JsonOption, err, out, settings_from, usage
from receiver.cli.event_files import read_event, read_json
from receiver.cli.lists import print_json
from receiver.cli.options import given, read_labels, taking
from receiver.events import OWN_KINDS, Event, Via, utc_now
from receiver.routing import Globs, Match, Plan, Route, plan
from receiver.settings import Settings
from receiver.units import format_duration


@dataclass(frozen=True, kw_only=True)
class RouteTestOptions:
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="An event as JSON; - reads stdin.")] = None
    type: Annotated[str | None, typer.Option("--type", help="In place of a file: music.complete.")] = None
    provider: Annotated[str | None, typer.Option(help="With --type; else the default provider.")] = None
    operation: Annotated[str | None, typer.Option(help="With --type; else generate.")] = None
    client: Annotated[str | None, typer.Option(help="With --type; else none.")] = None
    label: Annotated[
        list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="With --type; may be repeated.")
    ] = None
    via: Annotated[str | None, typer.Option(help="With --type: callback, status or simulated.")] = None
    json: JsonOption = False
    config: ConfigOption = None


@taking(RouteTestOptions)
def route_test(wanted: RouteTestOptions) -> None:
    """Say which handlers would get an event."""
    if (wanted.file is None) == (wanted.type is None):
        raise usage("Name a file with an event, or say --type music.complete.")
    settings = settings_from(wanted.config)
    raw = read_json(wanted.file) if wanted.file else _made(wanted, settings)
    event = read_event(raw, utc_now())
    plans = plan(event, settings.routes)
    if wanted.json:
        print_json(_as_json(event, plans, settings.routes))
    else:
        for line in describe(event, plans, settings.routes):
            out.print(Text(line), soft_wrap=True)
    if not plans:
        err.print("No handler would get it.", soft_wrap=True)
        raise typer.Exit(1)


def describe(event: Event, plans: Sequence[Plan], routes: Sequence[Route]) -> Iterator[str]:
    """A line for each handler that gets the event, then one for each route that does not take it."""
    refused = dict(_refused(event, routes))
    for step in plans:
        by = ", ".join(
            f"route {number} ({when(route.when)})"
            for number, route in enumerate(routes, 1)
            if number not in refused and any(other.handler == step.handler for other in route.handlers)
        )
        yield f"{step.handler} gets it by {by}{_needs(step)}."
    for number, reason in refused.items():
        yield f"route {number} does not take it: {reason}."


def when(match: Match) -> str:
    """The conditions of a route in one line; `always` where there are none."""
    parts = [f"{name}: {_patterns(globs)}" for name, globs in match.fields.items()]
    parts += [f"labels.{name}: {_patterns(globs)}" for name, globs in match.labels.items()]
    if match.shortest is not None or match.longest is not None:
        parts.append(f"duration: {_bounds(match)}")
    if match.trust is not None:
        parts.append(f"trust: {match.trust}")
    if match.unless is not None:
        parts.append(f"not: {{{when(match.unless)}}}")
    return ", ".join(parts) or "always"


def why_not(match: Match, event: Event) -> str:
    """The first condition that does not hold, of a route that does not take the event."""
    return next(_reasons(match, event), f"no result lasts {_bounds(match)}")


def _reasons(match: Match, event: Event) -> Iterator[str]:
    if event.via is Via.SIMULATED and not _spelt(match, "via", Via.SIMULATED):
        yield "it is simulated, and the route does not say via: simulated"
    if event.kind in OWN_KINDS and not match.names(event.type, event.level):
        yield "it is one of our own events, and neither type nor level names it"
    words = [(name, getattr(event, name), globs) for name, globs in match.fields.items()]
    words += [(f"labels.{name}", event.labels.get(name), globs) for name, globs in match.labels.items()]
    for name, word, globs in words:
        if not globs.match(word):
            yield f"{name} is {word or 'absent'}, not {_patterns(globs)}"
    if match.trust is not None and event.trust.rank < match.trust.rank:
        yield f"trust is {event.trust}, less than {match.trust}"
    if match.unless is not None and match.unless.holds(event):
        yield f"what its not: says holds ({when(match.unless)})"


def _refused(event: Event, routes: Sequence[Route]) -> Iterator[tuple[int, str]]:
    """The numbers of the routes that do not apply, each with the reason; the first route has number 1."""
    taken = any(route.when.takes(event) for route in routes if not route.otherwise)
    for number, route in enumerate(routes, 1):
        if not route.when.takes(event):
            yield number, why_not(route.when, event)
        elif route.otherwise and taken:
            yield number, "it is for what no other route takes"


def _needs(step: Plan) -> str:
    if not step.needs:
        return ""
    then = "is discarded" if step.stop else "goes on without"
    return f"; it needs {', '.join(step.needs)}, waits {format_duration(step.wait)} at most, then {then}"


def _as_json(event: Event, plans: Sequence[Plan], routes: Sequence[Route]) -> dict[str, Any]:
    handlers = [
        {
            "handler": step.handler,
            "needs": list(step.needs),
            "wait": format_duration(step.wait),
            "on_failure": "stop" if step.stop else "continue",
        }
        for step in plans
    ]
    return {"handlers": handlers, "refused": [{"route": number, "why": why} for number, why in _refused(event, routes)]}


def _spelt(match: Match, name: str, word: str) -> bool:
    globs = match.fields.get(name)
    return globs is not None and word in globs.exact


def _patterns(globs: Globs) -> str:
    return " or ".join(globs.patterns)


def _bounds(match: Match) -> str:
    parts = []
    if match.shortest is not None:
        parts.append(f"at least {format_duration(match.shortest)}")
    if match.longest is not None:
        parts.append(f"at most {format_duration(match.longest)}")
    return " and ".join(parts)


def _made(wanted: RouteTestOptions, settings: Settings) -> dict[str, Any]:
    named = {
        "type": wanted.type,
        "provider": wanted.provider or settings.default_provider or next(iter(settings.providers), None),
        "operation": wanted.operation or "generate",
        "client": wanted.client,
        "via": wanted.via,
    }
    return {**given(named), "labels": read_labels(wanted.label)}
