"""What can be done with an event: one module per handler type. Only types that the configuration names are imported."""

import inspect
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from receiver.errors import ConfigError
from receiver.handler import Handler
from receiver.units import suggestion

TYPES = {
    "apprise": "handlers.apprise:Apprise",
    "email": "handlers.email:Email",
    "file": "handlers.file:FileArchive",
    "log": "handlers.log:Log",
    "s3": "handlers.s3:S3Archive",
    "slack": "handlers.slack:Slack",
    "webhook": "handlers.webhook:Webhook",
}

_GROUP = "receiver.handlers"
# Modules that only some types need: the extra of ours that installs each.
_EXTRAS = {"apprise": "apprise", "obstore": "s3"}


def handler_class(type_name: str, folders: Sequence[Path] = ()) -> type[Handler]:
    """The class behind `type:` in the configuration: ours, an installed one, or `module:Class`. Raises ConfigError.

    The module of a `module:Class` is also looked for in `folders`, after everything that is installed.
    """
    if ":" in type_name:
        return _imported(type_name, _searched(folders))
    if type_name in TYPES:
        return _imported(TYPES[type_name])
    installed = {entry.name: entry.value for entry in entry_points(group=_GROUP)}
    if type_name in installed:
        return _imported(installed[type_name])
    known = suggestion(type_name, (*TYPES, *installed))
    raise ConfigError([f'is not a handler type; {known} (one of your own is "module:Class")'])


def _searched(folders: Sequence[Path]) -> list[str]:
    """Puts these folders at the end of the import path; returns them, each once."""
    places = list(dict.fromkeys(str(folder.resolve()) for folder in folders))
    sys.path += [place for place in places if place not in sys.path]
    return places


def _imported(place: str, searched: Sequence[str] = ()) -> type[Handler]:
    module, _, name = place.partition(":")
    try:
        found = getattr(import_module(module), name, None)
    # A module of the user's may raise anything; the rest of the configuration is still checked.
    except Exception as error:
        raise ConfigError(
            [f"can't be imported ({type(error).__name__}: {error}); {_remedy(error, module, searched)}"]
        ) from error
    if not isinstance(found, type) or not issubclass(found, Handler):
        raise ConfigError(["does not name a class that derives from receiver.handler.Handler; correct the name"])
    # A decorator that keeps the name is seen through. Whatever is not awaited would count as delivered.
    if found.handle is Handler.handle or not inspect.iscoroutinefunction(inspect.unwrap(found.handle)):
        raise ConfigError([f"{name} has no `async def handle(self, delivery)`; write it"])
    return found


def _remedy(error: Exception, module: str, searched: Sequence[str]) -> str:
    absent = isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if missing in _EXTRAS:
        return f'install it: pip install "suno-receiver[{_EXTRAS[missing]}]"'
    if absent and searched:
        return f"put it into {' or '.join(searched)}, install it, or correct the name"
    return "install or correct the module"
