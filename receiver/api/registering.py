"""`POST /v1/submissions`: a submission that was made elsewhere is watched from here on."""

from collections.abc import Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.api.bodies import RegistrationBody, read
from receiver.api.parts import Parts, Registration
from receiver.errors import Rejection
from receiver.shapes import submission_json
from receiver.web.answers import json_answer
from receiver.web.params import read_params


class Registering:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> Sequence[Route]:
        return (Route("/v1/submissions", self.register, methods=["POST"]),)

    async def register(self, request: Request) -> Response:
        """201 with the submission, 200 where it is known already. A client registers its own."""
        identity = await self._parts.access.identify(request)
        read_params(request.query_params, ())
        body = await read(RegistrationBody, request, self._parts)
        wish = Registration(**body.model_dump(), by_admin=identity.admin)
        if not identity.admin:
            if wish.client not in (None, identity.client):
                raise Rejection(403, "Forbidden", "A client registers its own submissions: leave client out.")
            wish = replace(wish, client=identity.client)
        submission, new = await self._parts.register(wish)
        return json_answer(submission_json(submission), 201 if new else 200)
