"""Messages in the operator's own words: a sandboxed Jinja template, escaped for its target unless told otherwise."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from jinja2 import ChainableUndefined, Template, TemplateSyntaxError, meta, pass_environment
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import AfterValidator

from handlers.message import Message
from receiver.handler import Delivery
from receiver.units import suggestion

logger = logging.getLogger(__name__)

_NAMES = ("error", "event", "headline", "labels", "message", "results", "title", "tracks")


@dataclass(frozen=True, slots=True)
class Markup:
    """How a target writes: `escape` makes any text harmless in it, `link` makes a link of an address and a label."""

    escape: Callable[[str], str]
    link: Callable[[str, str], str]


class Raw(str):
    """Text that is markup already."""

    __slots__ = ()


class _Environment(ImmutableSandboxedEnvironment):
    """Escapes what comes out of every {{ }}, as its markup says."""

    def __init__(self, markup: Markup) -> None:
        super().__init__(
            undefined=ChainableUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=self._finalize,
            autoescape=False,
        )
        self.markup = markup
        self.filters["raw"] = Raw
        self.filters["link"] = _link

    def _finalize(self, value: Any) -> Any:
        if isinstance(value, Raw):
            return value
        return "" if value is None else self.markup.escape(str(value))


@pass_environment
def _link(environment: _Environment, url: Any, label: Any = "") -> str:
    """`{{ track.urls.audio | link("Listen") }}`; the label alone where there is no address."""
    if not url:
        return Raw(environment.markup.escape(str(label)))
    return Raw(environment.markup.link(str(url), str(label) or str(url)))


def _checked(text: str) -> str:
    environment = _Environment(Markup(str, "{}{}".format))
    try:
        tree = environment.parse(text)
        environment.compile(tree)
    except TemplateSyntaxError as error:
        raise ValueError(f"is no Jinja template; mend its line {error.lineno}: {error.message}") from None
    for name in sorted(meta.find_undeclared_variables(tree) - set(_NAMES) - set(environment.globals)):
        raise ValueError(f"knows no {name}; {suggestion(name, _NAMES)}")
    if not text.strip():
        raise ValueError("is empty; write the message, or leave it out")
    return text


TemplateText = Annotated[str, AfterValidator(_checked)]
"""A key whose value is a template; mistakes in it are told when the configuration is read."""


@lru_cache(maxsize=64)
def _compiled(text: str, markup: Markup) -> Template:
    return _Environment(markup).from_string(text)


def render(text: str, delivery: Delivery, message: Message, markup: Markup) -> str | None:
    """The message as the template says; None where it fails or says nothing: the default is told then.

    It knows `message` and its `headline`, `title` and `tracks`, and the delivery's `event`, `results`, `labels` and
    `error`. What is absent is empty.
    """
    known = {
        "message": message,
        "headline": message.headline,
        "title": message.title,
        "tracks": message.tracks,
        "event": delivery.event,
        "results": delivery.results,
        "labels": delivery.event.labels,
        "error": delivery.event.error,
    }
    try:
        said = _compiled(text, markup).render(known).strip()
    except Exception as error:  # noqa: BLE001 - a template may raise anything; what happened is told all the same
        logger.warning("a template failed on %s, so the default message goes out: %s", delivery.id, error)
        return None
    return said or None
