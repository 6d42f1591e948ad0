"""The names of archived files: what an archive's template may say, and the keys that it makes, best first. Pure."""

from collections.abc import Iterator, Mapping
from itertools import count
from string import Formatter

from handlers.text import UNTITLED, safe_name
from receiver.handler import Event, Result

# Roles that the extension tells already; every other one is part of the file's name.
_PLAIN_ROLES = frozenset({"audio", "image", "video", "wav", "midi"})
_FIELDS = frozenset({"date", "title", "result_id", "ext", "role", "provider", "operation", "submission_id", "task_id"})
# In bytes; together with an id, a role and an extension they fit into one name.
_TITLE_MOST, _VALUE_MOST, _NAME_MOST = 64, 40, 120


def check_inside(value: str) -> str:
    """The key or prefix itself. Raises ValueError where it leads out of the archive."""
    if value.startswith("/") or "\\" in value or ".." in value.split("/"):
        raise ValueError("must stay inside the archive: no leading slash, no backslash, no ..")
    return value


def check_fields(template: str) -> str:
    """The template itself. Raises ValueError where it names a field that there is not."""
    for _, name in _pieces(template):
        if name and name not in _FIELDS and _label(name) is None:
            raise ValueError(f"knows no {{{name}}}: write {', '.join(sorted(_FIELDS))} or labels[name]")
    return template


def values_of(event: Event, result: Result, role: str, extension: str) -> Mapping[str, str]:
    """What stands for each field, safe in a file name."""
    raw = {f"labels[{label}]": value for label, value in event.labels.items()} | {
        "date": f"{event.received_at:%Y-%m-%d}",
        "result_id": result.id,
        "role": role,
        "provider": event.provider or "",
        "operation": event.operation or "",
        "submission_id": event.submission_id or "",
        "task_id": event.task_id or "",
    }
    values = {name: safe_name(value, _VALUE_MOST) or "none" for name, value in raw.items()}
    title = safe_name(result.title or "", _TITLE_MOST) or UNTITLED.lower()
    return values | {"title": title, "ext": extension}


def keys_of(template: str, prefix: str, values: Mapping[str, str]) -> Iterator[str]:
    """Keys for a file, best first and without an end: as the template says, with its role, with a number."""
    key = "".join(literal + _value(name, values) for literal, name in _pieces(template))
    *folders, last = [part for part in f"{prefix}/{key}".split("/") if part]
    folder = "".join(f"{name}/" for part in folders if (name := safe_name(part)))
    stem, ending = last.removesuffix(f".{values['ext']}"), f".{values['ext']}"
    shows_role = "{role}" in template
    if shows_role or values["role"] in _PLAIN_ROLES:
        yield folder + _file_name(stem, "", ending)
    role = "" if shows_role else f"-{values['role']}"
    if role:
        yield folder + _file_name(stem, role, ending)
    for number in count(2):
        yield folder + _file_name(stem, f"{role}-{number}", ending)


def _pieces(template: str) -> list[tuple[str, str]]:
    """Literal texts, each with the field after it. Raises ValueError."""
    try:
        parsed = [
            (literal, name, spec or conversion) for literal, name, spec, conversion in Formatter().parse(template)
        ]
    except ValueError:
        raise ValueError("has a brace without its partner: write {title}, or {{ for a brace") from None
    if any(name == "" or extra for _, name, extra in parsed):
        raise ValueError("takes plain names in braces, such as {title}")
    return [(literal, name or "") for literal, name, _ in parsed]


def _label(name: str) -> str | None:
    return name[len("labels[") : -1] or None if name.startswith("labels[") and name.endswith("]") else None


def _value(name: str, values: Mapping[str, str]) -> str:
    return values.get(name, "none") if name else ""


def _file_name(stem: str, suffix: str, ending: str) -> str:
    tail = safe_name(f"x{suffix}{ending}")[1:]
    return (safe_name(stem, _NAME_MOST - len(tail.encode())) or "file") + tail
