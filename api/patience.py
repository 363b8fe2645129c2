"""uvicorn's HTTP with a bound on how long a request may take to come in, and answers that leave at once.

uvicorn closes idle connections, but waits for ever for a head or a body of which a byte comes now and then.

It sends the head and the body of an answer apart. Where several processes share its socket asyncio does not see that
this is TCP, and leaves Nagle's algorithm on: the body would wait 40 ms for the client to acknowledge the head.
"""

import asyncio
import socket

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from api import limits

GRACE = 5.0  # seconds beyond those for a body, so that its sender usually gets an answer before the end


class PatientProtocol(H11Protocol):
    """Closes a connection whose request, head and body, is not there in time; for ``uvicorn --http``."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what came, and wait no longer once a request is whole."""
        super().data_received(data)
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._wait()
        else:
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
