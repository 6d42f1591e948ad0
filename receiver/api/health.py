"""`/healthz` and `/readyz`: anyone may ask, only the admin is told what is wrong."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.api.parts import Check, Finding, Health, Parts
from receiver.errors import Rejection
from receiver.web.answers import json_answer

logger = logging.getLogger(__name__)


# Anyone may ask: however often, each check runs once in so many seconds.
_KEEP_S = 1.0


class HealthChecks:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._looking = asyncio.Lock()
        self._found: dict[str, tuple[float, list[Finding]]] = {}

    def routes(self) -> Sequence[Route]:
        return (
            Route("/healthz", self.alive, methods=["GET"]),
            Route("/readyz", self.ready, methods=["GET"]),
        )

    async def alive(self, request: Request) -> Response:
        return await self._answer(request, self._parts.alive)

    async def ready(self, request: Request) -> Response:
        return await self._answer(request, self._parts.ready)

    async def _answer(self, request: Request, checks: Sequence[Check]) -> Response:
        findings = await self._look(request.url.path, checks)
        health = worst(findings)
        content: dict[str, Any] = {"status": health.value}
        if await self._is_admin(request):
            content["checks"] = [
                {"name": finding.name, "status": finding.health.value, "detail": finding.detail} for finding in findings
            ]
        return json_answer(content, 503 if health is Health.FAIL else 200)

    async def _look(self, path: str, checks: Sequence[Check]) -> list[Finding]:
        async with self._looking:
            now = asyncio.get_running_loop().time()
            looked_at, findings = self._found.get(path, (-_KEEP_S, []))
            if now - looked_at >= _KEEP_S:
                findings = await asyncio.gather(*(self._run(check) for check in checks))
                self._found[path] = (now, findings)
            return findings

    async def _run(self, check: Check) -> Finding:
        name = getattr(check, "__name__", "check")
        try:
            async with asyncio.timeout(self._parts.check_time):
                return await check()
        except TimeoutError:
            return Finding(name, Health.FAIL, f"It did not answer within {self._parts.check_time:g} s.")
        except Exception as error:  # noqa: BLE001 - one broken check must not hide what the others found
            logger.warning("the health check %s failed: %s", name, type(error).__name__)
            return Finding(name, Health.FAIL, f"The check itself failed with {type(error).__name__}.")

    async def _is_admin(self, request: Request) -> bool:
        try:
            identity = await self._parts.access.identify(request)
        except Rejection:
            return False
        return identity.admin


def worst(findings: Sequence[Finding]) -> Health:
    order = list(Health)
    return max((finding.health for finding in findings), key=order.index, default=Health.OK)
