"""Paths as they are sent, in which an id may hold a slash or any other character: what is there, and where to go."""

from string import punctuation
from urllib.parse import quote

from fastapi import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send


class RawPath:
    """Lets routes see percent-encoded paths; ``api.fields.PathId`` decodes each id once it is cut out.

    ASGI servers decode the whole path before routing, which would make two segments of the id ``a%2Fb``. Bytes that a
    client did not encode are encoded here, so that those which are no UTF-8 stay different.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http" and scope.get("raw_path"):
            scope = {**scope, "path": quote(scope["raw_path"], safe=punctuation)}
        await self.app(scope, receive, send)


class HeadAsGet:
    """Lets GET routes answer HEAD; the server, which was asked, sends no body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self.app(scope, receive, send)


def below_root(scope: Scope) -> str:
    """The path below the one that the server was told it stands at (``root_path``), as the router sees it."""
    path: str = scope["path"]
    below = path.removeprefix(scope.get("root_path", ""))
    return below if below.startswith("/") or not below else path


def allowed(request: Request) -> list[str]:
    """The methods that some route takes at the path of a request."""
    routes = request.app.router.routes
    found = [
        method
        for method in ("GET", "POST", "PUT", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] == Match.FULL for route in routes)
    ]
    found = found or ["GET"]  # of a folder of files
    return [*found[:1], "HEAD", *found[1:]] if "GET" in found else found


def path_to(request: Request, route: str, **ids: str) -> str:
    """Where clients find a route by its name, below the path that the server was told it stands at; ids are encoded."""
    path = request.app.url_path_for(route, **{name: quote(value, safe="") for name, value in ids.items()})
    return f"{request.scope.get('root_path', '')}{path}"
