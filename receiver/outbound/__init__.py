"""The guarded HTTP client: addresses are vetted at connect, bodies are capped, errors name the rule."""

from receiver.outbound.addresses import Allowed, refusal
from receiver.outbound.answers import Answer, Download, redact, settle
from receiver.outbound.media import Media
from receiver.outbound.network import Network
from receiver.outbound.plain import Http

__all__ = ["Allowed", "Answer", "Download", "Http", "Media", "Network", "redact", "refusal", "settle"]
