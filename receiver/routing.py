"""Which handlers get an event, and what needs what. Pure: an event and the routes in, plans out."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from receiver.events import OWN_KINDS, Event, Level, Trust, Via

# The reserved handler behind `forward_callbacks`.
CLIENT: Final = "client"
DEFAULT_WAIT = timedelta(minutes=10)
_WILDCARD = re.compile(r"[*?]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A delivery to be: which handler, which others it needs, how long it waits for them, and whether it stops
    where one of them dies.
    """

    handler: str
    needs: tuple[str, ...] = ()
    wait: timedelta = DEFAULT_WAIT
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Globs:
    """Patterns of which one must match. Only `*` and `?` are wildcards; letters match in their own case.

    They are translated once: `exact` holds those without a wildcard, `regex` the others.
    """

    patterns: tuple[str, ...]
    exact: frozenset[str] = field(init=False, repr=False, compare=False)
    regex: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        wild = [_translate(pattern) for pattern in self.patterns if _WILDCARD.search(pattern)]
        object.__setattr__(self, "exact", frozenset(p for p in self.patterns if not _WILDCARD.search(p)))
        object.__setattr__(self, "regex", re.compile("|".join(wild), re.DOTALL) if wild else None)

    def match(self, text: str | None) -> bool:
        """Whether a pattern matches the whole text; what is absent matches nothing, not even `*`."""
        if text is None:
            return False
        return text in self.exact or (self.regex is not None and self.regex.fullmatch(text) is not None)

    def any_of(self, words: Iterable[str]) -> bool:
        return any(self.match(word) for word in words)


def _translate(pattern: str) -> str:
    # A run of stars is one star: `***` would make the regular expression try every split of the text.
    pattern = re.sub(r"\*+", "*", pattern)
    return "".join({"*": ".*", "?": "."}.get(letter) or re.escape(letter) for letter in pattern)


def _own_types(patterns: Globs | None) -> Globs | None:
    """Those type patterns that may reach our own events: the part before the dot is written out."""
    named = tuple(p for p in (patterns.patterns if patterns else ()) if p.partition(".")[0] in OWN_KINDS)
    return Globs(named) if named else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The `when:` of a route. `fields` are patterns by the name of an event's field, all of which must hold.

    `shortest` and `longest` bound a result's duration: one result within them is enough. `trust` is the least.
    """

    fields: Mapping[str, Globs] = field(default_factory=dict)
    labels: Mapping[str, Globs] = field(default_factory=dict)
    shortest: timedelta | None = None
    longest: timedelta | None = None
    trust: Trust | None = None
    unless: "Match | None" = None
    _own: Globs | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_own", _own_types(self.fields.get("type")))

    def takes(self, event: Event) -> bool:
        """Whether a route with this `when:` applies to the event."""
        if event.via is Via.SIMULATED and not self._spells("via", Via.SIMULATED):
            return False
        if event.kind in OWN_KINDS and not self.names(event.type, event.level):
            return False
        return self.holds(event)

    def names(self, event_type: str, level: Level) -> bool:
        """Whether `type` or `level` names this type of our own."""
        return self._spells("level", level) or (self._own is not None and self._own.match(event_type))

    def holds(self, event: Event) -> bool:
        """Whether every condition holds, whoever made the event."""
        for name, globs in self.fields.items():
            if not globs.match(getattr(event, name)):
                return False
        for label, globs in self.labels.items():
            if not globs.match(event.labels.get(label)):
                return False
        if self.trust is not None and event.trust.rank < self.trust.rank:
            return False
        if (self.shortest is not None or self.longest is not None) and not self._lasts(event):
            return False
        return self.unless is None or not self.unless.holds(event)

    def _spells(self, name: str, word: str) -> bool:
        globs = self.fields.get(name)
        return globs is not None and word in globs.exact

    def _lasts(self, event: Event) -> bool:
        least = self.shortest.total_seconds() if self.shortest is not None else 0
        most = self.longest.total_seconds() if self.longest is not None else float("inf")
        return any(result.duration is not None and least <= result.duration <= most for result in event.results)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A handler in a route, and the handlers earlier in it that it needs."""

    handler: str
    needs: tuple[str, ...] = ()
    wait: timedelta = DEFAULT_WAIT
    stop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`otherwise` applies only where no route without it does."""

    when: Match = field(default_factory=Match)
    handlers: tuple[Step, ...]
    otherwise: bool = False


def plan(event: Event, routes: Sequence[Route]) -> tuple[Plan, ...]:
    """What each handler is to do with the event: every matching route applies, a handler gets it once.

    The client's own callback needs no route.
    """
    steps = _united(_taken(event, routes))
    # An alarm never goes to the handler that it is about.
    if event.about is not None:
        steps.pop(event.about, None)
    forwarded = (Plan(handler=CLIENT),) if event.forward else ()
    return forwarded + tuple(
        Plan(
            handler=step.handler,
            needs=tuple(need for need in step.needs if need in steps),
            wait=step.wait,
            stop=step.stop,
        )
        for step in steps.values()
    )


def _taken(event: Event, routes: Sequence[Route]) -> list[Route]:
    taken = [route for route in routes if not route.otherwise and route.when.takes(event)]
    return taken or [route for route in routes if route.otherwise and route.when.takes(event)]


def _united(routes: Sequence[Route]) -> dict[str, Step]:
    steps: dict[str, Step] = {}
    for step in (step for route in routes for step in route.handlers):
        first = steps.get(step.handler)
        steps[step.handler] = step if first is None else _unite(first, step)
    return steps


def _unite(first: Step, other: Step) -> Step:
    needs = tuple(dict.fromkeys(first.needs + other.needs))
    return Step(handler=first.handler, needs=needs, wait=first.wait, stop=first.stop or other.stop)
