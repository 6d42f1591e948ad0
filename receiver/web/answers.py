"""Answers of ours: JSON, and problems with their remedy."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ExceptionHandler

from receiver.errors import Rejection, StoreUnavailable
from receiver.shapes import json_bytes
from receiver.web.seldom import Seldom

_away = Seldom(logging.getLogger(__name__))

_NOTHING_HERE = "There is nothing here. Check the address and the id."
_REMEDIES = {
    400: "The request can't be understood. Check its address, its headers and its body.",
    404: _NOTHING_HERE,
    405: "This address exists, but not for this method. The Allow header names those that work.",
    413: "The body is larger than this address takes. Send less.",
}


def not_found() -> Rejection:
    """The one 404 there is: it never tells what is missing."""
    return Rejection(404, "Not Found", _NOTHING_HERE)


def unavailable() -> Rejection:
    detail = "The database can't take it now. Send the same request again."
    return Rejection(503, "Service Unavailable", detail, headers={"retry-after": "5"})


def too_slow() -> Rejection:
    return Rejection(408, "Request Timeout", "The body did not arrive in time. Send the request again.")


def json_answer(content: Any, status: int = 200) -> Response:
    """JSON that no cache keeps."""
    return Response(json_bytes(content), status, {"cache-control": "no-store"}, "application/json")


def problem(rejection: Rejection) -> Response:
    """The answer for an error of ours: https://www.rfc-editor.org/rfc/rfc9457."""
    content = {
        "type": "about:blank",
        "title": rejection.title,
        "status": rejection.status,
        "detail": rejection.detail,
    }
    headers = {"cache-control": "no-store", **rejection.headers}
    return Response(json_bytes(content), rejection.status, headers, "application/problem+json")


async def _on_rejection(_request: Any, error: Any) -> Response:
    return problem(error)


async def _on_store_unavailable(_request: Any, _error: Any) -> Response:
    _away.warn("a request was answered 503: the database can't take it")
    return problem(unavailable())


async def _on_http_exception(_request: Any, error: Any) -> Response:
    title = HTTPStatus(error.status_code).phrase
    detail = _REMEDIES.get(error.status_code, "The request can't be served as it is.")
    return problem(Rejection(error.status_code, title, detail, headers=dict(error.headers or {})))


EXCEPTION_HANDLERS: Mapping[Any, ExceptionHandler] = {
    Rejection: _on_rejection,
    StoreUnavailable: _on_store_unavailable,
    HTTPException: _on_http_exception,
}
