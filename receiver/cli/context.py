"""What every command needs: the configuration, where a running receiver is, and a place to print."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from receiver.cli.interrupts import interrupts
from receiver.errors import ConfigError
from receiver.settings import Settings, load

T = TypeVar("T")

DEFAULT_CONFIG = "config/receiver.yaml"
DEFAULT_PORT = 8000
LARGEST_PORT = 65535

# More of them would take their time to become a number.
_DIGITS = 9

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help=f"The YAML file; else $RECEIVER_CONFIG, else {DEFAULT_CONFIG}."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def config_path(given: Path | None) -> Path:
    return given or Path(os.environ.get("RECEIVER_CONFIG") or DEFAULT_CONFIG)


def settings_from(given: Path | None) -> Settings:
    """Raises ConfigError with every mistake."""
    return load(config_path(given), os.environ)


def environment_port(environ: Mapping[str, str]) -> int | None:
    """The port that PORT names, if any. Raises ConfigError."""
    text = environ.get("PORT", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS and int(text) <= LARGEST_PORT):
        raise usage(f"PORT must be a number up to {LARGEST_PORT}, not {text!r}.")
    return int(text)


def usage(sentence: str) -> ConfigError:
    """An error of usage: exit code 2."""
    return ConfigError([sentence])


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a command's work under the event loop that the service runs under too. Raises KeyboardInterrupt."""
    with interrupts() as taken, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(taken.guard(work))
        except asyncio.CancelledError:
            if taken.came:
                raise KeyboardInterrupt from None
            raise


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - it does not exist on every system
    except ImportError:
        return None
    return uvloop.new_event_loop
