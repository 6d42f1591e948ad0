"""The provider types: each is one module that turns a provider's bytes into our words and back."""

from importlib import import_module

from receiver.errors import ConfigError
from receiver.providers.base import Provider
from receiver.units import suggestion

TYPES = {
    "sunoapi": "receiver.providers.sunoapi:SunoApi",
    "kie": "receiver.providers.kie:Kie",
    "cqt": "receiver.providers.cqt:Cqt",
    "generic": "receiver.providers.generic:Generic",
}


def provider_class(type_name: str) -> type[Provider]:
    """The class behind `type:` in the configuration. Raises ConfigError."""
    if type_name not in TYPES:
        raise ConfigError([f"is not a provider type; {suggestion(type_name, TYPES)}"])
    module, _, name = TYPES[type_name].partition(":")
    found: type[Provider] = getattr(import_module(module), name)
    return found
