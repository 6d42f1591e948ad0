"""The status call of a `generic` provider: made from its template, and recognised when a client makes it."""

import re
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from receiver.providers.base import Request
from receiver.providers.generic_replies import load_or_none
from receiver.providers.generic_settings import StatusCall, spell
from receiver.shapes import json_bytes

_PLACE = "{id}"


def status_request(call: StatusCall, task_id: str) -> Request:
    path = call.path.replace(_PLACE, quote(task_id, safe="", errors="replace"))
    if call.method == "GET":
        return Request(method="GET", path=path)
    body = json_bytes(_filled(call.body, task_id.encode("utf-8", "replace").decode()))
    return Request(method="POST", path=path, headers={"content-type": "application/json"}, body=body)


def _filled(template: Any, task_id: str) -> Any:
    if isinstance(template, str):
        return template.replace(_PLACE, task_id)
    if isinstance(template, dict):
        return {name: _filled(inner, task_id) for name, inner in template.items()}
    return [_filled(inner, task_id) for inner in template] if isinstance(template, list) else template


def asked_task(call: StatusCall, request: Request) -> str | None:
    """The task of a client's own status call; None where it is another call, or asks about several at once."""
    if request.method != call.method:
        return None
    wanted, _, wanted_query = call.path.partition("?")
    path, _, query = request.path.partition("?")
    pattern = re.escape(wanted.rstrip("/")).replace(re.escape(_PLACE), "([^/]+)")
    matched = re.fullmatch(pattern, path.rstrip("/"))
    if matched is None:
        return None
    found = [unquote(part) for part in matched.groups()]
    sent = parse_qsl(query, keep_blank_values=True)
    for name, value in parse_qsl(wanted_query, keep_blank_values=True):
        given = [one for key, one in sent if key == name]
        if len(given) != 1 or (value != _PLACE and given[0] != value):
            return None
        found += given if value == _PLACE else []
    inside = _asked(call.body, load_or_none(request.body)) if call.method == "POST" else []
    ids = {*found, *(inside or [])}
    return ids.pop() if inside is not None and len(ids) == 1 else None


def _asked(template: Any, sent: Any) -> list[str] | None:
    """What the sent value has in the places of the template's {id}; None where it is another value."""
    if template == _PLACE:
        return [sent] if isinstance(sent, str) and sent else None
    if isinstance(template, dict):
        found: list[str] = []
        for name, inner in template.items():
            here = _asked(inner, sent.get(name)) if isinstance(sent, dict) else None
            if here is None:
                return None
            found += here
        return found
    if isinstance(template, list):
        pairs = zip(template, sent, strict=True) if isinstance(sent, list) and len(sent) == len(template) else ()
        each = [_asked(inner, value) for inner, value in pairs]
        return [one for some in each for one in some or []] if len(each) == len(template) and None not in each else None
    return [] if sent is not None and spell(sent) == spell(template) else None
