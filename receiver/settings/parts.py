"""Builds the named parts of the configuration: a section from its model, clients, providers and handlers by name."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from receiver.errors import ConfigError
from receiver.settings.mistakes import KeyPath, Mistakes, note, section_of
from receiver.settings.secret_files import read_secrets
from receiver.settings.variables import Variables
from receiver.settings.vocabulary import NAME

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a file: `folder` is where it lies."""

    mistakes: Mistakes
    folder: Path
    variables: Variables


def build(model: type[S], raw: Any, at: KeyPath, reading: Reading) -> S | None:
    """The section, or None after its mistakes were noted."""
    reading.variables.tell(at, partial(_may_be_empty, model))
    section = _without_nothing(raw)
    if isinstance(section, dict):
        section = read_secrets(model, section, at, reading.folder, reading.mistakes)
    try:
        return model.model_validate({} if section is None else section)
    except ValidationError as error:
        note(error, model, section, at, reading.mistakes)
    return None


def _may_be_empty(model: type[BaseModel], path: KeyPath) -> bool:
    """Whether the section can do without the key at this path."""
    field = model.model_fields.get(str(path[0])) if path else None
    if field is None or len(path) == 1:
        return field is not None and not field.is_required()
    inner = section_of(field.annotation)
    return inner is not None and _may_be_empty(inner, path[1:])


def _without_nothing(value: Any) -> Any:
    """Keys with nothing behind them, or whose variables were empty, count as left out."""
    if isinstance(value, dict):
        return {key: _without_nothing(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nothing(item) for item in value if item is not None]
    return value


def entries(raw: Any, key: str, taken: Collection[str], reading: Reading) -> dict[str, Any]:
    """The sections under `clients:`, `providers:` or `handlers:` by name; `taken` are names that may not be used."""
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        reading.mistakes.add((key,), "must be a mapping of names: write `name:` and its keys below it")
        return {}
    for name in raw:
        if NAME.fullmatch(name) is None:
            reading.mistakes.add((key, name), "is no name; use a-z, 0-9, _ and - only")
        elif name in taken:
            reading.mistakes.add((key, name), "is a name that the receiver uses itself; choose another")
    return raw


def classes(sections: dict[str, Any], key: str, find: Callable[[str], type[S]], reading: Reading) -> dict[str, type[S]]:
    """The class behind each section's `type:`; those without one are left out, after the mistake was noted."""
    found: dict[str, type[S]] = {}
    for name, raw in sections.items():
        at = (key, name)
        section = {} if raw is None else raw
        if not isinstance(section, dict):
            reading.mistakes.add(at, "must be a mapping: `key: value`, one a line")
        elif not isinstance(section.get("type"), str):
            reading.mistakes.add((*at, "type"), "is missing; add it, it says what this is")
        elif not reading.mistakes.within((*at, "type")):
            _find(found, at, find, section["type"], reading.mistakes)
    return found


def _find(
    found: dict[str, type[S]], at: KeyPath, find: Callable[[str], type[S]], wanted: str, mistakes: Mistakes
) -> None:
    try:
        found[str(at[-1])] = find(wanted)
    except ConfigError as error:
        for sentence in error.mistakes:
            mistakes.add((*at, "type"), sentence)


def with_own_type(model: type[BaseModel], raw: dict[str, Any]) -> dict[str, Any]:
    """The section as its class wants it: `my_handlers:Discord` becomes the word that the class's Literal says."""
    annotation = model.model_fields["type"].annotation
    return {**raw, "type": get_args(annotation)[0]} if get_origin(annotation) is Literal else raw


def build_each(sections: dict[str, Any], key: str, models: dict[str, type[S]], reading: Reading) -> dict[str, S]:
    """Every section that could be built, by name."""
    built = {
        name: build(
            model,
            with_own_type(model, sections[name]) if "type" in model.model_fields else sections[name],
            (key, name),
            reading,
        )
        for name, model in models.items()
    }
    return {name: part for name, part in built.items() if part is not None}
