"""What is noted of every request: an id that all its log lines carry, one line in the log, a count and a time."""

import logging
import re
import time
import uuid
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from recsys.logs import request_id
from recsys.serving.metrics import REQUEST_SECONDS, REQUESTS

access = logging.getLogger("recsys.access")
log = logging.getLogger(__name__)

HEADER = "X-Request-ID"
SANE = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}")  # nothing that could end a line of the log, or make another one
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NOWHERE = "none"  # the route of a path that leads to nothing
SEEN = "recsys.seen"  # where the two middlewares meet; those between them may copy the scope, not what is in it


@dataclass
class Seen:
    """What came of one request."""

    route: str = NOWHERE
    status: int = 0


class Requests:
    """The outermost middleware: everything that is answered, refusals included, is noted here.

    The log names the route and never the path, since paths hold ids of users.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, seen, name = time.perf_counter(), Seen(), _id_of(scope)
        request_id.set(name)  # each request is a task of its own, so nothing needs to be reset

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                MutableHeaders(scope=message)[HEADER] = name
            await send(message)

        try:
            await self._answered({**scope, SEEN: seen}, receive, answer)
        finally:
            _note(scope["method"], seen, time.perf_counter() - started)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception:
            log.exception("a request failed")
            if scope[SEEN].status:
                raise  # half an answer is out already: the server breaks the connection
            await problems.respond(500, problems.UNEXPECTED)(scope, receive, send)


class Routed:
    """The innermost middleware, which sees the route that a request was led to."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        try:
            await self.app(scope, receive, send)
        finally:
            if SEEN in scope:
                scope[SEEN].route = template(scope)


def template(scope: Scope) -> str:
    """The path of the route that answered, with its parameters in braces; no path that somebody made up.

    A route in an included router knows its own part of the path alone: what stands before that is the same in every
    request, and has as many segments as are left.
    """
    path: str = scope["path"]
    own: str | None = getattr(scope.get("route"), "path", None)
    if own is None:  # Starlette's own routes: /openapi.json, or a folder of files
        return (scope.get("root_path") or path) if "endpoint" in scope else NOWHERE
    segments = path.split("/")
    return "/".join(segments[: len(segments) - own.count("/")]) + own


def _id_of(scope: Scope) -> str:
    sent = Headers(scope=scope).get(HEADER, "")
    return sent if SANE.fullmatch(sent) else uuid.uuid4().hex


def _note(method: str, seen: Seen, seconds: float) -> None:
    """Count and log; a status of 0 says that nobody waited for the answer."""
    method = method if method in METHODS else "other"
    REQUESTS.labels(seen.route, method, seen.status).inc()
    REQUEST_SECONDS.labels(seen.route, method).observe(seconds)
    milliseconds = round(1000 * seconds, 2)
    fields = {"method": method, "route": seen.route, "status": seen.status, "milliseconds": milliseconds}
    access.info("%s %s %d in %.2f ms", method, seen.route, seen.status, milliseconds, extra=fields)
