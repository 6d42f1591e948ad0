"""JSON out: `/v1` and the health of the process. What it needs comes as `Parts`."""

from starlette.routing import Route

from receiver.api.bulk import Bulk
from receiver.api.deliveries import Deliveries
from receiver.api.handlers import Handlers
from receiver.api.health import HealthChecks
from receiver.api.parts import Parts
from receiver.api.registering import Registering
from receiver.api.stream import Streams
from receiver.api.submissions import Submissions


def routes(parts: Parts) -> list[Route]:
    """Every route of the API, in the order in which they are tried."""
    sections = (
        Submissions(parts),
        Registering(parts),
        Deliveries(parts),
        Bulk(parts),
        Handlers(parts),
        HealthChecks(parts),
    )
    streams = (Streams(parts, parts.hub),) if parts.hub else ()
    return [route for section in (*sections, *streams) for route in section.routes()]
