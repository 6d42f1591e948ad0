"""A request of ours to a provider: its key, its address, one try."""

from datetime import timedelta

from receiver.outbound import Http
from receiver.providers.base import Provider, Reply, Request


async def call(http: Http, provider: Provider, request: Request, timeout: timedelta) -> Reply:
    """Never repeated. Raises NotSent, Unreachable or TooLarge."""
    answer = await http.request(
        request.method,
        provider.base_url.rstrip("/") + request.path,
        headers={**request.headers, "authorization": f"Bearer {provider.api_key.get_secret_value()}"},
        content=request.body or None,
        timeout=timeout,
    )
    return Reply(status=answer.status, headers=answer.headers, body=answer.body)
