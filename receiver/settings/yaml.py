"""The YAML file as plain values, with the line of every key path.

Every scalar stays the text that was written (`0123` is no number, `on` no truth): the models read what they want.
"""

import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from receiver.settings.mistakes import KeyPath, Mistakes

_MOST_NODES = 100_000
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq"))
_SPACES = re.compile(r"\s+")
_TOO_LARGE = "grows too large through its aliases; write out what they stand for"
_STAR = "a value that begins with * must be quoted (an alias needs its &anchor earlier in the file)"
_PROBLEMS = {
    _TOO_LARGE: _TOO_LARGE,
    "mapping values are not allowed": "has a colon too many; quote a value that holds one, or begin a new line",
    "another document": "holds a second document; remove the line --- and what follows",
    "end of stream": "begins something that is never closed; close the quote or the bracket",
    "alphabetic or numeric": _STAR,
    "alias": _STAR,
    "that cannot start any token": "begins with a character that YAML keeps for itself; quote the value",
}


def parse(text: str, mistakes: Mistakes) -> Any:
    """Mappings, lists, text and None; mistakes and lines are noted in `mistakes`. None where nothing can be read."""
    try:
        root = YAML(pure=True).compose(text)
        return _Reader(mistakes).value(root, ()) if root is not None else None
    except MarkedYAMLError as error:
        mistakes.add_at(_line(error), (), _sentence(error, text))
    except YAMLError:
        mistakes.add((), "holds a character that YAML does not allow; remove control characters")
    except RecursionError:
        mistakes.add((), "is nested too deeply, or an alias stands inside its own anchor; write it out")
    return None


def _line(error: MarkedYAMLError) -> int:
    # What is never closed is noticed at the end of the file: where it began says more.
    unclosed = error.context_mark is not None and "end of stream" in str(error.problem)
    mark = error.context_mark if unclosed else error.problem_mark or error.context_mark
    return mark.line + 1 if mark is not None else 0


def _sentence(error: MarkedYAMLError, text: str) -> str:
    at = error.problem_mark.index if error.problem_mark is not None else 0
    if text[max(at - 1, 0) : at + 1] == "${":
        return 'a value with ${…} inside {…} or […] needs quotes: quote it, as in "${NAME}"'
    if text[at : at + 1] == "\t":
        return "a tab stands where YAML wants spaces; indent with spaces"
    problem = _SPACES.sub(" ", str(error.problem or error.context))
    known = next((said for needle, said in _PROBLEMS.items() if needle in problem), None)
    return known or f"is not YAML ({problem}); check the indentation and the quotes of this line and the one before"


class _Reader:
    """Walks the composed nodes once, counting them: aliases may not make a small file large."""

    def __init__(self, mistakes: Mistakes) -> None:
        self._mistakes = mistakes
        self._seen = 0

    def value(self, node: Node, path: KeyPath) -> Any:
        self._seen += 1
        if self._seen > _MOST_NODES:
            raise MarkedYAMLError(problem=_TOO_LARGE, problem_mark=node.start_mark)
        self._mistakes.lines.setdefault(path, node.start_mark.line + 1)
        if str(node.tag) not in _PLAIN_TAGS:
            self._mistakes.add(path, "has a tag (!…), which is not supported; remove it or quote the value")
        match node:
            case MappingNode():
                return self._mapping(node, path)
            case SequenceNode():
                return [self.value(item, (*path, number)) for number, item in enumerate(node.value)]
        return None if str(node.tag) == _TAG + "null" else str(node.value)

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: list[Node] = []
        for key, value in node.value:
            if str(key.tag) == _TAG + "merge":
                merged.append(value)
            else:
                self._entry(found, key, value, path)
        for source in merged:
            self._merge(found, source, path)
        return found

    def _entry(self, found: dict[str, Any], key: Node, value: Node, path: KeyPath) -> None:
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode):
            self._mistakes.add_at(line, path, "a key must be plain text")
            return
        name = str(key.value)
        if name in found:
            self._mistakes.add_at(line, (*path, name), "stands here twice; keep one of them")
            return
        self._mistakes.lines[(*path, name)] = line
        found[name] = self.value(value, (*path, name))

    def _merge(self, found: dict[str, Any], source: Node, path: KeyPath) -> None:
        for part in source.value if isinstance(source, SequenceNode) else [source]:
            if not isinstance(part, MappingNode):
                self._mistakes.add_at(
                    part.start_mark.line + 1, path, "<< takes an alias of a mapping, or a list of them"
                )
                continue
            for key, value in part.value:
                # What is written out wins over what is merged in, and the first merged over the later.
                if isinstance(key, ScalarNode) and str(key.value) not in found:
                    self._entry(found, key, value, path)
