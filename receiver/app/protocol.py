"""HTTP/1.1 as uvicorn speaks it, with bounds on what a stranger may send before anybody knows who is asking."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LARGEST_HEAD = 64 * 1024
_PATIENCE_S = 30.0
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\ncache-control: no-store\r\n"
    b"connection: close\r\n\r\n"
)


class _HeadTooLarge(Exception):
    pass


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a request head, or trailers, above 64 KiB, and closes a connection whose head is not there after 30 s.

    uvicorn with httptools has neither bound. How long a body may take is for those who read it to say.
    """

    largest_head = _LARGEST_HEAD
    patience_s = _PATIENCE_S

    # Bytes since the last end of a head or part of a body: of a head, of trailers, or between requests.
    _loose = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._drop_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._loose += len(data)
        super().data_received(data)
        if self._loose > self.largest_head:
            self._refuse()
        elif self._deadline is None and self._is_idle():
            # The keep-alive timer of uvicorn ended with the first byte.
            self._set_deadline()

    def on_headers_complete(self) -> None:
        if self._loose > self.largest_head and self._head_size() > self.largest_head:
            # The parser stops, and the head is refused where `data_received` looks.
            raise _HeadTooLarge
        self._loose = 0
        self._drop_deadline()
        # For answers without an end: a reader that takes nothing would keep its connection open for ever.
        self.scope["extensions"] = {"receiver.abort": {"abort": self.transport.abort}}
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._loose = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        if self._loose <= self.largest_head:
            super().send_400_response(msg)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _refuse(self) -> None:
        if self.transport.is_closing():
            return
        if self._is_idle():
            self.transport.write(_TOO_LARGE)
        self.transport.close()

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.patience_s, self.transport.close)

    def _drop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
