"""The composition root: settings in, ASGI app and worker out. The parts get plain values, never Settings."""

from receiver.app.ids import fresh_id, this_process
from receiver.app.server import bind, serve_until_signal
from receiver.app.service import Service, build, open_database
from receiver.app.web import redactor, url_maker

__all__ = [
    "Service",
    "bind",
    "build",
    "fresh_id",
    "open_database",
    "redactor",
    "serve_until_signal",
    "this_process",
    "url_maker",
]
