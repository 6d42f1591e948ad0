from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.cli.within import ask


async def echo(request: Request) -> Response:
    said = f"{request.method} {request.path_params['name']} {request.query_params.get('q')} ".encode()
    return Response(said + await request.body(), 201, {"X-Said": request.headers["x-say"]})


async def test_a_request_reaches_the_app_whole() -> None:
    app = Starlette(routes=[Route("/{name}", echo, methods=["POST"])])
    answer = await ask(app, "POST", "/a%20b?q=c+d", b"body", {"x-say": "hello"})
    assert (answer.status, answer.body) == (201, b"POST a b c d body")
    assert answer.headers["x-said"] == "hello"


async def test_a_path_that_the_app_does_not_know_is_404() -> None:
    assert (await ask(Starlette(), "GET", "/", None, {})).status == 404
