"""Builds the routes, and checks what no model can: names, words that match nothing, order and cycles of needs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from receiver.routing import Globs, Match, Route, Step
from receiver.settings.mistakes import KeyPath
from receiver.settings.model import RouteSection, StepOptions, When
from receiver.settings.parts import Reading, build
from receiver.settings.vocabulary import Vocabulary
from receiver.units import suggestion

_FIELDS = ("type", "provider", "operation", "kind", "stage", "client", "level", "via")
_LABEL = "labels."
_STEP = "must be a handler's name, or one name with its options: {team: {needs: archive}}"


@dataclass(slots=True)
class _Routes:
    """What the routes may name, and what they need of each other so far."""

    reading: Reading
    vocabulary: Vocabulary
    handlers: Collection[str]
    needs: dict[str, set[str]] = field(default_factory=dict)


def build_routes(raw: Any, handlers: Collection[str], vocabulary: Vocabulary, reading: Reading) -> tuple[Route, ...]:
    """The routes that could be built; mistakes are noted. `handlers` are the names that steps may use."""
    if raw is None:
        return ()
    if not isinstance(raw, list):
        reading.mistakes.add(("routes",), "must be a list: every route begins with `- `")
        return ()
    context = _Routes(reading, vocabulary, handlers)
    built = [_route(item, ("routes", number), context) for number, item in enumerate(raw)]
    return tuple(route for route in built if route is not None)


def _route(raw: Any, at: KeyPath, context: _Routes) -> Route | None:
    if not isinstance(raw, dict):
        context.reading.mistakes.add(at, "must be a mapping with `when:` and `handlers:`")
        return None
    when_at = (*at, "when")
    plain = dict(raw)
    if isinstance(raw.get("when"), dict):
        plain["when"] = _gathered(raw["when"], when_at, context)
    steps = _steps(raw.get("handlers"), (*at, "handlers"), context)
    if "handlers" in raw:
        # The steps were looked at one by one; the model only sees that there are some.
        plain["handlers"] = ["checked"]
    section = build(RouteSection, plain, at, context.reading)
    if section is None:
        return None
    _check_words(section.when, plain.get("when"), when_at, context)
    return Route(when=_match(section.when), handlers=steps, otherwise=bool(section.otherwise))


def _gathered(raw: dict[str, Any], at: KeyPath, context: _Routes) -> dict[str, Any]:
    """The `when:` with its `labels.x` keys under `labels`, where the model has them."""
    lines = context.reading.mistakes.lines
    if "labels" in raw:
        context.reading.mistakes.add((*at, "labels"), "is no key of its own; write labels.x: value for each label x")
    found: dict[str, Any] = {key: value for key, value in raw.items() if not key.startswith("labels")}
    labels = {key.removeprefix(_LABEL): value for key, value in raw.items() if key.startswith(_LABEL)}
    for label in labels:
        lines[(*at, "labels", label)] = lines.get((*at, _LABEL + label), 0)
    if labels:
        found["labels"] = labels
    if isinstance(raw.get("not"), dict):
        found["not"] = _gathered(raw["not"], (*at, "not"), context)
    return found


def _check_words(when: When, raw: Any, at: KeyPath, context: _Routes) -> None:
    for name in _FIELDS:
        listed = isinstance(raw.get(name), list) if isinstance(raw, dict) else False
        for number, pattern in enumerate(getattr(when, name) or ()):
            path = (*at, name, number) if listed else (*at, name)
            complaint = context.vocabulary.complaint(name, pattern)
            if complaint and not context.reading.mistakes.within(path):
                context.reading.mistakes.add(path, complaint)
    if when.unless is not None:
        if when.unless == When():
            context.reading.mistakes.add(
                (*at, "not"), "is empty, so the route would never match; write what it must not be"
            )
        _check_words(when.unless, raw["not"], (*at, "not"), context)


def _match(when: When) -> Match:
    bounds = when.duration
    return Match(
        fields={name: Globs(patterns) for name in _FIELDS if (patterns := getattr(when, name))},
        labels={label: Globs(patterns) for label, patterns in when.labels.items()},
        shortest=bounds.min if bounds else None,
        longest=bounds.max if bounds else None,
        trust=when.trust,
        unless=_match(when.unless) if when.unless is not None else None,
    )


def _steps(raw: Any, at: KeyPath, context: _Routes) -> tuple[Step, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list) or not raw:
        context.reading.mistakes.add(at, "must be a list with at least one handler: [archive]")
        return ()
    steps: dict[str, Step] = {}
    for number, item in enumerate(raw):
        step = _step(item, (*at, number), steps, context)
        if step is not None:
            steps[step.handler] = step
    return tuple(steps.values())


def _step(item: Any, at: KeyPath, earlier: Mapping[str, Step], context: _Routes) -> Step | None:
    mistakes = context.reading.mistakes
    if mistakes.within(at):
        return None
    if not isinstance(item, str) and not (isinstance(item, dict) and len(item) == 1):
        mistakes.add(at, _STEP)
        return None
    name, raw = (item, None) if isinstance(item, str) else next(iter(item.items()))
    options_at = at if isinstance(item, str) else (*at, name)
    if name not in context.handlers:
        mistakes.add(options_at, f"names no handler; {suggestion(name, context.handlers)}")
        return None
    if name in earlier:
        mistakes.add(options_at, "stands in this route already; keep one of them")
        return None
    options = build(StepOptions, raw, options_at, context.reading)
    if options is None:
        return None
    _check_needs(name, options, (*options_at, "needs"), earlier, context)
    return Step(handler=name, needs=options.needs, wait=options.wait, stop=options.on_failure == "stop")


def _check_needs(name: str, options: StepOptions, at: KeyPath, earlier: Mapping[str, Step], context: _Routes) -> None:
    for need in options.needs:
        if need not in context.handlers:
            context.reading.mistakes.add(at, f"names no handler; {suggestion(need, context.handlers)}")
        elif need not in earlier:
            context.reading.mistakes.add(
                at, "names a handler that does not stand earlier in this route; put it before this one"
            )
        elif _leads(context.needs, need, name):
            context.reading.mistakes.add(
                at, f"makes a circle: in another route {need} waits for {name}; let only one of them wait for the other"
            )
        else:
            context.needs.setdefault(name, set()).add(need)


def _leads(needs: Mapping[str, set[str]], start: str, goal: str) -> bool:
    """Whether `start` waits for `goal`, over however many others."""
    seen: set[str] = set()
    open_ends = [start]
    while open_ends:
        handler = open_ends.pop()
        if handler == goal:
            return True
        if handler not in seen:
            seen.add(handler)
            open_ends.extend(needs.get(handler, ()))
    return False
