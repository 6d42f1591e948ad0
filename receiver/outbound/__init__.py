"""The guarded HTTP client: addresses are vetted at connect, bodies are capped, errors name the rule."""

from receiver.outbound.addresses import Allowed, refusal
from receiver.outbound.answers import Answer, Download, first_line, redact, settle, url_parts
from receiver.outbound.media import Media
from receiver.outbound.network import Network
from receiver.outbound.plain import Flow, Http

__all__ = [
    "Allowed",
    "Answer",
    "Download",
    "Flow",
    "Http",
    "Media",
    "Network",
    "first_line",
    "redact",
    "refusal",
    "settle",
    "url_parts",
]
