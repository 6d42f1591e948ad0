import pytest

from receiver.errors import ConfigError
from receiver.providers import TYPES, provider_class
from receiver.providers.base import Provider
from tests.support.provider_makers import make_provider


@pytest.mark.parametrize("name", TYPES)
def test_type_names_its_class(name: str) -> None:
    found = provider_class(name)
    assert issubclass(found, Provider)
    assert isinstance(make_provider(name, "k"), found)
    assert make_provider(name, "k").type == name


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        ("sunoapl", "is not a provider type; did you mean sunoapi?"),
        ("a-pasted-secret", f"is not a provider type; known are {', '.join(sorted(TYPES))}"),
    ],
)
def test_unknown_type_names_the_known_ones_and_not_the_value(name: str, mistake: str) -> None:
    with pytest.raises(ConfigError) as caught:
        provider_class(name)
    assert caught.value.mistakes == [mistake]
