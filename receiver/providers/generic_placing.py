"""Puts our callback URL into a client's request, wherever a `generic` provider wants it, and finds the client's own."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_plus

from receiver.errors import Unrecognised
from receiver.providers.base import Request
from receiver.providers.generic_settings import CallbackPlace
from receiver.providers.splice import get_path, set_path


def place(request: Request, callback: CallbackPlace, url: str, secret: str | None) -> Request:
    """The request with our URL, and what belongs to it, set over the client's own. Raises Unrecognised."""
    if callback.query:
        request = replace(request, path=_with_parameter(request.path, callback.query, url))
    if callback.header:
        others = {name: value for name, value in request.headers.items() if name.lower() != callback.header.lower()}
        request = replace(request, headers={**others, callback.header.lower(): url})
    members: dict[str, Any] = {**({callback.body: url} if callback.body else {}), **callback.fields}
    if callback.secret and secret is not None:
        members[callback.secret] = secret
    body = request.body
    for path, value in members.items():
        body = set_path(body, path.split("."), value)
    return replace(request, body=body)


def find(request: Request, callback: CallbackPlace) -> str | None:
    """The callback URL that the client had set itself."""
    own: Any = None
    if callback.query:
        query = request.path.partition("?")[2]
        own = dict(parse_qsl(query)).get(callback.query)
    elif callback.header:
        own = next((value for name, value in request.headers.items() if name.lower() == callback.header.lower()), None)
    elif callback.body:
        try:
            own = get_path(request.body, callback.body.split("."))
        except Unrecognised:
            return None
    return own if isinstance(own, str) and own else None


def _with_parameter(path: str, name: str, value: str) -> str:
    """Every other parameter stays to the letter: some addresses are signed."""
    before, _, query = path.partition("?")
    others = [part for part in query.split("&") if part and unquote_plus(part.partition("=")[0]) != name]
    ours = f"{quote(name, safe='')}={quote(value, safe='')}"
    return f"{before}?{'&'.join([*others, ours])}"
