"""Logging of the process: a readable line on a terminal, one JSON object a line elsewhere."""

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


def set_up(redact: Callable[[str], str], level: str = "INFO") -> None:
    handler = logging.StreamHandler(sys.stderr)
    # Costs more than the rest of a line, and most words of most lines were there before.
    redact = lru_cache(maxsize=256)(redact)
    handler.setFormatter(_Lines(redact) if sys.stderr.isatty() else _Json(redact))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


class _Lines(logging.Formatter):
    """`12:00:01 info  receiver.worker attempt delivery=… outcome=delivered`."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        extra = {name: _redacted(value, self._redact) for name, value in _extra(record).items() if value is not None}
        said = "".join(f" {name}={value}" for name, value in extra.items())
        line = f"{moment} {record.levelname.lower():7} {record.getMessage()}{said}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return self._redact(line)


class _Json(logging.Formatter):
    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        said = {"message": record.getMessage(), **_extra(record)}
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        # Before they are JSON: a secret with a quote in it is spelt otherwise there.
        clean = {name: _redacted(value, self._redact) for name, value in said.items()}
        return json.dumps(line | clean, ensure_ascii=False)


def _redacted(value: Any, redact: Callable[[str], str]) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case dict():
            return {redact(str(key)): _redacted(item, redact) for key, item in value.items()}
        case list() | tuple():
            return [_redacted(item, redact) for item in value]
        case _:
            return redact(str(value))


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _OWN}
