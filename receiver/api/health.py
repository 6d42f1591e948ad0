"""`/healthz` and `/readyz`: anyone may ask, only the admin is told what is wrong."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
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
        self._access = parts.access
        self._alive = _Look(parts.alive, parts.check_time)
        self._ready = _Look(parts.ready, parts.check_time)

    def routes(self) -> Sequence[Route]:
        return (
            Route("/healthz", self.alive, methods=["GET"]),
            Route("/readyz", self.ready, methods=["GET"]),
        )

    async def alive(self, request: Request) -> Response:
        return await self._answer(request, await self._alive.findings())

    async def ready(self, request: Request) -> Response:
        return await self._answer(request, await self._ready.findings())

    async def _answer(self, request: Request, findings: Sequence[Finding]) -> Response:
        health = worst(findings)
        content: dict[str, Any] = {"status": health.value}
        if await self._is_admin(request):
            content["checks"] = [
                {"name": finding.name, "status": finding.health.value, "detail": finding.detail} for finding in findings
            ]
        return json_answer(content, 503 if health is Health.FAIL else 200)

    async def _is_admin(self, request: Request) -> bool:
        try:
            identity = await self._access.identify(request)
        except Rejection:
            return False
        return identity.admin


class _Look:
    """The checks of one address. Whoever asks waits for the look that is on its way."""

    def __init__(self, checks: Sequence[Check], check_time: float) -> None:
        self._checks = checks
        self._check_time = check_time
        self._looking = asyncio.Lock()
        self._looked_at = float("-inf")
        self._found: list[Finding] = []

    async def findings(self) -> list[Finding]:
        async with self._looking:
            clock = asyncio.get_running_loop().time
            if clock() - self._looked_at >= _KEEP_S:
                self._found = await asyncio.gather(*(self._run(check) for check in self._checks))
                self._looked_at = clock()
            return self._found

    async def _run(self, check: Check) -> Finding:
        finding = await self._find(check)
        if finding.health is Health.FAIL and not check.vital:
            return replace(finding, health=Health.WARN)
        return finding

    async def _find(self, check: Check) -> Finding:
        try:
            async with asyncio.timeout(self._check_time):
                return await check.look()
        except TimeoutError:
            return Finding(check.name, Health.FAIL, f"It did not answer within {self._check_time:g} s.")
        except Exception as error:  # noqa: BLE001 - one broken check must not hide what the others found
            logger.warning("the health check %s failed: %s", check.name, type(error).__name__)
            return Finding(check.name, Health.FAIL, f"The check itself failed with {type(error).__name__}.")


def worst(findings: Sequence[Finding]) -> Health:
    order = list(Health)
    return max((finding.health for finding in findings), key=order.index, default=Health.OK)
