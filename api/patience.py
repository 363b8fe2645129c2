"""uvicorn's HTTP with bounds on how long a request may take to come in and how long its head is, without delays.

uvicorn closes idle connections, but waits for ever for a head or a body of which a byte comes now and then, and
httptools, which is used for being fast, takes a head of any length.

It sends the head and the body of an answer apart. Where several processes share its socket asyncio does not see that
this is TCP, and leaves Nagle's algorithm on: the body would wait 40 ms for the client to acknowledge the head.
"""

import asyncio
import socket

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api import limits

MOST_HEAD = 64 * 2**10  # bytes
GRACE = 5.0  # seconds beyond those for a body, so that its sender usually gets an answer before the end


class PatientProtocol(HttpToolsProtocol):
    """Closes a connection whose request, head and body, is not there in time; for ``uvicorn --http``."""

    _deadline: asyncio.TimerHandle | None = None
    _head: int | None = 0  # bytes that came of a head that is not whole; None: a body, or nothing, is being read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what came, unless it is a head without end."""
        super().data_received(data)
        if self._head is not None and not self.transport.is_closing():
            self._head += len(data)
            if self._head > MOST_HEAD:
                self.send_400_response(f"The head of a request has at most {MOST_HEAD} bytes.")

    def on_message_begin(self) -> None:
        """Wait for the whole of a request."""
        super().on_message_begin()
        self._head = 0
        self._wait()

    def on_headers_complete(self) -> None:
        """Begin the answer; the body may come meanwhile."""
        self._head = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait no longer."""
        super().on_message_complete()
        self._wait_no_more()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(limits.SECONDS + GRACE, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
