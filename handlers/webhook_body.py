"""What a webhook carries: the event with lasting links, or the provider's own body. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from receiver.events import OWN_KINDS
from receiver.handler import Delivery
from receiver.shapes import event_json, json_bytes


def event_body(delivery: Delivery) -> bytes:
    """The event with the results as they are now. `archived` of a file is its lasting link.

    Files that an archive made and the provider does not have come last; their `url` is the lasting link too.
    """
    shape = event_json(replace(delivery.event, results=delivery.results))
    for result in shape["results"]:
        for file in result["files"]:
            if link := delivery.archived(result["id"], file["role"]):
                file["archived"] = link
        result["files"] += _made(delivery, result)
    return json_bytes(shape)


def raw_body(delivery: Delivery) -> bytes:
    """The provider's body as it is kept, our secrets redacted; events that have none go as they are."""
    event = delivery.event
    if event.raw is None or event.kind in OWN_KINDS:
        return event_body(delivery)
    return json_bytes(event.raw)


def _made(delivery: Delivery, result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    known = {file["role"] for file in result["files"]}
    for file in delivery.kept(result["id"]):
        if file.role not in known:
            yield {"role": file.role, "url": file.link, "media_type": file.media_type, "archived": file.link}
