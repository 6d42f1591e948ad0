"""The JSON Schema of the whole file, for editors: `python -m receiver.settings.schema` writes it."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import handlers
from receiver import providers
from receiver.settings.model import Client, RouteSection, Settings, StepOptions, When
from receiver.settings.secret_files import SUFFIX

PLACE = Path("config/receiver.schema.json")

_DEFS = "#/$defs/"
_VARIABLE = {"type": "string", "pattern": r"\$\{"}
_NAMES = {"pattern": "^[a-z0-9_-]+$"}
_ABOUT = ("title", "description", "default", "examples")


def schema() -> dict[str, Any]:
    """The schema, with every built-in provider and handler type."""
    handler_types = {name: handlers.handler_class(name) for name in handlers.TYPES}
    provider_types = {name: providers.provider_class(name) for name in providers.TYPES}
    ours: tuple[type[BaseModel], ...] = (Settings, Client, RouteSection, StepOptions)
    models = (*ours, *handler_types.values(), *provider_types.values())
    _, written = models_json_schema([(model, "validation") for model in models], by_alias=True)
    defs: dict[str, Any] = written["$defs"]
    root = defs.pop(Settings.__name__)
    own_type = {"type": "object", "required": ["type"], "properties": {"type": {"type": "string", "pattern": ":"}}}
    _set(root, "clients", _named(_ref(Client)))
    _set(root, "providers", _named(_one_of(provider_types)))
    _set(root, "handlers", _named({"anyOf": [_one_of(handler_types), own_type]}))
    _set(root, "routes", {"type": "array", "items": _ref(RouteSection)})
    _open_labels(defs[When.__name__])
    used = _reachable(root, defs)
    for section in (root, *used.values()):
        _allow_files(section)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Configuration of the receiver"}
    whole: dict[str, Any] = _loosened({**root, **head, "$defs": used})
    return whole


def text() -> str:
    """The schema as the file holds it."""
    return json.dumps(schema(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _ref(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": _DEFS + model.__name__}


def _one_of(types: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    mapping = {name: _DEFS + model.__name__ for name, model in types.items()}
    return {
        "discriminator": {"propertyName": "type", "mapping": mapping},
        "oneOf": [_ref(model) for model in types.values()],
    }


def _named(section: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "propertyNames": _NAMES, "additionalProperties": section}


def _set(root: dict[str, Any], key: str, shape: dict[str, Any]) -> None:
    root["properties"][key] = {**shape, "description": root["properties"][key]["description"]}


def _open_labels(when: dict[str, Any]) -> None:
    """A label stands in the file as `labels.x`, not under a key of its own."""
    labels = when["properties"].pop("labels")
    when["patternProperties"] = {
        r"^labels\..": {**labels["additionalProperties"], "description": labels["description"]}
    }


def _reachable(root: Any, defs: Mapping[str, Any]) -> dict[str, Any]:
    """The definitions that the schema refers to, over however many others."""
    found: dict[str, Any] = {}
    waiting = list(_refs(root))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = defs[name]
            waiting.extend(_refs(defs[name]))
    return found


def _refs(node: Any) -> Iterable[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix(_DEFS)
        for part in node.values():
            yield from _refs(part)
    elif isinstance(node, list):
        for part in node:
            yield from _refs(part)


def _allow_files(section: dict[str, Any]) -> None:
    """Every secret `x` may be given as `x_file`."""
    properties = section.get("properties", {})
    secrets = [name for name, shape in properties.items() if '"password"' in json.dumps(shape)]
    for name in (name for name in secrets if properties[name].get("type") != "object"):
        said = f"A file that holds {name}, in place of it."
        properties[name + SUFFIX] = {"type": "string", "description": said}
        if name in section.get("required", ()):
            section["required"].remove(name)
            section.setdefault("allOf", []).append({"anyOf": [{"required": [name]}, {"required": [name + SUFFIX]}]})


def _loosened(node: Any) -> Any:
    """The same schema, where `${NAME}` may stand for a number, a truth or a text of a certain form."""
    if isinstance(node, list):
        return [_loosened(part) for part in node]
    if not isinstance(node, dict):
        return node
    kind = node.get("type")
    bound = kind == "string" and ("pattern" in node or "enum" in node) and node.get("pattern") != ":"
    if not (kind in ("integer", "number", "boolean") and "const" not in node) and not bound:
        return {key: part if key == "propertyNames" else _loosened(part) for key, part in node.items()}
    about = {key: part for key, part in node.items() if key in _ABOUT}
    return {**about, "anyOf": [{key: part for key, part in node.items() if key not in _ABOUT}, _VARIABLE]}


if __name__ == "__main__":
    PLACE.write_text(text(), encoding="utf-8")
