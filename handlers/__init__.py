"""What can be done with an event: one module per handler type. Only types that the configuration names are imported."""

from importlib import import_module
from importlib.metadata import entry_points

from receiver.errors import ConfigError
from receiver.handler import Handler
from receiver.units import suggestion

TYPES = {
    "file": "handlers.file:FileArchive",
    "log": "handlers.log:Log",
    "slack": "handlers.slack:Slack",
}

_GROUP = "receiver.handlers"


def handler_class(type_name: str) -> type[Handler]:
    """The class behind `type:` in the configuration: ours, an installed one, or `module:Class`. Raises ConfigError."""
    if ":" in type_name:
        return _imported(type_name)
    if type_name in TYPES:
        return _imported(TYPES[type_name])
    installed = {entry.name: entry.value for entry in entry_points(group=_GROUP)}
    if type_name in installed:
        return _imported(installed[type_name])
    known = suggestion(type_name, (*TYPES, *installed))
    raise ConfigError([f'is not a handler type; {known} (one of your own is "module:Class")'])


def _imported(place: str) -> type[Handler]:
    module, _, name = place.partition(":")
    try:
        found = getattr(import_module(module), name, None)
    # A module of the user's may raise anything; the rest of the configuration is still checked.
    except Exception as error:
        raise ConfigError(
            [f"can't be imported ({type(error).__name__}: {error}); install or correct the module"]
        ) from error
    if not isinstance(found, type) or not issubclass(found, Handler):
        raise ConfigError(["does not name a class that derives from receiver.handler.Handler; correct the name"])
    return found
