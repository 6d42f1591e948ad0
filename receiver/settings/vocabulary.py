"""The words that a configuration may use: event types, names that are taken, what a `when:` can ask for."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from receiver.events import EVENT_TYPES, FACT_STAGES, OWN_KINDS, OWN_TYPES, Kind, Level, Via
from receiver.routing import CLIENT, Globs
from receiver.units import suggestion

NAME = re.compile(r"[a-z0-9_-]+")
RESERVED_PROVIDERS = frozenset({"api", "callbacks", "files", "v1", "ui", "static", "healthz", "readyz", "metrics"})
RESERVED_HANDLERS = frozenset({CLIENT})

_FIXED: Mapping[str, Collection[str]] = {
    "kind": (*Kind, *OWN_KINDS),
    "stage": FACT_STAGES,
    "level": tuple(Level),
    "via": tuple(Via),
}
_MORE_THAN_GLOBS = re.compile(r"[\[\]{}|!,]")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What this configuration has names for; where it has none, anything may be asked for."""

    providers: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()

    def complaint(self, name: str, pattern: str) -> str | None:
        """Why this pattern under `when.<name>` can never match; None where it can."""
        if name == "type":
            return None if reachable_types(pattern) else _type_complaint(pattern)
        known = self._known(name)
        if not known or Globs((pattern,)).any_of(known):
            return None
        return _more_than_globs(pattern) or f"matches nothing; {suggestion(pattern, known)}"

    def _known(self, name: str) -> Collection[str]:
        by_config: Mapping[str, Collection[str]] = {
            "provider": self.providers,
            "client": self.clients,
            "operation": self.operations,
        }
        return _FIXED.get(name) or by_config.get(name) or ()


def reachable_types(pattern: str) -> tuple[str, ...]:
    """The event types that a pattern matches: our own only where the part before the dot is written out."""
    own = pattern.partition(".")[0] in OWN_KINDS
    return tuple(known for known in EVENT_TYPES if Globs((pattern,)).match(known) and (own or known not in OWN_TYPES))


def _type_complaint(pattern: str) -> str:
    meant = next((known for known in OWN_TYPES if Globs((pattern,)).match(known)), None)
    if meant:
        return f"matches nothing; for a type of our own write out the part before the dot, as in {meant}"
    near = suggestion(pattern, EVENT_TYPES)
    if more := _more_than_globs(pattern):
        return more
    if near.startswith("did"):
        return f"matches nothing; {near}"
    return (
        f"matches nothing; a type is a kind ({', '.join(Kind)}), a dot and a stage ({', '.join(FACT_STAGES)}), "
        f"or one of {', '.join(OWN_TYPES)}"
    )


def _more_than_globs(pattern: str) -> str | None:
    if _MORE_THAN_GLOBS.search(pattern):
        return "matches nothing; only * and ? are wildcards, and several values are written as a list: [a, b]"
    return None
