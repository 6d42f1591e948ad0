"""A provider of each type as the contract suite runs it, and a request for each of its operations."""

import json
from pathlib import Path

from pydantic import SecretStr

from receiver.providers import provider_class
from receiver.providers.base import Operation, Provider, Request
from receiver.providers.cqt_operations import TASKS
from receiver.providers.generic import Generic
from receiver.settings import load

EXAMPLES = Path("config/examples")
ENVIRON = {
    "PUBLIC_URL": "https://music.example.com",
    "APP_TOKEN": "client-token-123456",
    "SUNO_API_KEY": "provider-key-123",
    "WEBHOOK_SECRET": "s3cret",
}


def make_provider(type_name: str, api_key: str) -> Provider:
    """A `generic` one is the one that an example in the documentation describes."""
    if type_name == "generic":
        return example("acedata").model_copy(update={"api_key": SecretStr(api_key)})
    return provider_class(type_name).model_validate({"type": type_name, "api_key": api_key})


def example(name: str) -> Generic:
    settings = load(EXAMPLES / f"provider-{name}.yaml", ENVIRON)
    found = settings.providers[name]
    assert isinstance(found, Generic)
    return found


def ask(provider: Provider, operation: Operation, query: str = "") -> Request:
    """A request that names this operation, by its path and, where several share one, by its body."""
    body: dict[str, object] = {"prompt": "a ferry at night"}
    if provider.type == "cqt":
        body |= {"task": next((task for task, row in TASKS.items() if row.name == operation.name), "brand_new")}
    if isinstance(provider, Generic):
        body |= next(row.match for row in provider.submit if row.operation == operation.name)
    return Request(method=operation.method, path=operation.path + query, body=json.dumps(body).encode())
