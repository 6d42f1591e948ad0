"""`x_file: path` in place of any secret `x`: the value comes from a file that something else mounts or encrypts."""

from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel, SecretStr

from receiver.settings.mistakes import KeyPath, Mistakes, section_of

SUFFIX = "_file"


def read_secrets(
    model: type[BaseModel], raw: dict[str, Any], at: KeyPath, folder: Path, mistakes: Mistakes
) -> dict[str, Any]:
    """The section with the contents of its secret files in place. Paths are relative to `folder`."""
    found = dict(raw)
    for name, field in model.model_fields.items():
        inner = section_of(field.annotation)
        if inner is not None and isinstance(raw.get(name), dict):
            found[name] = read_secrets(inner, raw[name], (*at, name), folder, mistakes)
        elif holds_secret(field.annotation):
            # An empty secret protects nothing: it counts as left out.
            if found.get(name) == "":
                del found[name]
            if name + SUFFIX in raw and name + SUFFIX not in model.model_fields:
                found[name] = _from_file(found, (*at, name), folder, mistakes)
    return found


def holds_secret(annotation: Any) -> bool:
    """Whether a field with this annotation is a secret, or several; a mapping of secrets can't come from one file."""
    if annotation is SecretStr:
        return True
    return get_origin(annotation) is not dict and any(map(holds_secret, getattr(annotation, "__args__", ())))


def _from_file(raw: dict[str, Any], at: KeyPath, folder: Path, mistakes: Mistakes) -> Any:
    """The value of the secret whose key path is `at`; its `x_file` leaves `raw`."""
    name = str(at[-1])
    place = (*at[:-1], name + SUFFIX)
    path = raw.pop(name + SUFFIX)
    # From here on a mistake about the secret points to the line that names its file.
    mistakes.lines.setdefault(at, mistakes.lines.get(place, 0))
    if raw.get(name) is not None:
        mistakes.add(place, f"and {name} are both given; keep one of them")
        return raw[name]
    text, problem = _text(folder, path)
    if problem:
        mistakes.add(place, problem)
        mistakes.excuse(at)
    return text


def _text(folder: Path, path: Any) -> tuple[str, str]:
    """What the file holds, or what is wrong with it."""
    if not isinstance(path, str):
        return "", "must be the path of a file"
    try:
        text = (folder / path).read_text(encoding="utf-8").rstrip("\r\n")
    except FileNotFoundError:
        return "", "names a file that is not there; create it, or correct the path"
    except (OSError, ValueError):
        return "", "names a file that can't be read as UTF-8 text; check what it is and its permissions"
    return text, "" if text.strip() else "names an empty file; write the secret into it"
