"""Library exceptions become outcomes of ours: one sentence that names the host and what happened, nothing else."""

import socket
import ssl
from collections.abc import Iterator

import httpx2 as httpx

from receiver.errors import NotSent, Unreachable


def read_fault(host: str, error: BaseException, *, sent: bool) -> Unreachable:
    """The outcome of a failed exchange with a host; NotSent where no byte of the request's body went out."""
    outcome = Unreachable if sent else NotSent
    return outcome(_describe(host or "the address", error))


def _describe(host: str, error: BaseException) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return f"{host} could not be connected to in time"
    if isinstance(error, httpx.ConnectError):
        return _describe_connect(host, error)
    return next((text for kind, text in _TEXTS if isinstance(error, kind)), _OTHER).format(host=host)


def _describe_connect(host: str, error: BaseException) -> str:
    for cause in _unfold(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate of {host} is not accepted: {cause.verify_message}"
        if text := next((text for kind, text in _CONNECT_TEXTS if isinstance(cause, kind)), None):
            return text.format(host=host)
    return f"{host} could not be connected to"


def _unfold(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and all that led to it: the libraries wrap the one that says why, some as an argument."""
    if error is None:
        return
    yield error
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else error.args
    for part in (*inner, error.__cause__ or error.__context__):
        if isinstance(part, BaseException):
            yield from _unfold(part)


_CONNECT_TEXTS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "the name {host} does not resolve"),
    (ConnectionRefusedError, "{host} refuses connections"),
    (ssl.SSLError, "{host} speaks no TLS that is understood here"),
)
_OTHER = "the exchange with {host} failed"
_TEXTS: tuple[tuple[type[BaseException], str], ...] = (
    (httpx.TimeoutException, "{host} was silent for too long"),
    (httpx.NetworkError, "{host} reset the connection"),
    (httpx.RemoteProtocolError, "{host} closed the connection before its answer was complete, or sent no valid HTTP"),
    (httpx.LocalProtocolError, "the request to {host} can't be written as HTTP"),
    (httpx.UnsupportedProtocol, "{host} is not written as an http or https address"),
    (httpx.DecodingError, "{host} sent a body that can't be decoded"),
)
