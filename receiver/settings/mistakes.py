"""Mistakes of a configuration as sentences: file, line, key path, what is wrong, what to do; never the value."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from receiver.errors import ConfigError
from receiver.units import suggestion

KeyPath = tuple[str | int, ...]

# Shorter values are parts of ordinary words; a message of ours is not mangled for them.
_LEAST_HIDDEN = 6


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """`line` counts from 1; 0 stands for the file as a whole."""

    line: int
    file: str
    key: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.text) if part)


class Mistakes:
    """Collects every mistake of one file, so that they are told at once. `lines` knows where each key path is."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[KeyPath, int] = {}
        self._found: set[Mistake] = set()
        self._paths: set[KeyPath] = set()

    def add(self, path: KeyPath, text: str) -> None:
        self.add_at(self._line(path), path, text)

    def add_at(self, line: int, path: KeyPath, text: str) -> None:
        self._paths.add(path)
        self._found.add(Mistake(line, self.file, dotted(path), text))

    def add_elsewhere(self, file: str, line: int, text: str) -> None:
        self._found.add(Mistake(line, file, "", text))

    def excuse(self, path: KeyPath) -> None:
        """What is wrong at this path was told elsewhere."""
        self._paths.add(path)

    def within(self, path: KeyPath) -> bool:
        """Whether there is a mistake at this path or below: what follows from it needs no second sentence."""
        return any(known[: len(path)] == path for known in self._paths)

    def sentences(self) -> list[str]:
        return [str(mistake) for mistake in sorted(self._found)]

    def settle(self) -> None:
        """Raises ConfigError where there is a mistake."""
        if self._found:
            raise ConfigError(self.sentences())

    def _line(self, path: KeyPath) -> int:
        """The line of the nearest part of the path that is written in the file."""
        known = (self.lines.get(path[:length]) for length in range(len(path), 0, -1))
        return next((line for line in known if line), 0)


def dotted(path: KeyPath) -> str:
    """`routes[0].when.type`: list positions count from 0."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def note(error: ValidationError, model: type[BaseModel], raw: Any, at: KeyPath, mistakes: Mistakes) -> None:
    """Turns pydantic's errors about the section at `at` into mistakes; what only follows from others is left out."""
    earlier = [detail for detail in error.errors(include_url=False) if not _follows(detail, raw, at, mistakes)]
    told: dict[KeyPath, list[str]] = {}
    for detail in earlier:
        told.setdefault(_written(detail, raw), []).append(_say(detail, model))
    for path, texts in told.items():
        # The branches of a union each complain: together they say what is possible.
        mistakes.add((*at, *path), _hidden("; or ".join(dict.fromkeys(texts)), _value(raw, path)))


def _follows(detail: ErrorDetails, raw: Any, at: KeyPath, mistakes: Mistakes) -> bool:
    return detail["type"] != "extra_forbidden" and mistakes.within((*at, *_written(detail, raw)))


def _written(detail: ErrorDetails, raw: Any) -> KeyPath:
    """Pydantic's place without what is not in the file: union branches and positions in a text that was split."""
    path: KeyPath = ()
    value = raw
    for part in detail["loc"]:
        inside = part in value if isinstance(value, dict) else isinstance(value, list) and isinstance(part, int)
        if not inside:
            break
        path, value = (*path, part), value[part]
    return (*path, detail["loc"][-1]) if detail["type"] == "missing" else path


def _value(raw: Any, path: KeyPath) -> Any:
    for part in path:
        if not isinstance(raw, dict | list) or (isinstance(raw, dict) and part not in raw):
            return None
        raw = raw[part]  # type: ignore[index]  # a dict has text keys, a list positions: `_written` saw to it
    return raw


def _hidden(text: str, value: Any) -> str:
    return text.replace(value, "…") if isinstance(value, str) and len(value) >= _LEAST_HIDDEN else text


def _say(detail: ErrorDetails, model: type[BaseModel]) -> str:
    context, place = detail.get("ctx", {}), detail["loc"]
    match detail["type"]:
        case "missing":
            text = _missing(str(place[-1]), model)
        case "extra_forbidden":
            text = f"is not a key here; {suggestion(str(place[-1]), _keys(model, place[:-1]))}"
        case "value_error":
            text = str(context["error"])
        case "literal_error" | "enum":
            text = _choices(str(context["expected"]))
        case "string_pattern_mismatch" if str(place[-1]).endswith("url"):
            text = "must be an http:// or https:// address without ? and #"
        case kind if kind in _SHAPES:
            text = _SHAPES[kind].format(**context)
        case _:
            text = f"is not valid: {detail['msg'][:1].lower()}{detail['msg'][1:]}"
    return text


_MAPPING = "must be a mapping: `key: value`, one a line"
_NUMBER = "must be a whole number"
_TRUTH = "must be true or false"
_LIST = "must be a list: [a, b]"
_SHAPES = {
    "string_type": "must be text",
    "int_type": _NUMBER,
    "int_parsing": _NUMBER,
    "int_from_float": _NUMBER,
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "too_short": "is empty; write at least one",
    "string_pattern_mismatch": "does not have the form that this key wants",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
}


def _missing(name: str, model: type[BaseModel]) -> str:
    described = next((f.description for key, f in model.model_fields.items() if key == name and f.description), None)
    return f"is missing; add it ({described.splitlines()[0].rstrip('.')})" if described else "is missing; add it"


def _choices(expected: str) -> str:
    words = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
    return f"must be {' or '.join(words) if len(words) < 3 else 'one of ' + ', '.join(words)}"


def _keys(model: type[BaseModel], loc: Iterable[str | int]) -> list[str]:
    """The keys that the section at `loc` may have."""
    for part in loc:
        field = next((f for key, f in model.model_fields.items() if part in (key, f.alias)), None)
        inner = section_of(field.annotation) if field is not None else None
        model = inner or model
    return [field.alias or key for key, field in model.model_fields.items()]


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The model behind an annotation such as `Admin` or `Admin | None`."""
    options = (annotation, *getattr(annotation, "__args__", ()))
    return next((kind for kind in options if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
