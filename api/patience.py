"""uvicorn's HTTP with bounds on what a connection may ask for and how long that takes, and answers that leave at once.

uvicorn closes idle connections, but waits for ever for a request of which a byte comes now and then, or for a client to
take its answer; httptools takes a head of any length, and any number of requests at once.

uvicorn sends the head and the body of an answer apart. Where several processes share its socket asyncio does not see
that this is TCP, and leaves Nagle's algorithm on: the body would wait 40 ms for the client to acknowledge the head.
"""

import asyncio
import socket
from collections.abc import Callable
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api import limits
from api.problems import respond

MOST_HEAD = 64 * 2**10  # bytes that may come without a request beginning, its head or a part of its body being whole
MOST_AT_ONCE = 100  # requests of one connection that wait for the answers before theirs
GRACE = 5.0  # seconds beyond those for a body, so that its sender usually gets an answer before the end
TOO_LONG = f"The head of a request has at most {MOST_HEAD} bytes."


class _Clock:
    """Ends a connection, unless it is stopped in time."""

    _running: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> None:
        """Begin to count, unless it does already."""
        self._running = self._running or loop.call_later(limits.SECONDS + GRACE, end)

    def stop(self) -> None:
        """Count no more."""
        if self._running is not None:
            self._running.cancel()
            self._running = None


class PatientProtocol(HttpToolsProtocol):
    """Closes a connection whose request is not there, or whose answer is not taken, in time; for ``uvicorn --http``."""

    _in_head = True
    _vain = 0  # bytes since something was whole

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._coming, self._leaving = _Clock(), _Clock()  # a request, and an answer that the client does not take
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what came, within the bounds."""
        if self._is_idle:
            self._wait()  # uvicorn's own clock for idle connections stops at any byte
        self._vain += len(data)
        super().data_received(data)
        if not self.transport.is_closing() and (self._vain > MOST_HEAD or len(self.pipeline) > MOST_AT_ONCE):
            if self._is_idle:
                self.send_400_response(TOO_LONG)
            else:  # an answer is under way
                self.transport.close()

    def on_message_begin(self) -> None:
        """Wait for the whole of a request."""
        super().on_message_begin()
        self._in_head, self._vain = True, 0
        self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what comes behind the body is none, for proxies do not look there."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin the answer; the body may come meanwhile."""
        self._in_head, self._vain = False, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._vain = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait no longer."""
        self._vain = 0
        super().on_message_complete()
        self._coming.stop()

    def pause_writing(self) -> None:
        """Begin to wait for a client that takes no more for now."""
        super().pause_writing()
        self._leaving.start(self.loop, self.transport.abort)

    def resume_writing(self) -> None:
        """Wait no longer: it goes on taking."""
        super().resume_writing()
        self._leaving.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._coming.stop()
        self._leaving.stop()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong with a request that the application never sees, in its own way, and leave."""
        answer = respond(HTTPStatus.BAD_REQUEST, msg, headers={"Connection": "close"})
        head = b"".join(name + b": " + value + b"\r\n" for name, value in answer.raw_headers)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + head + b"\r\n" + bytes(answer.body))
        self.transport.close()

    @property
    def _is_idle(self) -> bool:
        """Whether no answer is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        self._coming.start(self.loop, self.transport.close)
