"""Checks what the `fallback:` of each handler names: another handler, and no way back to itself."""

from collections.abc import Collection, Mapping

from receiver.handler import Handler
from receiver.settings.mistakes import Mistakes
from receiver.units import suggestion


def check_fallbacks(built: Mapping[str, Handler], names: Collection[str], mistakes: Mistakes) -> None:
    """`built` are the handlers without mistakes, `names` are all."""
    fallbacks = {name: handler.fallback for name, handler in built.items() if handler.fallback}
    told: set[str] = set()
    for name, fallback in fallbacks.items():
        at = ("handlers", name, "fallback")
        if fallback not in names:
            mistakes.add(at, f"names no handler; {suggestion(fallback, names)}")
        elif name not in told and name in (circle := _followed(fallbacks, name)):
            told |= circle
            mistakes.add(at, "leads back to itself; let the last one have none, or another one")


def _followed(fallbacks: Mapping[str, str], name: str) -> set[str]:
    """Every handler that stands in for this one, over however many others."""
    seen: set[str] = set()
    while (name := fallbacks.get(name, "")) and name not in seen:
        seen.add(name)
    return seen
